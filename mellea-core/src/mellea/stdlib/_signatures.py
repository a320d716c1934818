"""The options of the verbs, listed and documented once.

A verb takes its options as ``**options: Unpack[...]`` for type checkers, or writes some of them out where
overloads or its own body need them. ``with_options`` gives it the whole signature and docstring at run time,
for ``help`` and editors.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, TypeVar, cast

from mellea.core.blocks import CBlock
from mellea.core.component import Span
from mellea.core.errors import UsageError
from mellea.core.metadata import GenerateLog
from mellea.core.requirement import Requirement
from mellea.core.sampling import Budget, SamplingStrategy
from mellea.core.thunk import ModelOutputThunk

if TYPE_CHECKING:
    from mellea.stdlib.context.compactor import Compactor, InlineCompactor
    from mellea.stdlib.tools.run import ToolRunner

__all__ = [
    "ActOptions",
    "ChatOptions",
    "ExplainOptions",
    "GenerateOptions",
    "InstructOptions",
    "InstructionParts",
    "MessageOptions",
    "QueryOptions",
    "ReactOptions",
    "SampledInstructOptions",
    "StrategyOptions",
    "StreamOptions",
    "Tools",
    "TransformOptions",
    "ValidateOptions",
    "waiting",
    "with_options",
]

F = TypeVar("F", bound=Callable[..., Any])
Tools: TypeAlias = "Iterable[Any] | Mapping[str, Any]"


class GenerateOptions(TypedDict, total=False):
    """How an output is generated."""

    model_options: Mapping[str, Any] | None
    tool_calls: bool
    tools: Tools | None


class StrategyOptions(GenerateOptions, total=False):
    """How attempts are made."""

    strategy: str | SamplingStrategy | None
    strict: bool | None
    steer: bool | None
    tool_loop: bool | ToolRunner | None


class ActOptions(StrategyOptions, total=False):
    """What may go along with any action."""

    requirements: Iterable[str | Requirement] | None
    return_sampling_results: bool
    format: Any


class InstructionParts(TypedDict, total=False):
    """The parts of an ``Instruction`` beside its description."""

    requirements: Iterable[str | Requirement] | None
    icl_examples: Iterable[str | Span] | None
    grounding_context: Mapping[str, str | Span] | None
    user_variables: Mapping[str, Any] | None
    prefix: str | Span | None
    output_prefix: str | Span | None
    images: Iterable[Any] | None
    audio: Iterable[Any] | None


class InstructOptions(InstructionParts, StrategyOptions, total=False):
    """What may go along with a task, beside what decides the type of the result."""


class SampledInstructOptions(InstructOptions, total=False):
    """What may go along with a task."""

    return_sampling_results: bool
    format: Any


class StreamOptions(InstructionParts, GenerateOptions, total=False):
    """What may go along with a task that is streamed."""

    steer: bool | None


class QueryOptions(StrategyOptions, total=False):
    """What may go along with a question about an object."""

    requirements: Iterable[str | Requirement] | None
    format: Any


class TransformOptions(TypedDict, total=False):
    """What may go along with the change of an object."""

    requirements: Iterable[str | Requirement] | None
    strategy: str | SamplingStrategy | None
    strict: bool | None
    steer: bool | None
    format: Any
    model_options: Mapping[str, Any] | None


class ExplainOptions(InstructionParts, total=False):
    """What may go along with a task that is only to be explained."""

    format: Any
    model_options: Mapping[str, Any] | None
    tool_calls: bool
    steer: bool | None


class ValidateOptions(TypedDict, total=False):
    """What may go along with a validation."""

    output: ModelOutputThunk[Any] | CBlock | str | None
    input: Span | str | None
    generate_logs: list[GenerateLog | None] | None
    format: Any
    model_options: Mapping[str, Any] | None


class MessageOptions(GenerateOptions, total=False):
    """What may go along with a message, whether its answer is streamed or not."""

    images: Iterable[Any] | None
    audio: Iterable[Any] | None
    documents: Iterable[Span | str] | None
    user_variables: Mapping[str, Any] | None
    format: Any


class ChatOptions(MessageOptions, total=False):
    """What may go along with a message."""

    tool_loop: bool | ToolRunner | None
    budget: Budget | None


class ReactOptions(TypedDict, total=False):
    """What may go along with the goal of an agent, beside what decides the type of its answer."""

    tools: Tools | None
    requirements: Iterable[str | Requirement] | None
    budget: Budget | None
    compactor: Compactor | InlineCompactor | None
    runner: ToolRunner | None
    model_options: Mapping[str, Any] | None


_DOCUMENTED = {
    "role": "Who says it.",
    "requirements": (
        "What the output must respect. Without a strategy ``act`` checks none; ``instruct`` only shows them."
    ),
    "icl_examples": "Examples of good outputs.",
    "grounding_context": "Texts by name that the output is to rest on; outputs on their way are awaited.",
    "user_variables": "Values of template variables (``{{name}}``); without them the text is no template.",
    "prefix": "What stands before the task.",
    "output_prefix": "How the output is to begin.",
    "images": "Images that go along.",
    "audio": "Audio that goes along.",
    "documents": "Documents that go along, below the text.",
    "strategy": "How attempts are made, or the name of a strategy; None makes one attempt.",
    "strict": (
        "Whether it is an error that no attempt meets every requirement; None means as the session says."
    ),
    "steer": (
        "Whether requirements that have a form steer the decoding, where the backend can; None means as the "
        "session says."
    ),
    "return_sampling_results": "Whether to return every attempt, as a ``SamplingResult``; needs a strategy.",
    "output": "What to check instead of the last output, as the answer to the conversation.",
    "generate_logs": (
        "A list to which the judge's log is added for each requirement, and None for a check without a model."
    ),
    "input": "What ``output`` answers, if that is not in the conversation.",
    "format": (
        "A pydantic class or JSON schema that the output must fit; ``.parsed`` of the output is the instance."
    ),
    "model_options": "Options of this call, over the session's and the backend's.",
    "tool_calls": "Whether the model may call tools.",
    "tools": "What the model may call: tools and functions. It need not be said then that it may.",
    "tool_loop": (
        "Whether calls are carried out and the model goes on until it answers: True, or a ``ToolRunner`` "
        "that says how. None means True where ``tools`` are given, and False for ``chat``, whose answer "
        "then has the calls."
    ),
    "runner": (
        "How calls are carried out. The ``rounds`` of one that is given say after how many rounds of tools "
        "the model is made to answer."
    ),
    "budget": "What it may spend in all, tools that ask a model included.",
    "compactor": "What makes the conversation shorter between the turns of an agent.",
    "await_result": (
        "Whether to wait for the output. Otherwise the thunk is on its way, so that calls run side by side "
        "and pieces can be read as they come. A strategy waits whenever it has something to check, and also "
        "where this is left out."
    ),
}
_OF_OLD = ("allow_context_type_change", "silence_context_type_warning")
"""Options of the 0.8 line that change nothing here: any type of context may come back."""
_ORDER = {name: place for place, name in enumerate(_DOCUMENTED)}
_DEFAULTS = {
    "tool_calls": False,
    "return_sampling_results": False,
    "await_result": False,
}  # of all others it is None


def waiting(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a verb that waits for the output, whatever they say of it."""
    return {**options, "await_result": True}


