"""Sampling: attempts, what came of them, and what they may spend."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from attrs import define, field, setters

from mellea.core.attempt import Attempt, attempts_of
from mellea.core.budget import Budget, Spending, no_attempt
from mellea.core.component import Span
from mellea.core.context import Context
from mellea.core.errors import RequirementsNotMetError, UsageError
from mellea.core.notebook import html_table
from mellea.core.redaction import redacted
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


@define(init=False, slots=False, on_setattr=setters.frozen, unsafe_hash=True)
class SamplingResult(Generic[S]):
    """Every attempt of one call, and the one chosen.

    Args:
        attempts: In the order in which they ended.
        result_index: The chosen one.
        why: Why it was chosen.
        steering: For each requirement that has a form, by its name: ``steered``, ``checked: `` and why, or
            ``repaired: `` and why not at once.

    A strategy of the 0.8 line gives lists instead: ``SamplingResult(result_index, success,
    sample_generations=..., sample_validations=..., sample_actions=..., sample_contexts=...)``.

    Raises:
        UsageError: There is no attempt, or the index is none of one.
    """

    attempts: tuple[Attempt[S], ...]
    result_index: int
    why: str
    steering: Mapping[str, str] = field(factory=dict, hash=False)
    _said: bool | None = field(default=None, repr=False)

    def __init__(
        self,
        attempts: Sequence[Attempt[S]] | int | None = None,
        result_index: int | bool | None = None,
        why: str = "",
        steering: Mapping[str, str] | None = None,
        said: bool | None = None,
        *,
        success: bool | None = None,
        sample_generations: Sequence[ModelOutputThunk[S]] | None = None,
        sample_validations: Sequence[Sequence[tuple[Any, Any]]] | None = None,
        sample_actions: Sequence[Span] | None = None,
        sample_contexts: Sequence[Context] | None = None,
    ) -> None:
        if sample_generations is not None:
            if isinstance(attempts, int):  # both by position, as programs of the 0.8 line write them
                success = success if result_index is None else bool(result_index)
                result_index = attempts
            attempts = attempts_of(sample_generations, sample_validations, sample_actions, sample_contexts)
            why, said = why or "its strategy chose it", bool(success)
        known = tuple(attempts) if isinstance(attempts, tuple | Sequence) else ()
        index = int(result_index or 0)
        if not -len(known) <= index < len(known):
            raise UsageError(
                f"There is no attempt {index} among {len(known)}.", hint="Give the index of one of them."
            )
        self.__attrs_init__(known, index % len(known), why, steering or {}, said)

    @property
    def chosen(self) -> Attempt[S]:
        """The chosen attempt."""
        return self.attempts[self.result_index]

    @property
    def success(self) -> bool:
        """Whether the chosen attempt meets every requirement; or what its strategy says of that."""
        return self.chosen.success if self._said is None else self._said

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
        """Whether a requirement that was checked is not met; an answer that cannot be read misses none.

        A model that was still calling tools has not answered, and misses all.
        """
        return bool(self.chosen.tool_results) or any(
            not result.result and not result.skipped for _, result in self.chosen.results
        )

    def shortcoming(self) -> str:
        """Return in words what the chosen attempt lacks."""
        missing = "; ".join(
            visible(f"{name.rstrip('.')}: {reason.rstrip('.')}", lines=True)
            for name, reason in self.chosen.failures()
        )
        if self.chosen.tool_results:
            return f"The model did not come to an answer: {self.why}."
        number = sum(not attempt.tool_results for attempt in self.attempts)
        tried = "The only attempt" if number == 1 else f"The best of {number} attempts"
        bugs = [repr(requirement.name) for requirement, said in self.chosen.results if said.looks_like_bug]
        blame = f" This looks like a bug in the check itself: {', '.join(bugs)}." if bugs else ""
        return f"{tried} does not meet every requirement: {missing}.{blame}"

    def to_dict(self) -> dict[str, Any]:
        """Return everything that can be told of it as JSON values, without the secrets in them."""
        return {
            "success": self.success,
            "result_index": self.result_index,
            "why": redacted(self.why),
            "steering": redacted(dict(self.steering)),
            "attempts": [attempt.to_dict() for attempt in self.attempts],
        }

    def to_json(self) -> str:
        """Return the attempts as JSON text."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    def table(self) -> str:
        """Return one line for each attempt, as text: what came of it, what it lacks, what it cost.

        A star marks the chosen one.
        """
        rows = self._cells()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def _cells(self) -> list[tuple[str, ...]]:
        head = ("", "attempt", "lane", "round", "met", "seconds", "tokens", "answer", "lacks")
        return [
            head,
            *(
                _row(number, attempt, number == self.result_index)
                for number, attempt in enumerate(self.attempts)
            ),
        ]

    def rows(self) -> list[dict[str, Any]]:
        """Return one flat mapping for each attempt, for a data frame: ``pandas.DataFrame(result.rows())``."""
        return [
            {
                "attempt": number,
                "chosen": number == self.result_index,
                "success": attempt.success,
                "text": str(attempt.output),
                "error": attempt.error,
                "lacks": "; ".join(name for name, _ in attempt.failures()),
                "met": attempt.met,
                "requirements": len(attempt.results),
                "score": attempt.score,
                "lane": attempt.lane,
                "round": attempt.round,
                "seconds": attempt.seconds,
                "prompt_tokens": attempt.usage.prompt_tokens,
                "completion_tokens": attempt.usage.completion_tokens,
                "model": attempt.output.generation.model,
                "strategy": attempt.strategy,
                "seed": attempt.seed,
            }
            for number, attempt in enumerate(self.attempts)
        ]

    def without_prompts(self) -> Self:
        """Return the result without what was sent: each prompt holds the whole conversation so far."""
        for attempt in self.attempts:
            if attempt.output is not self.result:
                attempt.output.release_prompt()
        twin = object.__new__(type(self))
        vars(twin).update(vars(self), attempts=tuple([attempt.without_prompt() for attempt in self.attempts]))
        return twin

    def _repr_html_(self) -> str:
        head, *rows = self._cells()
        return html_table(head, rows, f"{'✓' if self.success else '✗'} {self.why}")

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
        _shorten(str(attempt.output), 40),
        "; ".join(_shorten(f"{name.rstrip('.')}: {reason}", 60) for name, reason in attempt.failures())
        or "nothing",
    )


def _shorten(text: str, length: int) -> str:
    """Return a text in one line of bounded length."""
    line = visible(" ".join(text.split()))
    return line if len(line) <= length else f"{line[: length - 3]}..."


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
