"""Sampling: attempts, what came of them, and what they may spend."""

from __future__ import annotations

import json
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from attrs import field, frozen

from mellea.core.budget import Budget, Spending, no_attempt
from mellea.core.component import Span
from mellea.core.context import Context
from mellea.core.errors import RequirementsNotMetError
from mellea.core.requirement import Requirement, ValidationResult
from mellea.core.response import Usage, total_usage
from mellea.core.terminal import visible
from mellea.core.thunk import ModelOutputThunk

if TYPE_CHECKING:
    import os

    from mellea.core.backend import Backend
    from mellea.core.terminal import Writable

__all__ = ["Attempt", "Budget", "SamplingResult", "SamplingStrategy", "Spending", "no_attempt", "total_usage"]

S = TypeVar("S")


@frozen
class Attempt(Generic[S]):
    """One attempt at an answer.

    Args:
        action: What the model was asked.
        context: The conversation after it, up to and with the output.
        output: What it answered.
        results: What each requirement says, in the order in which the requirements were given.
        error: Why the output cannot be used, if it does not parse.
        lane: Which of the concurrent lanes made it.
        round: Which round of its lane it was.
        usage: Tokens spent on it, judges included.
        seconds: Time spent on it, judges included.
        fixed_by: The requirement whose own fix made the output, if one did.
    """

    action: Span
    context: Context = field(repr=False)
    output: ModelOutputThunk[S]
    results: tuple[tuple[Requirement, ValidationResult], ...] = ()
    error: str | None = None
    lane: int = 0
    round: int = 0
    usage: Usage = field(factory=Usage)
    seconds: float = 0.0
    fixed_by: str | None = None

    @property
    def success(self) -> bool:
        """Whether the output parses and every requirement is met."""
        return self.error is None and all(result.result for _, result in self.results)

    @property
    def rank(self) -> tuple[bool, int, float]:
        """How good it is: it parses, the most requirements met, the highest score."""
        return self.error is None, self.met, self.score

    @property
    def met(self) -> int:
        """How many requirements are met."""
        return sum(bool(result.result) for _, result in self.results)

    @property
    def score(self) -> float:
        """The sum of the scores that the requirements give.

        A score that is no number is the worst there is.
        """
        total = sum(result.score for _, result in self.results if result.score is not None)
        return -math.inf if math.isnan(total) else float(total)

    def failures(self) -> list[tuple[str, str]]:
        """Return what is wrong with it: the requirement's name and the reason, for each that is not met."""
        wrong = [("The answer can be read", self.error)] if self.error is not None else []
        wrong += [
            (requirement.name, result.reason or "not met")
            for requirement, result in self.results
            if not result.result
        ]
        return wrong


