"""Requirements: what an output must respect, and how that is found out."""

from __future__ import annotations

import asyncio
import copy
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

from mellea.core._error_words import words_of
from mellea.core.budget import call_within_deadline, is_being_cancelled
from mellea.core.chunking import Chunker, ChunkingStrategy, resolve_chunking_strategy
from mellea.core.component import Component, Span, TemplateRepresentation
from mellea.core.context import Context
from mellea.core.errors import UsageError
from mellea.core.pickling import picklable_or_none
from mellea.core.thunk import ModelOutputThunk
from mellea.core.validation import (
    PartialValidationResult,
    PartialValidationSummary,
    ValidationFunction,
    ValidationResult,
    Verdict,
    as_bool,
    default_output_to_bool,
)

if TYPE_CHECKING:
    from mellea.core.backend import Backend
    from mellea.core.judges import Judge
    from mellea.core.steering.forms import Form

__all__ = [
    "PartialValidationResult",
    "PartialValidationSummary",
    "Requirement",
    "ValidationFunction",
    "ValidationResult",
    "Verdict",
    "default_output_to_bool",
    "judge_of",
    "reqify",
]

_BUGS = (
    ArithmeticError,
    AttributeError,
    ImportError,
    LookupError,
    NameError,
    NotImplementedError,
    RecursionError,
    SyntaxError,
    TypeError,
)
"""What a mistake in a check's own code raises; a text that it cannot read raises ValueError."""


class Requirement(Component[str]):
    """Something that an output must respect.

    With a validation function the function decides; it may be synchronous or asynchronous, sees the whole
    conversation up to and with the output, and returns a ``ValidationResult``, a bool, or a bool and a
    reason. Without one a model judges.

    Args:
        description: The requirement in words: shown to the model, and to the judge.
        validation_fn: The check.
        output_to_bool: Reads a judge's words when its output cannot be constrained.
        check_only: Whether to keep the description out of the prompt.
        repair: Mends a text that fails the check, without a model; tried before the model is asked again.
        judge: The backend that judges, or a ``Judge`` such as ``ScoringJudge``, whose word is ``score``; by
            default the backend that wrote.
        chunking: The chunks that ``_stream_validate`` looks at, by name or strategy, whatever a stream's own
            are; by default those of the stream.
        form: What language of texts the requirement admits, so that it can steer the decoding; several where
            all must hold.
        steer: Whether it may; otherwise the form is only known. One that is only checked never does.

    Raises:
        UsageError: The check takes other arguments than one context, or no judge has this word.
    """

    def __init__(
        self,
        description: str | None = None,
        validation_fn: ValidationFunction | None = None,
        *,
        output_to_bool: Callable[[Any], bool] | None = default_output_to_bool,
        check_only: bool = False,
        repair: Callable[[str], str] | None = None,
        judge: Backend | Judge | str | None = None,
        chunking: str | ChunkingStrategy | None = None,
        form: Form | Sequence[Form] = (),
        steer: bool = True,
    ) -> None:
        if description is not None and not isinstance(description, str):
            raise UsageError(f"A requirement's description is text, not {type(description).__name__}.")
        for what, function in (("validation_fn", validation_fn), ("repair", repair)):
            if function is not None:
                _check_takes_one(function, what)
        self.description = description
        self.validation_fn = validation_fn
        self.output_to_bool = output_to_bool or default_output_to_bool
        self.check_only = check_only
        self.repair = repair
        self.judge = judge_of(judge)
        self.chunking = resolve_chunking_strategy(chunking)
        self._chunker: Chunker | None = None
        given = form if isinstance(form, Sequence) else (form,)
        self.forms = tuple(part for each in given for part in each.conjuncts)
        self.steer = steer and not check_only

    about: str | None = None
    """The property of a structured output that the requirement is about; None where it is about all of it."""

    def unsteered(self) -> Self:
        """Return the same requirement, checked and never steered: ``contains("river").unsteered()``."""
        twin = copy.copy(self)
        twin.steer = False
        return twin

    @property
    def is_free(self) -> bool:
        """Whether the check asks no model."""
        return self.validation_fn is not None or type(self).validate is not Requirement.validate

    async def validate(
        self,
        backend: Backend,
        ctx: Context,
        *,
        format: Any = None,
        model_options: Mapping[str, Any] | None = None,
    ) -> ValidationResult:
        """Return whether the last output in a context meets the requirement.

        A check that raises, or that returns something else than a verdict, is a failed check whose reason
        says so.

        Args:
            backend: Judges, if a model has to and the requirement names no judge of its own.
            ctx: The conversation, up to and with the output.
            format: What the output had to look like.
            model_options: Options of the judging call.

        Raises:
            UsageError: There is neither a check nor a description to judge by, or no output in the context.
            ProviderError: The judge could not be asked.
        """
        if self.validation_fn is not None:
            return await self._run_check(ctx)
        from mellea.core.judges import ask_judge  # noqa: PLC0415  it knows backends, which know us

        return (await ask_judge(self.judge, [self], backend, ctx, model_options))[0]

    async def stream_validate(
        self, chunk: str, *, backend: Backend, ctx: Context, flush: bool = False
    ) -> PartialValidationResult | list[PartialValidationResult]:
        """Return what can be said of a part of the text that has just been written.

        Override it, or ``_stream_validate``, to stop early.

        Args:
            chunk: The part.
            backend: Judges, if a model has to.
            ctx: The conversation, with the output that is on its way.
            flush: Whether the text is over, so that the part's own last chunk is judged, too.
        """
        if self.chunking is None:
            return [await self._stream_validate(chunk, backend=backend, ctx=ctx)]
        self._chunker = self._chunker or Chunker(self.chunking)
        own = [*self._chunker.feed(chunk), *(self._chunker.flush() if flush else ())]
        results = [await self._stream_validate(one, backend=backend, ctx=ctx) for one in own]
        return results or [PartialValidationResult("unknown")]

    async def stream_flush(self, *, backend: Backend, ctx: Context) -> list[PartialValidationResult]:
        """Return what can be said of the chunk that is left at the end of the text."""
        left = [] if self._chunker is None else self._chunker.flush()
        return [await self._stream_validate(one, backend=backend, ctx=ctx) for one in left]

    @property
    def reads_verbatim(self) -> bool:
        """Whether ``stream_validate`` is given the text between the chunks, too."""
        return self.chunking is not None

    async def _stream_validate(
        self, chunk: str, *, backend: Backend, ctx: Context
    ) -> PartialValidationResult:
        return PartialValidationResult("unknown")

    async def _run_check(self, ctx: Context) -> ValidationResult:
        started = time.perf_counter()
        try:
            verdict = await call_within_deadline(self.check_function, ctx)  # type: ignore[arg-type]  # the caller has looked
            return _as_result(verdict, time.perf_counter() - started)
        except (Exception, asyncio.CancelledError) as error:  # a check that raises is a failed check
            if isinstance(error, asyncio.CancelledError) and is_being_cancelled():
                raise
            words = words_of(error)
            reason = f"The check {self.name!r} raised {type(error).__name__}: {words}"
            if isinstance(error, AttributeError | TypeError) and type(ctx).__name__ in words:
                reason += ". It is given the context; wrap one that wants the text: simple_validate(check)"
            return ValidationResult(
                False,
                reason=reason,
                seconds=time.perf_counter() - started,
                looks_like_bug=isinstance(error, _BUGS),
            )

    @property
    def check_function(self) -> ValidationFunction | None:
        """What carries the check out: ``validation_fn``."""
        return self.validation_fn

    @property
    def name(self) -> str:
        """The description, or the name of the check."""
        return self.description or str(getattr(self.validation_fn, "__name__", type(self).__name__))

    def __getstate__(self) -> dict[str, Any]:
        """Return what can be pickled; a check that cannot, like a lambda, becomes one that says so."""
        state = {name: picklable_or_none(value) for name, value in vars(self).items()}
        if self.validation_fn is not None and state["validation_fn"] is None:
            state["validation_fn"] = _LostCheck(self.name)
        return {**state, "output_to_bool": state["output_to_bool"] or default_output_to_bool}

    def __copy__(self) -> Self:
        twin = type(self).__new__(type(self))
        vars(twin).update(vars(self), _chunker=None)  # what one has read is its stream's own
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = memo[id(self)] = copy.copy(self)
        kept = {name: value for name, value in vars(self).items() if name != "judge"}
        vars(twin).update(copy.deepcopy(kept, memo))
        return twin

    def parts(self) -> list[Span]:
        """Return nothing: a requirement is one text."""
        return []

    def format_for_llm(self) -> TemplateRepresentation | str:
        """Return the description."""
        return self.description or ""

    def _parse(self, computed: ModelOutputThunk[Any]) -> str:
        return str(computed)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}{', check_only=True' if self.check_only else ''})"


