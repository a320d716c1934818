"""What checks say of an output."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Literal, Self, TypeAlias

from attrs import define, evolve, field, setters

from mellea.core.context import Context
from mellea.core.errors import UsageError
from mellea.core.response import Usage
from mellea.core.thunk import ModelOutputThunk

__all__ = [
    "PartialValidationResult",
    "PartialValidationSummary",
    "ValidationFunction",
    "ValidationResult",
    "Verdict",
    "as_bool",
    "default_output_to_bool",
]


class _NoVerdictError(UsageError, TypeError):
    pass


def as_bool(value: object) -> bool:
    """Return a bool as it is, and one of numpy or torch as Python's own.

    Raises:
        UsageError: (also a TypeError) It is none.
    """
    one = value if isinstance(value, bool) else _scalar(value)
    if not isinstance(one, bool):
        raise _NoVerdictError(
            f"A verdict is True or False, not {_short(value)}.", hint="Convert it: bool(...)."
        )
    return one


def _as_score(value: object) -> float | None:
    one = value if value is None or isinstance(value, int | float) else _scalar(value)
    if one is not None and not isinstance(one, int | float):
        raise _NoVerdictError(
            f"A score is a number, not {_short(value)}.", hint="Convert it, or leave it out."
        )
    return one if one is None or isinstance(one, int) else float(one)


def _known_word(_: object, attribute: Any, value: object) -> None:
    if value not in ("pass", "fail", "unknown"):
        raise UsageError(f"success is {value!r}.", hint="It is pass, fail or unknown.")


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def _scalar(value: object) -> object:
    """Return what numpy and torch hold in a value of one element; other values as they are."""
    item = getattr(value, "item", None)
    if not callable(item) or not hasattr(value, "dtype"):
        return value
    try:
        one: object = item()
    except (TypeError, ValueError, RuntimeError):  # it has more than one
        return value
    return one


@define(slots=False, on_setattr=setters.frozen, unsafe_hash=True)
class ValidationResult:
    """What came of one check.

    Args:
        result: Whether the requirement is met.
        reason: Why, or why not.
        score: How well it is met, the higher the better.
        thunk: The judge's output, when a model judged.
        context: The context in which it judged.
        usage: Tokens that the check spent.
        seconds: Time that it took.
        skipped: Whether the check was spared, because a cheaper one had failed already.
        undecided: Whether a judge was asked and gave no verdict, so that the result is no verdict of no.
        error: What reading the judge's words raised; it is then no verdict of yes.
        looks_like_bug: Whether the check raised what a mistake in its code raises, such as a ``NameError``.
        probability: How likely the judge holds it that the requirement is met, from 0 to 1.
        basis: How a judge's verdict was had: ``scored``, from ``log-probabilities``, ``written``, or by
            ``votes``; None where nobody asked for more than the verdict.
        trust: What the probability is worth: ``calibrated`` on known cases, ``uncalibrated``, or
            ``abstained`` where the judge knows that it does not know.

    Raises:
        UsageError: (also a TypeError) The result is no bool, or the score no number.
    """

    result: bool = field(converter=as_bool)
    reason: str | None = field(default=None, kw_only=True)
    score: float | None = field(default=None, kw_only=True, converter=_as_score)
    thunk: ModelOutputThunk[Any] | None = field(default=None, kw_only=True, eq=False, repr=False)
    context: Context | None = field(default=None, kw_only=True, eq=False, repr=False)
    usage: Usage | None = field(default=None, kw_only=True, eq=False, repr=False)
    seconds: float = field(default=0.0, kw_only=True, eq=False, repr=False)
    skipped: bool = field(default=False, kw_only=True)
    undecided: bool = field(default=False, kw_only=True)
    looks_like_bug: bool = field(default=False, kw_only=True, eq=False, repr=False)
    error: Exception | None = field(default=None, kw_only=True, eq=False, repr=False)
    probability: float | None = field(default=None, kw_only=True)
    basis: str | None = field(default=None, kw_only=True)
    trust: Literal["calibrated", "uncalibrated", "abstained"] | None = field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        if self.error is not None:
            object.__setattr__(self, "result", False)

    def as_bool(self) -> bool:
        """Return whether the requirement is met."""
        return self.result

    def __bool__(self) -> bool:
        return self.result


@define(slots=False, on_setattr=setters.frozen, unsafe_hash=True)
class PartialValidationResult:
    """What a check can say of a text that is still being written.

    Args:
        success: ``pass``: it is met, whatever follows; ``fail``: it cannot be met any more; ``unknown``: go
            on.
        reason: Why.
        score: How well it is met so far.
        thunk: The judge's output, when a model judged.
        context: The context in which it judged.

    Raises:
        UsageError: ``success`` is another word.
    """

    success: Literal["pass", "fail", "unknown"] = field(default="unknown", validator=_known_word)
    reason: str | None = field(default=None, kw_only=True)
    score: float | None = field(default=None, kw_only=True)
    thunk: ModelOutputThunk[Any] | None = field(default=None, kw_only=True, eq=False, repr=False)
    context: Context | None = field(default=None, kw_only=True, eq=False, repr=False)
    _parts: tuple[PartialValidationResult, ...] = field(default=(), kw_only=True, eq=False, repr=False)

    @property
    def results(self) -> tuple[PartialValidationResult, ...]:
        """What it comes from, as in a ``PartialValidationSummary``: itself, or a check of each chunk."""
        return self._parts or (self,)

    @property
    def failure(self) -> PartialValidationResult | None:
        """The first of them that fails."""
        return next((one for one in self.results if one.success == "fail"), None)

    def as_bool(self) -> bool:
        """Return whether it is met, whatever follows."""
        return self.success == "pass"

    def __bool__(self) -> bool:
        return self.success == "pass"


@define(slots=False, on_setattr=setters.frozen, unsafe_hash=True)
class PartialValidationSummary:
    """What several checks of parts come to: a failure if one fails, a pass if all pass and there are any.

    Args:
        results: The checks.
        success: ``pass``, ``fail`` or ``unknown``.
        reason: Why the first one fails that does.
    """

    results: tuple[PartialValidationResult, ...]
    success: Literal["pass", "fail", "unknown"]
    reason: str | None = None

    @property
    def failure(self) -> PartialValidationResult | None:
        """The first one that fails."""
        return next((one for one in self.results if one.success == "fail"), None)

    @classmethod
    def from_results(cls, results: Iterable[PartialValidationResult]) -> Self:
        """Return what checks come to."""
        known = tuple(results)
        failed = next((one for one in known if one.success == "fail"), None)
        if failed is not None:
            return cls(known, "fail", failed.reason)
        return cls(known, "pass" if known and all(one.success == "pass" for one in known) else "unknown")

    def as_result(self) -> PartialValidationResult:
        """Return it as one check, which is the only one, or knows those that it comes from."""
        if len(self.results) == 1:
            return self.results[0]
        failed = self.failure or PartialValidationResult()
        return evolve(failed, success=self.success, reason=self.reason, parts=self.results)

    def __bool__(self) -> bool:
        return self.success == "pass"


Verdict: TypeAlias = "ValidationResult | bool | tuple[bool, str]"
ValidationFunction: TypeAlias = "Callable[[Context], Verdict | Awaitable[Verdict]]"


def default_output_to_bool(text: object) -> bool:
    """Return whether a judge's words say yes.

    The first ``yes`` or ``no`` in them decides, and neither is a no; a lone ``y`` is a yes.
    """
    if str(text).strip() in ("y", "Y"):
        return True
    first = re.search(r"\b(yes|no)\b", str(text), re.IGNORECASE)
    return first is not None and first.group().lower() == "yes"