@frozen
class SamplingResult(Generic[S]):
    """Every attempt of one call, and the one chosen.

    Args:
        attempts: In the order in which they ended.
        result_index: The chosen one.
        why: Why it was chosen.
        steering: For each requirement that has a form, by its name: ``steered``, or ``checked: `` and why.
    """

    attempts: tuple[Attempt[S], ...]
    result_index: int
    why: str
    steering: Mapping[str, str] = field(factory=dict, hash=False)

    @property
    def chosen(self) -> Attempt[S]:
        """The chosen attempt."""
        return self.attempts[self.result_index]

    @property
    def success(self) -> bool:
        """Whether the chosen attempt meets every requirement."""
        return self.chosen.success

    def __bool__(self) -> bool:
        return self.success

    @property
    def result(self) -> ModelOutputThunk[S]:
        """The chosen output."""
        return self.chosen.output

    @property
    def value(self) -> str:
        """The chosen text."""
        return str(self.chosen.output)

    @property
    def text(self) -> str:
        """The chosen text, under the name that it has in every output."""
        return str(self.chosen.output)

    @property
    def parsed(self) -> S:
        """What the chosen text means; see ``ModelOutputThunk.parsed``.

        Raises:
            OutputParseError: It does not fit the format or the component.
        """
        return self.chosen.output.parsed

    @property
    def result_ctx(self) -> Context:
        """The conversation up to and with the chosen output."""
        return self.chosen.context

    @property
    def result_action(self) -> Span:
        """What the model was asked in the chosen attempt."""
        return self.chosen.action

    @property
    def result_validations(self) -> list[tuple[Requirement, ValidationResult]]:
        """What each requirement says of the chosen output."""
        return list(self.chosen.results)

    @property
    def sample_generations(self) -> list[ModelOutputThunk[S]]:
        """Every output."""
        return [attempt.output for attempt in self.attempts]

    @property
    def sample_validations(self) -> list[list[tuple[Requirement, ValidationResult]]]:
        """What each requirement says of every output."""
        return [list(attempt.results) for attempt in self.attempts]

    @property
    def sample_actions(self) -> list[Span]:
        """What the model was asked in every attempt."""
        return [attempt.action for attempt in self.attempts]

    @property
    def sample_contexts(self) -> list[Context]:
        """The conversation after every attempt."""
        return [attempt.context for attempt in self.attempts]

    @property
    def usage(self) -> Usage:
        """Tokens spent on all attempts."""
        return total_usage([attempt.usage for attempt in self.attempts])

    def raise_for_failure(self) -> SamplingResult[S]:
        """Return this result if it is a success.

        Raises:
            RequirementsNotMetError: No attempt met every requirement; the message says what the best one
                lacks.
        """
        if self.success:
            return self
        raise RequirementsNotMetError(
            self.shortcoming(),
            hint="Raise the budget, relax the requirement, or read the attempts in error.result.",
            result=self,
        )

    @property
    def misses_requirements(self) -> bool:
        """Whether a requirement that was checked is not met; an answer that cannot be read misses none."""
        return any(not result.result and not result.skipped for _, result in self.chosen.results)

    def shortcoming(self) -> str:
        """Return in words what the chosen attempt lacks."""
        missing = "; ".join(
            visible(f"{name.rstrip('.')}: {reason.rstrip('.')}", lines=True)
            for name, reason in self.chosen.failures()
        )
        tried = (
            "The only attempt" if len(self.attempts) == 1 else f"The best of {len(self.attempts)} attempts"
        )
        bugs = [repr(requirement.name) for requirement, said in self.chosen.results if said.looks_like_bug]
        blame = f" This looks like a bug in the check itself: {', '.join(bugs)}." if bugs else ""
        return f"{tried} does not meet every requirement: {missing}.{blame}"

    def to_dict(self) -> dict[str, Any]:
        """Return everything that can be told of it as JSON values."""
        return {
            "success": self.success,
            "result_index": self.result_index,
            "why": self.why,
            "attempts": [_attempt_to_dict(attempt) for attempt in self.attempts],
        }

    def to_json(self) -> str:
        """Return the attempts as JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    def table(self) -> str:
        """Return one line for each attempt, as text: what came of it, what it lacks, what it cost.

        A star marks the chosen one.
        """
        rows: list[tuple[str, ...]] = [
            ("", "attempt", "lane", "round", "met", "seconds", "tokens", "answer", "lacks")
        ]
        rows += [
            _row(number, attempt, number == self.result_index) for number, attempt in enumerate(self.attempts)
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def show(self, file: Writable | None = None) -> None:
        """Print the attempts as a tree: each requirement with its verdict, reason, time and tokens.

        Args:
            file: Where to; by default the standard output.
        """
        from mellea.core.trace import print_tree  # noqa: PLC0415  only whoever looks pays for it

        print_tree(self.to_dict(), file)

    def to_html(self) -> str:
        """Return the attempts as one HTML page that needs nothing else: no script, no font, no network."""
        from mellea.core.trace import as_html  # noqa: PLC0415  only whoever looks pays for it

        return as_html(self.to_dict())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the attempts to a JSON file, which ``mellea show`` reads.

        Raises:
            UsageError: The file cannot be written.
        """
        from mellea.core.trace import write_text  # noqa: PLC0415  only whoever looks pays for it

        write_text(path, f"{self.to_json()}\n")

    def __str__(self) -> str:
        return self.value

    def __repr__(self) -> str:
        verdict = "success" if self.success else "failure"
        return (
            f"<SamplingResult {verdict}: attempt {self.result_index + 1} of {len(self.attempts)}, {self.why}>"
        )


def _row(number: int, attempt: Attempt[Any], chosen: bool) -> tuple[str, ...]:
    return (
        "*" if chosen else "",
        str(number + 1),
        str(attempt.lane),
        str(attempt.round),
        f"{attempt.met}/{len(attempt.results)}",
        f"{attempt.seconds:.2f}",
        str(attempt.usage.total_tokens),
        _shortened(str(attempt.output), 40),
        "; ".join(_shortened(f"{name.rstrip('.')}: {reason}", 60) for name, reason in attempt.failures())
        or "nothing",
    )


def _shortened(text: str, length: int) -> str:
    """Return a text in one line of bounded length."""
    line = visible(" ".join(text.split()))
    return line if len(line) <= length else f"{line[: length - 3]}..."


def _attempt_to_dict(attempt: Attempt[Any]) -> dict[str, Any]:
    return {
        "success": attempt.success,
        "text": str(attempt.output),
        "error": attempt.error,
        "model": attempt.output.generation.model,
        "lane": attempt.lane,
        "round": attempt.round,
        "seconds": round(attempt.seconds, 6),
        "usage": dict(attempt.usage),
        "fixed_by": attempt.fixed_by,
        "requirements": [
            {
                "requirement": requirement.name,
                "met": result.result,
                "reason": result.reason,
                "score": result.score,
                "skipped": result.skipped,
                "seconds": round(result.seconds, 6),
                "tokens": result.usage.total_tokens if result.usage is not None else 0,
            }
            for requirement, result in attempt.results
        ],
    }


class SamplingStrategy(ABC):
    """How attempts are made and one is chosen. A strategy holds no state between calls."""

    @abstractmethod
    async def sample(
        self,
        action: Span,
        context: Context,
        backend: Backend,
        requirements: Sequence[Requirement | str] | None,
        *,
        validation_ctx: Context | None = None,
        format: Any = None,
        model_options: Mapping[str, Any] | None = None,
        tool_calls: bool = False,
        budget: Budget | None = None,
    ) -> SamplingResult[Any]:
        """Make attempts until one meets every requirement or the budget is spent.

        Raises:
            BudgetError: The budget ended before the first attempt did.
            ProviderError: The provider failed, and no attempt was a success.
        """
