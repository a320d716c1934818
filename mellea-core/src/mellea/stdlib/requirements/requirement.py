"""Writing requirements in few words."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from mellea._lazy import lazy_names
from mellea.core.context import Context
from mellea.core.errors import UsageError
from mellea.core.requirement import (
    Requirement,
    ValidationFunction,
    ValidationResult,
    default_output_to_bool,
    reqify,
)
from mellea.core.validation import as_bool

if TYPE_CHECKING:
    from mellea.core.backend import Backend

__all__ = ["LLMaJRequirement", "check", "explained", "req", "reqify", "simple_validate"]

__getattr__, _ = lazy_names(
    __name__,
    dict.fromkeys(("ALoraRequirement", "requirement_check_to_bool"), "mellea.stdlib.requirements.adapted"),
)
TextVerdict: TypeAlias = "bool | tuple[bool, str] | ValidationResult"


class LLMaJRequirement(Requirement):
    """A requirement that a model judges, whatever else could check it.

    Args:
        description: The requirement in words.
        output_to_bool: Reads a judge's words when its output cannot be constrained.
        check_only: Whether to keep the description out of the prompt.
        judge: The backend that judges; by default the one that wrote.
    """

    def __init__(
        self,
        description: str,
        *,
        output_to_bool: Callable[[Any], bool] = default_output_to_bool,
        check_only: bool = False,
        judge: Backend | None = None,
    ) -> None:
        super().__init__(description, output_to_bool=output_to_bool, check_only=check_only, judge=judge)


def req(
    description: str | None = None, validation_fn: ValidationFunction | None = None, **kwargs: Any
) -> Requirement:
    """Return a requirement that is shown to the model and checked. See ``Requirement``."""
    return Requirement(description, validation_fn, **kwargs)


def check(
    description: str | None = None, validation_fn: ValidationFunction | None = None, **kwargs: Any
) -> Requirement:
    """Return a requirement that is checked but not shown to the model. See ``Requirement``."""
    return Requirement(description, validation_fn, check_only=True, **kwargs)


def simple_validate(
    fn: Callable[[str], TextVerdict | Awaitable[TextVerdict]], *, reason: str | None = None
) -> Callable[[Context], Any]:
    """Return a validation function that looks at the output's text alone.

    Args:
        fn: Takes the text and returns a bool, a bool and the reason of a failure, or a
            ``ValidationResult``; may be asynchronous.
        reason: The reason to give for a failure that comes without one.

    Raises:
        UsageError: The function takes other arguments than one text.
    """
    try:
        inspect.signature(fn).bind("")
    except TypeError as error:
        raise UsageError(
            f"{fn!r} is not callable with a text alone: {error}.", hint="Give it one parameter."
        ) from error
    except ValueError:
        pass

    return _TextCheck(fn, reason)


class _VerdictTypeError(UsageError, TypeError):
    pass


class _TextCheck:
    """A check of the output's text alone; a class, so that it can be pickled where the function can."""

    def __init__(self, fn: Callable[[str], Any], reason: str | None) -> None:
        self.fn = fn
        self.reason = reason
        self.__name__ = getattr(fn, "__name__", "simple_validate")

    def __call__(self, ctx: Context) -> Any:
        output = ctx.last_output()
        if output is None:
            return ValidationResult(False, reason="There is no output to check.")
        verdict = self.fn(str(output))
        return self._awaited(verdict) if inspect.isawaitable(verdict) else _with_reason(verdict, self.reason)

    async def _awaited(self, verdict: Awaitable[Any]) -> Any:
        return _with_reason(await verdict, self.reason)


def explained(check: Callable[[str], tuple[bool, str]]) -> Callable[[str], ValidationResult]:
    """Return a check of a text whose reason says why it is met, too."""

    @functools.wraps(check)
    def explaining(text: str) -> ValidationResult:
        met, reason = check(text)
        return ValidationResult(met, reason=reason)

    return explaining


def _with_reason(verdict: Any, reason: str | None) -> ValidationResult:
    """Return a verdict as a result.

    Raises:
        UsageError: (also a TypeError) It is none.
    """
    if isinstance(verdict, ValidationResult):
        return verdict
    said, why = verdict if isinstance(verdict, tuple) and len(verdict) == 2 else (verdict, reason)
    try:
        met = as_bool(said)
    except TypeError:
        raise _VerdictTypeError(
            f"it returned {type(verdict).__name__} instead of a verdict "
            "(bool, (bool, reason) or ValidationResult)"
        ) from None
    return ValidationResult(met, reason=None if met or why is None else str(why))