def with_options(options: Any, **defaults: Any) -> Callable[[F], F]:
    """Show the options of a verb in its signature and its docstring.

    Args:
        options: The typed dictionary of those that the verb does not write out.
        defaults: Their defaults, where these are this verb's own.
    """

    def decorate(written: F) -> F:
        verb = _telling_unknown_options(written)
        signature = inspect.signature(written)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        named = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=defaults.get(name, _DEFAULTS.get(name)),
                annotation=getattr(kind, "__forward_arg__", kind),
            )
            for name, kind in options.__annotations__.items()
            if name not in signature.parameters
        ]
        own = [p.replace(default=False) if p.name == "await_result" else p for p in own]
        before = [p for p in own if p.kind is not p.KEYWORD_ONLY]
        keywords = sorted(
            [*named, *(p for p in own if p.kind is p.KEYWORD_ONLY)], key=lambda p: _ORDER[p.name]
        )
        verb.__signature__ = signature.replace(parameters=[*before, *keywords])  # type: ignore[attr-defined]
        verb.__doc__ = _complete(verb.__doc__ or "", [p.name for p in keywords])
        return verb

    return decorate


class _UnknownOptionError(UsageError, TypeError):
    pass


def _telling_unknown_options(verb: F) -> F:
    """Return a verb that says which option it does not know, and which one may be meant."""
    # A synchronous verb waits, and may be told to.
    tolerated = () if inspect.iscoroutinefunction(verb) else ("await_result",)

    @functools.cache
    def parameters() -> Mapping[str, inspect.Parameter]:
        return inspect.signature(told).parameters

    def check(options: dict[str, Any]) -> None:
        known = parameters()
        for name in [name for name in options if name not in known]:
            if name in _OF_OLD:
                del options[name]
            elif name not in tolerated:
                raise _unknown_option(verb.__name__, name, known)

    def sync(*args: Any, **options: Any) -> Any:
        if options:
            check(options)
        return verb(*args, **options)

    async def awaited(*args: Any, **options: Any) -> Any:
        if options:
            check(options)
        return await verb(*args, **options)

    told = functools.wraps(verb)(awaited if inspect.iscoroutinefunction(verb) else sync)
    return cast("F", told)


def _unknown_option(verb: str, name: str, known: Mapping[str, inspect.Parameter]) -> _UnknownOptionError:
    import difflib  # noqa: PLC0415  only a mistake needs it

    near = difflib.get_close_matches(name, known, n=1)
    keywords = [name for name, p in known.items() if p.kind is p.KEYWORD_ONLY]
    guess = f"Did you mean {near[0]!r}? " if near else ""
    return _UnknownOptionError(
        f"{verb} takes no option {name!r}.", hint=f"{guess}It takes {', '.join(keywords)}."
    )


def _complete(doc: str, names: Iterable[str]) -> str:
    """Return a docstring with the options at the end of its arguments."""
    text = inspect.cleandoc(doc)
    end = re.search(r"\n\n(Returns|Raises):", text)
    head, tail = (text[: end.start()], text[end.start() :]) if end else (text, "")
    if "\n\nArgs:\n" not in head:
        head += "\n\nArgs:"
    return "\n".join([head, *(f"    {name}: {_DOCUMENTED[name]}" for name in names)]) + tail
