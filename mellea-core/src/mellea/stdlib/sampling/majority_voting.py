"""Majority voting on mathematical answers: two answers are the same if they are mathematically equal.

Numbers are compared here, exactly. Everything else goes to the library math-verify (extra ``math``), which
brings SymPy and its 80 MB, takes a second to import, works in a main thread only and evaluates what it
parses: so it is no dependency of the core, and runs in a process of its own that is ended when it takes too
    long.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mellea.core.errors import UsageError
from mellea.core.sampling import Attempt
from mellea.stdlib.sampling._math_answers import Number, as_number, final_answer, same_number
from mellea.stdlib.sampling.voting import (
    BaseMBRDSampling,
    MBRDRougeLStrategy,
    Similarities,
    VotingStrategy,
    normalize,
    pairwise,
)

__all__ = ["BaseMBRDSampling", "MBRDRougeLStrategy", "MajorityVotingStrategyForMath"]

_INSTALL = 'Install it with: pip install "mellea-core[math]"'
_AS_TEXT = "; answers that are no numbers were compared as text, because math-verify"


class MajorityVotingStrategyForMath(VotingStrategy):
    r"""The most frequent answer by mathematical equality.

    ``0.5``, ``1/2`` and ``\boxed{\frac{1}{2}}`` are one answer.

    Without the extra ``math``, answers that are no numbers are compared as text, and ``SamplingResult.why``
    says so.

    Args:
        number_of_samples: How many answers to draw.
        float_rounding: Digits after the point to which numbers are compared.
        strict: Whether variables and the kinds of sets must be the same too; False needs the extra ``math``.
        allow_set_relation_comp: Whether a relation (1 < x < 2) may equal an interval; True needs the extra
            ``math``.
        weighted: Whether votes weigh as much as scores.
        loop_budget: Rounds of each lane.
        timeout: The longest that the comparison may take, in seconds; after that, answers are compared as
            text.
        options: What ``VotingStrategy`` takes.

    Raises:
        UsageError: A number is out of bounds, or a setting needs the extra ``math`` and it is not installed.
    """

    is_majority = True

    def __init__(
        self,
        *,
        number_of_samples: int = 8,
        float_rounding: int = 6,
        strict: bool = True,
        allow_set_relation_comp: bool = False,
        weighted: bool = False,
        loop_budget: int = 1,
        timeout: float = 30.0,
        **options: Any,
    ) -> None:
        super().__init__(
            number_of_samples=number_of_samples, weighted=weighted, loop_budget=loop_budget, **options
        )
        if isinstance(float_rounding, bool) or not isinstance(float_rounding, int) or float_rounding < 0:
            raise UsageError(
                f"float_rounding is {float_rounding!r}.", hint="Pass a number of digits: 0 or more."
            )
        if (not strict or allow_set_relation_comp) and not _is_installed():
            raise UsageError(
                "strict=False and allow_set_relation_comp=True need math-verify, which is not installed.",
                hint=_INSTALL,
            )
        self.float_rounding = float_rounding
        self.strict = strict
        self.allow_set_relation_comp = allow_set_relation_comp
        self.timeout = timeout

    async def similarities(self, voters: Sequence[Attempt[Any]]) -> tuple[Similarities, str]:
        """Return 1 for two answers that are mathematically equal."""
        answers = [final_answer(str(voter.output)) for voter in voters]
        texts = [normalize(answer).replace(" ", "") for answer in answers]
        numbers = [as_number(answer) for answer in answers]
        equal, remark = await self._symbolic(answers, texts, numbers)

        def alike(one: int, other: int) -> bool:
            first, second = numbers[one], numbers[other]
            if texts[one] == texts[other] or (one, other) in equal:
                return True
            return (
                first is not None and second is not None and same_number(first, second, self.float_rounding)
            )

        return pairwise(len(answers), alike), remark

    async def _symbolic(
        self, answers: Sequence[str], texts: Sequence[str], numbers: Sequence[Number | None]
    ) -> tuple[set[tuple[int, int]], str]:
        """Return the pairs that only a computer algebra system finds equal, and what kept it from looking."""
        first_of = {text: index for index, text in reversed(list(enumerate(texts)))}
        distinct = sorted(first_of.values())
        if len(distinct) < 2 or all(numbers[index] is not None for index in distinct):
            return set(), ""
        if not _is_installed():
            return set(), f"{_AS_TEXT} is not installed. {_INSTALL}"
        task = {
            "answers": [answers[index] for index in distinct],
            "float_rounding": self.float_rounding,
            "strict": self.strict,
            "allow_set_relation_comp": self.allow_set_relation_comp,
        }
        found = await _compare(task, self.timeout)
        if found is None:
            return set(), f"{_AS_TEXT} failed or took too long"
        same = {(texts[distinct[one]], texts[distinct[other]]) for one, other in found}
        places = range(len(texts))
        return {
            (a, b)
            for a in places
            for b in places
            if (texts[a], texts[b]) in same or (texts[b], texts[a]) in same
        }, ""


def _is_installed() -> bool:
    return importlib.util.find_spec("math_verify") is not None


async def _compare(task: dict[str, Any], seconds: float) -> list[tuple[int, int]] | None:
    """Return the pairs that math-verify finds equal; None if it fails or takes too long."""
    worker = str(Path(__file__).with_name("_math_worker.py"))
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", worker, stdin=pipe, stdout=pipe, stderr=nothing
    )
    try:
        async with asyncio.timeout(seconds):
            told, _ = await process.communicate(json.dumps(task).encode())
        return [(one, other) for one, other in json.loads(told)]
    except (TimeoutError, ValueError):
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
