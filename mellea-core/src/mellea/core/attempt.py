"""One attempt at an answer, and what can be told of it."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from attrs import field, fields_dict, frozen

from mellea.core._output import SentMessage, SentRequest
from mellea.core.blocks import CBlock
from mellea.core.component import Span
from mellea.core.context import Context
from mellea.core.notebook import html_table, html_text
from mellea.core.pickling import picklable_or_none
from mellea.core.redaction import redacted
from mellea.core.requirement import Requirement, ValidationResult
from mellea.core.response import Usage
from mellea.core.thunk import ModelOutputThunk

if TYPE_CHECKING:
    from mellea.core.tool_message import ToolMessage

__all__ = ["Attempt", "attempts_of"]

S = TypeVar("S")


@frozen(slots=False)
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
        feedback: What the model was told of the attempt before.
        seed: The seed it was drawn with.
        started: When it began, in seconds since 1970.
        strategy: What made it.
        sent: The request as it was sent; None where nobody keeps it any more.
        steering: What became of each requirement that has a form, by its name: ``steered``, or ``checked: ``
            and why.
        faults: What is bad about a steered text, whether or not it keeps the rules: it repeats itself, breaks
            off, counts on and on.
        tool_results: What came of the calls of a round of tools; it is no answer then.
        before: The conversation that an answer after rounds of tools goes on with; None without any.
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
    feedback: str | None = field(default=None, repr=False)
    seed: int | None = field(default=None, repr=False)
    started: float | None = field(default=None, repr=False, eq=False)
    strategy: str | None = field(default=None, repr=False)
    sent: SentRequest | None = field(default=None, repr=False, eq=False)
    steering: Mapping[str, str] = field(factory=dict, repr=False, hash=False)
    faults: tuple[str, ...] = ()
    tool_results: tuple[ToolMessage, ...] = field(default=(), repr=False)
    before: Context | None = field(default=None, repr=False, eq=False)

    def __reduce__(self) -> tuple[Any, ...]:
        own = {name: getattr(self, name) for name in fields_dict(type(self))}
        return _rebuilt, (type(self), {**own, "sent": picklable_or_none(self.sent)})

    @functools.cached_property
    def success(self) -> bool:
        """Whether it is an answer that parses, and every requirement is met."""
        return self._is_readable and all(result.result for _, result in self.results)

    @functools.cached_property
    def rank(self) -> tuple[bool, int, int, float]:
        """How good it is.

        It is an answer that parses, the most requirements met, the fewest faults, the highest score.
        """
        return self._is_readable, self.met, -len(self.faults), self.score

    @property
    def _is_readable(self) -> bool:
        return self.error is None and not self.tool_results

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

    def without_prompt(self) -> Self:
        """Return the attempt without what was sent."""
        twin = object.__new__(type(self))
        vars(twin).update(vars(self), sent=None)
        return twin

    def failures(self) -> list[tuple[str, str]]:
        """Return what is wrong with it: the requirement's name and the reason, for each that is not met."""
        wrong = [("The answer can be read", self.error)] if self.error is not None else []
        if self.tool_results:
            wrong.append(("The model answers", "it was still calling tools"))
        wrong += [
            (requirement.name, result.reason or "not met")
            for requirement, result in self.results
            if not result.result
        ]
        return wrong

    def to_dict(self) -> dict[str, Any]:
        """Return everything that can be told of it as JSON values, without the secrets in them."""
        return redacted(self.told())

    def told(self) -> dict[str, Any]:
        """Return what ``to_dict`` does, for whoever blanks the secrets."""
        usage = self.usage
        return {
            "success": self.success,
            "text": str(self.output),
            "error": self.error,
            "model": self.output.generation.model,
            "lane": self.lane,
            "round": self.round,
            "started": None if self.started is None else _moment(self.started),
            "seconds": round(self.seconds, 6),
            "usage": dict(usage),
            "strategy": self.strategy,
            "seed": self.seed,
            "options": None if self.sent is None else _plain(self.sent.options),
            "prompt": None if self.sent is None else [_told(message) for message in self.sent.messages],
            "feedback": self.feedback,
            "fixed_by": self.fixed_by,
            "faults": list(self.faults),
            "requirements": [
                _verdict(requirement, result, self.steering.get(requirement.name))
                for requirement, result in self.results
            ],
            "calls": [_call(message) for message in self.tool_results],
        }

    def _repr_html_(self) -> str:
        rows = [
            ("✓" if result.result else "–" if result.skipped else "✗", requirement.name, result.reason or "")  # noqa: RUF001  a dash as a mark
            for requirement, result in self.results
        ]
        if self.error is not None:
            rows.insert(0, ("✗", "The answer can be read", self.error))
        return html_text(str(self.output)) + html_table(("", "requirement", "reason"), rows)


def _rebuilt(kind: type[Attempt[Any]], own: dict[str, Any]) -> Attempt[Any]:
    return kind(**own)


def _told(message: SentMessage) -> dict[str, str]:
    return {"role": message.role, "content": message.content}


def _verdict(requirement: Requirement, result: ValidationResult, fate: str | None) -> dict[str, Any]:
    more: dict[str, Any] = {} if fate is None else {"steering": fate}
    for name in ("probability", "basis", "trust"):
        if (value := getattr(result, name, None)) is not None:
            more[name] = value
    return {
        "requirement": requirement.name,
        "met": result.result,
        "reason": result.reason,
        "score": result.score,
        "skipped": result.skipped,
        "seconds": round(result.seconds, 6),
        "tokens": result.usage.total_tokens if result.usage is not None else 0,
        **more,
    }


def _call(message: ToolMessage) -> dict[str, Any]:
    known = message.tool.sources if message.tool is not None else None
    return {
        **({} if known is None else {"sources": {name: str(one) for name, one in known.arguments.items()}}),
        "tool": message.name,
        "arguments": _plain(message.arguments),
        "result": message.content,
        "failed": message.failed,
        "seconds": round(message.seconds, 6),
    }


def _moment(seconds: float) -> str:
    from datetime import UTC, datetime  # noqa: PLC0415  ten milliseconds that only a trace costs

    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it: what it cannot is told in words."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | None) else repr(value)


def attempts_of(
    outputs: Sequence[ModelOutputThunk[S]],
    validations: Sequence[Sequence[tuple[Any, Any]]] | None,
    actions: Sequence[Span] | None,
    contexts: Sequence[Context] | None,
) -> tuple[Attempt[S], ...]:
    """Return the attempts that lists of their parts tell of; what is left out is empty."""
    return tuple(
        Attempt(
            actions[index] if actions else CBlock(""),
            contexts[index] if contexts else cast("Context", None),
            output,
            tuple((pair[0], pair[1]) for pair in validations[index]) if validations else (),
            round=index,
        )
        for index, output in enumerate(outputs)
    )