class _LostCheck:
    """Stands for a check that could not be pickled."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, ctx: Context) -> ValidationResult:
        return ValidationResult(
            False,
            reason=f"The check {self.__name__!r} was lost when it was pickled: it is a lambda, or a function "
            "within another one. Define it at the top level of a module",
        )


def judge_of(given: Backend | Judge | str | None) -> Backend | Judge | None:
    """Return who judges: a word becomes the judge that it names.

    Raises:
        UsageError: It names none.
    """
    if not isinstance(given, str):
        return given
    from mellea.core.scoring_judge import judge_named  # noqa: PLC0415  few programs judge by score

    return judge_named(given)


def reqify(requirement: str | Requirement) -> Requirement:
    """Return text as a requirement that a model judges, and a requirement as it is.

    Raises:
        UsageError: It is neither.
    """
    if isinstance(requirement, str):
        return Requirement(requirement)
    if isinstance(requirement, Requirement):
        return requirement
    raise UsageError(
        f"{type(requirement).__name__} is no requirement.",
        hint="Pass text, or req(...) with a validation_fn.",
    )


def _as_result(verdict: object, seconds: float) -> ValidationResult:
    if isinstance(verdict, ValidationResult):
        timed = object.__new__(type(verdict))
        vars(timed).update(vars(verdict), seconds=seconds)
        return timed
    result, reason = verdict if isinstance(verdict, tuple) and len(verdict) == 2 else (verdict, None)
    try:
        met = as_bool(result)
    except TypeError:
        raise TypeError(
            f"it returned {type(verdict).__name__} instead of a verdict "
            "(bool, (bool, reason) or ValidationResult)"
        ) from None
    # Whoever returns both says why it fails, in one expression for either case.
    return ValidationResult(met, reason=None if met or reason is None else str(reason), seconds=seconds)


def _check_takes_one(function: Any, what: str) -> None:
    try:
        inspect.signature(function).bind(None)
    except TypeError as error:
        argument = "the context" if what == "validation_fn" else "the text"
        raise UsageError(
            f"{what} {function!r} is not callable with {argument} alone: {error}.",
            hint="Give it one parameter.",
        ) from error
    except ValueError:
        return
