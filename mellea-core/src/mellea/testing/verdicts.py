"""Scripted verdicts for the judges of requirements."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from mellea.core import judge
from mellea.core.errors import UsageError
from mellea.testing.replies import Request

__all__ = ["Verdicts"]

_ONE = re.compile(r"\n\nRequirement: (.*)\n\n", re.DOTALL)
_EACH = re.compile(
    r"^(requirement_\d+): (.*?)(?=\nrequirement_\d+: |\n\nFor each requirement)", re.DOTALL | re.MULTILINE
)


class Verdicts:
    """Answers judges: each requirement named here is not met a number of times, all others are met.

    Args:
        failures: By the requirement's description, how often it is not met before it is, or the reasons of
            those times.

    Raises:
        UsageError: A number is negative.
    """

    def __init__(self, failures: Mapping[str, int | Sequence[str]]) -> None:
        self._left = {description: _reasons(description, times) for description, times in failures.items()}

    def answer(self, request: Request, prompt: str) -> str | None:
        """Return the judge's words for a prompt that asks for verdicts; None for any other prompt."""
        if not prompt.startswith(judge.HEAD):
            return None
        if "\n\nRequirements:\n" in prompt and (
            each := _EACH.findall(prompt.rpartition("\n\nRequirements:\n")[2])
        ):
            return json.dumps({name: self._verdict(description) for name, description in each})
        asked = _ONE.search(prompt[prompt.rfind("\n\nRequirement: ") :])
        if asked is None:
            return None
        verdict = self._verdict(asked[1])
        return (
            json.dumps(verdict)
            if request.schema is not None
            else f"{'yes' if verdict['met'] else 'no'}, {verdict['reason']}"
        )

    def _verdict(self, description: str) -> dict[str, object]:
        left = self._left.get(description)
        return {"reason": left.pop(0), "met": False} if left else {"reason": "It is met.", "met": True}


def _reasons(description: str, times: int | Sequence[str]) -> list[str]:
    if isinstance(times, bool) or (isinstance(times, int) and times < 0) or isinstance(times, str):
        raise UsageError(
            f"{description!r} cannot fail {times!r} times.",
            hint="Pass a number of times, or a list of reasons.",
        )
    if isinstance(times, int):
        return [f"scripted failure {number} of {times}" for number in range(1, times + 1)]
    return list(times)
