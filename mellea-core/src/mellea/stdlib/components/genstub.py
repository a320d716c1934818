"""Typed functions: ``@generative`` makes a function out of its name, signature and docstring.

::

    @generative
    def sentiment(text: str) -> Literal["positive", "negative"]:
        '''Classify the sentiment of the text.'''

    sentiment(m, text="I love it.")  # "positive"

The body is never run. A model acts as the function: its answer is constrained to the return annotation,
checked against the requirements, and repaired by the sampling strategy.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable, Mapping
from types import FrameType
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    ParamSpec,
    Protocol,
    Self,
    TypeAlias,
    TypeVar,
    cast,
    overload,
)

from mellea._lazy import lazy_names
from mellea.core.component import Component, Span, TemplateRepresentation
from mellea.core.errors import NoAnswerError, OutputParseError, UsageError
from mellea.core.event_loop import run_sync
from mellea.core.requirement import Requirement
from mellea.core.sampling import SamplingResult, SamplingStrategy
from mellea.core.schema import with_bound_quotes
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib._annotations import UnresolvedNameError, captured_names, format_annotation
from mellea.stdlib._asked import Asked
from mellea.stdlib._told import told
from mellea.stdlib._wording import Wording, words_in_force
from mellea.stdlib.components._generative.call import (
    ArgPreconditionRequirement,
    GenerativeCall,
    PreconditionException,
    check_arguments,
    on_value,
    reworded_call,
)
from mellea.stdlib.components._generative.call import Argument as _Argument
from mellea.stdlib.components._generative.declaration import Declaration, shown_of
from mellea.stdlib.components._generative.settings import FunctionSettings
from mellea.stdlib.components._generative.target import CallError, SessionLike, split_call
from mellea.stdlib.context.simple import SimpleContext
from mellea.stdlib.sampling._default_strategy import as_strategy
from mellea.stdlib.sampling._failure import warn_of_failure
from mellea.stdlib.sampling._request import requirements_of

if TYPE_CHECKING:
    from mellea.core.backend import Backend
    from mellea.core.context import Context
    from mellea.core.schema import OutputSchema

__all__ = [
    "ArgPreconditionRequirement",
    "AsyncGenerativeStub",
    "GenerativeStub",
    "PreconditionException",
    "SyncGenerativeStub",
    "generative",
]

if not TYPE_CHECKING:
    _OF_OLD = (
        "Argument ArgumentDict Arguments Function FunctionDict FunctionResponse bind_function_arguments"
        " create_response_format describe_function get_argument"
    )
    __getattr__, _ = lazy_names(
        __name__, dict.fromkeys(_OF_OLD.split(), "mellea.stdlib.components._generative.of_old")
    )

P = ParamSpec("P")
P2 = ParamSpec("P2")
T = TypeVar("T")
R = TypeVar("R")
C = TypeVar("C")
Requirements: TypeAlias = "Iterable[Requirement | str]"


class GenerativeStub(ABC, Generic[P, R, C]):
    """A typed function.

    Call it as ``f(m, ...)`` for the value, or as ``f(context, backend, ...)`` for the value and a
    context.

    A call may override what the function was declared with: ``requirements``, ``precondition_requirements``
    and ``strategy`` take the place of the function's own, ``model_options`` go over them one by one.

    Of an object whose method it is, the prompt shows what components, dataclasses, attrs classes, pydantic
    models and classes with a ``__str__`` of their own say of themselves; of any other object it shows
    nothing.

    Raises:
        PreconditionException: The arguments do not meet a precondition; nothing was asked.
        OutputParseError: No attempt gave an answer of the return type.
        RequirementsNotMetError: With ``strict``, no attempt met every requirement.
        UsageError: (also a TypeError) The arguments do not fit the signature.
        ProviderError: The provider failed.
    """

    __qualname__: str
    __name__: str

    def __init__(
        self, function: Callable[..., Any], settings: FunctionSettings, names: Mapping[str, Any]
    ) -> None:
        functools.update_wrapper(self, function)
        self._declared = Declaration(function, names)
        self._settings = settings
        self._receiver: tuple[Any, ...] = ()
        self._wording: tuple[Wording, ...] = ()
        with contextlib.suppress(
            UnresolvedNameError
        ):  # names that are defined further down exist at the first call
            self._declared.types  # noqa: B018  what else is wrong with the annotations is told at definition

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> Self: ...
    @overload
    def __get__(
        self: GenerativeStub[Concatenate[Any, P2], R, C], instance: object, owner: type | None = None
    ) -> GenerativeStub[P2, R, C]: ...
    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None or self._declared.receiver is None:
            return self
        bound = type(self).__new__(type(self))
        vars(bound).update(vars(self), _receiver=(instance,))
        return bound

    def __reduce__(self) -> str | tuple[Any, ...]:
        """Pickle it by its name, as a function is."""
        if self._receiver:
            return getattr, (self._receiver[0], self.__name__)
        return self.__qualname__

    @overload
    def __call__(self, m: SessionLike, /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    def __call__(self, context: Context, backend: Backend, /, *args: P.args, **kwargs: P.kwargs) -> C: ...
    @overload
    def __call__(self, m: SessionLike, /, *args: Any, requirements: Requirements, **kwargs: Any) -> R: ...
    @overload
    def __call__(
        self, m: SessionLike, /, *args: Any, precondition_requirements: Requirements, **kwargs: Any
    ) -> R: ...
    @overload
    def __call__(
        self, m: SessionLike, /, *args: Any, strategy: str | SamplingStrategy, **kwargs: Any
    ) -> R: ...
    @overload
    def __call__(
        self, m: SessionLike, /, *args: Any, model_options: Mapping[str, Any], **kwargs: Any
    ) -> R: ...
    @overload
    def __call__(self, /, *, m: SessionLike, **kwargs: Any) -> R: ...
    @overload
    def __call__(
        self, context: Context, backend: Backend, /, *args: Any, requirements: Requirements, **kwargs: Any
    ) -> C: ...
    @overload
    def __call__(
        self,
        context: Context,
        backend: Backend,
        /,
        *args: Any,
        precondition_requirements: Requirements,
        **kwargs: Any,
    ) -> C: ...
    @overload
    def __call__(
        self,
        context: Context,
        backend: Backend,
        /,
        *args: Any,
        strategy: str | SamplingStrategy,
        **kwargs: Any,
    ) -> C: ...
    @overload
    def __call__(
        self,
        context: Context,
        backend: Backend,
        /,
        *args: Any,
        model_options: Mapping[str, Any],
        **kwargs: Any,
    ) -> C: ...
    @overload
    def __call__(self, /, *, context: Context, backend: Backend, **kwargs: Any) -> C: ...
    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Carry out a call; see the class."""
        return self._run_call(self._call(args, kwargs))

    async def acall(self, /, *args: Any, **kwargs: Any) -> Any:
        """Carry out a call, and wait for it, whether or not the function is a coroutine function."""
        return await self._call(args, kwargs)

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """What the value must respect, as the function was declared."""
        return self._settings.requirements

    @property
    def output_schema(self) -> OutputSchema:
        """What the model's answer has to look like: an object whose ``result`` is the value."""
        return self._declared.types[2]

    @abstractmethod
    def _run_call(self, call: Coroutine[Any, Any, Any]) -> Any:
        """Return what a call comes to, or the call on its way."""

    @property
    def head(self) -> str:
        """The head of the function, as the prompt shows it."""
        return self._declared.types[0]

    @property
    def declaration(self) -> str:
        """The head and the docstring of the function, as its prompt shows them in its own words."""
        return self._declared.text

    def with_wording(self, words: Wording) -> Self:
        """Return the function with other words than its own.

        Args:
            words: What gives them, such as ``load_prompts("prompts.json")``.
        """
        twin = type(self).__new__(type(self))
        vars(twin).update(vars(self), _wording=(*self._wording, words))
        return twin

    def bind_backend(self, backend: Backend | None) -> Callable[..., Coroutine[Any, Any, Any]]:
        """Return the function as a tool: it asks a backend, in a conversation of its own.

        Args:
            backend: What generates.
        """

        async def asked(**arguments: Any) -> Any:
            value, _ = await self._call((SimpleContext(),), {**arguments, "backend": backend})
            return value

        return asked

    async def _call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Carry a call out, in whichever form it comes."""
        receiver = self._receiver
        if not receiver and self._declared.receiver is not None:
            receiver, args = args[:1], args[1:]
        target, args, own, overrides = split_call(self.__qualname__, args, kwargs)
        values = self._declared.bound(args, own)
        settings = self._settings.override(overrides)
        strategy = as_strategy(
            settings.strategy, target.session.plugins if target.session is not None else ()
        )

        def start_sampling(
            context: Context, backend: Backend, options: Mapping[str, Any]
        ) -> Coroutine[Any, Any, SamplingResult[Any]]:
            return self._sample(context, backend, options, receiver, values, settings, strategy)

        if target.session is not None:
            return _value(self.__qualname__, await target.session.run(start_sampling))
        result = await start_sampling(target.context, target.backend, {})
        return _value(self.__qualname__, result), result.result_ctx

    async def _sample(
        self,
        context: Context,
        backend: Backend,
        options: Mapping[str, Any],
        receiver: tuple[Any, ...],
        values: dict[str, Any],
        settings: FunctionSettings,
        strategy: SamplingStrategy,
    ) -> SamplingResult[Any]:
        """Make the attempts; a result has a value of the return type."""
        head, hints, schema = self._declared.types
        words = words_in_force(*self._wording)
        named = {name: format_annotation(hint) for name, hint in hints.items()}
        arguments = [
            _Argument.of("self", type(one).__name__, shown_of(one))
            for one in receiver
            if shown_of(one) is not None
        ]
        arguments += [_Argument.of(name, named.get(name), value) for name, value in values.items()]
        schema = with_bound_quotes(schema, [span for one in arguments for span in one.spans])
        wanted = tuple(requirement for requirement in settings.requirements if not requirement.check_only)
        call: GenerativeCall[Any] = GenerativeCall(
            self._declared.text, tuple(arguments), wanted, schema, head=head
        )
        if words:
            call = reworded_call(call, self.__name__, head, self._declared.docstring, words)
        await check_arguments(call, values, settings.precondition_requirements, backend)
        config = settings.config(schema, options, backend)
        required = [on_value(requirement, schema) for requirement in settings.requirements]

        async def carry_out(asked: Asked) -> tuple[SamplingResult[Any], Context]:
            chosen = as_strategy(asked.strategy)
            result = await chosen.sample(
                call, context, backend, requirements_of(asked.requirements), **asked.config.keywords()
            )
            _value(self.__qualname__, result)
            result.result.note_sampling(result)
            return (result.raise_for_failure() if settings.strict else result), result.result_ctx

        result: SamplingResult[Any]
        result, _ = await told(call, context, Asked(config, required, strategy), carry_out)
        if settings.strict:
            return result
        warn_of_failure(
            result.result, f"{self.__qualname__} returns it all the same; @generative(strict=True) raises."
        )
        return result

    # As a component, before it is called

    def parts(self) -> list[Span]:
        """Return the requirements that the function was declared with, and that are shown."""
        return [*self._shown()]

    def _shown(self) -> list[Requirement]:
        return [one for one in self._settings.requirements if one.description and not one.check_only]

    def format_for_llm(self) -> TemplateRepresentation:
        """Return what the function says of itself; ``arguments`` is None, as it is not called."""
        function = {
            "name": self.__name__,
            "signature": str(inspect.signature(self._declared.function)),
            "docstring": self._declared.docstring,
        }
        return TemplateRepresentation(
            self,
            {
                "function": function,
                "arguments": None,
                "requirements": [one.description for one in self._shown()],
                "declaration": self._declared.text,
            },
            template_order=[type(self).__name__, "GenerativeStub"],
        )

    def parse(self, computed: ModelOutputThunk[Any]) -> Any:
        """Return the value in an answer. See ``Component.parse``."""
        return Component.parse(self, computed)

    def _parse(self, computed: ModelOutputThunk[Any]) -> Any:
        _, _, schema = self._declared.types
        return schema.parse(str(computed))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.__qualname__}{inspect.signature(self._declared.function)}>"


class SyncGenerativeStub(GenerativeStub[P, T, "tuple[T, Context]"]):
    """A typed function that waits for its answer; it works inside a running event loop too."""

    def _run_call(self, call: Coroutine[Any, Any, Any]) -> Any:
        return run_sync(call)


class AsyncGenerativeStub(
    GenerativeStub[P, Coroutine[Any, Any, T], "Coroutine[Any, Any, tuple[T, Context]]"]
):
    """A typed function whose call is awaited."""

    def __init__(
        self, function: Callable[..., Any], settings: FunctionSettings, names: Mapping[str, Any]
    ) -> None:
        super().__init__(function, settings, names)
        # With these `inspect.iscoroutinefunction` takes it for what it is, before Python 3.12 too.
        told = {name: getattr(function, name) for name in ("__code__", "__defaults__", "__kwdefaults__")}
        vars(self).update(told)

    def _run_call(self, call: Coroutine[Any, Any, Any]) -> Any:
        return call


def _value(name: str, result: SamplingResult[Any]) -> Any:
    """Return the value of the chosen attempt.

    Raises:
        OutputParseError: It has none.
    """
    try:
        return result.result.parsed
    except OutputParseError as error:
        attempts = f"{len(result.attempts)} attempts" if len(result.attempts) > 1 else "one attempt"
        raised = NoAnswerError if isinstance(error, NoAnswerError) else OutputParseError
        more = "Raise the strategy's loop_budget, or MAX_NEW_TOKENS if the text was cut."
        raise raised(
            f"{name} got no answer of its return type in {attempts}. {error.message}",
            hint=error.hint if raised is NoAnswerError else more,
        ) from error


class _Decorator(Protocol):
    @overload  # a coroutine function matches both, and the first one that matches holds
    def __call__(self, function: Callable[P, Coroutine[Any, Any, T]], /) -> AsyncGenerativeStub[P, T]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, function: Callable[P, T], /) -> SyncGenerativeStub[P, T]: ...


@overload
def generative(function: Callable[P, Coroutine[Any, Any, T]], /) -> AsyncGenerativeStub[P, T]: ...  # type: ignore[overload-overlap]  # as above
@overload
def generative(function: Callable[P, T], /) -> SyncGenerativeStub[P, T]: ...
@overload
def generative(
    *,
    requirements: Requirements | None = None,
    precondition_requirements: Requirements | None = None,
    strategy: str | SamplingStrategy | None = None,
    model_options: Mapping[str, Any] | None = None,
    strict: bool = False,
) -> _Decorator: ...
def generative(function: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
    """Make a typed function.

    Its name, signature and docstring are the prompt, its return annotation is the type of the answer.

    Use it bare or with settings, on functions and methods, synchronous and asynchronous. A function without a
    return annotation returns any JSON value, as an unannotated function has the static type ``Any``.

    Args:
        function: The function; its body is not run.
        settings: ``requirements`` that the value must respect, ``precondition_requirements`` that the
            arguments must respect, the ``strategy`` that makes and repairs attempts, or its name (by default
            two, by rejection), ``model_options``, and ``strict``: whether to raise instead of returning the
            best value when no attempt meets every requirement.

    Raises:
        UsageError: It is no plain function, a parameter has a reserved name, an annotation is no type or
            cannot be written as JSON, or a setting is wrong.
    """
    frame = inspect.currentframe()
    if function is not None:
        return _make_stub(function, FunctionSettings(), frame.f_back if frame is not None else None)
    if unknown := sorted(
        set(settings) - {"requirements", "precondition_requirements", "strategy", "model_options", "strict"}
    ):
        raise CallError(
            f"@generative has no setting {', '.join(unknown)}.",
            hint="Look at its documentation for those it has.",
        )
    made = FunctionSettings.of(settings)

    def decorate(function: Callable[..., Any]) -> Any:
        frame = inspect.currentframe()
        return _make_stub(function, made, frame.f_back if frame is not None else None)

    return decorate


def _make_stub(
    function: Callable[..., Any], settings: FunctionSettings, frame: FrameType | None
) -> GenerativeStub[Any, Any, Any]:
    if isinstance(function, classmethod | staticmethod):
        raise UsageError(
            f"@generative stands above @{type(function).__name__}.",
            hint=f"Put @{type(function).__name__} on top.",
        )
    if (
        not inspect.isfunction(function)
        or inspect.isgeneratorfunction(function)
        or inspect.isasyncgenfunction(function)
    ):
        raise UsageError(
            f"{function!r} is no plain function.",
            hint="Decorate a def or an async def that returns its value.",
        )
    kind = cast("Any", AsyncGenerativeStub if inspect.iscoroutinefunction(function) else SyncGenerativeStub)
    stub: GenerativeStub[Any, Any, Any] = kind(function, settings, captured_names(function, frame))
    return stub
