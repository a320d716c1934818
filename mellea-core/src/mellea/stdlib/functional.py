"""The verbs with their state made explicit.

Each takes a context and a backend, and returns a result and a new context.

Each verb is written once, as a coroutine; the synchronous one runs it on the library's loop. A session's verb
is the one of the same name here, with the context threaded through.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast

from mellea._lazy import lazy_names
from mellea.core.backend import Backend
from mellea.core.blocks import CBlock
from mellea.core.component import Component, Span, blockify
from mellea.core.context import Context
from mellea.core.errors import UsageError
from mellea.core.event_loop import run_sync, synchronous
from mellea.core.generate_config import GenerateConfig
from mellea.core.message import Message, Role
from mellea.core.metadata import GenerateLog
from mellea.core.requirement import Requirement, ValidationResult, reqify
from mellea.core.sampling import Budget, SamplingStrategy
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib._act import aact, acted
from mellea.stdlib._asked import Asked
from mellea.stdlib._generate import (
    loops,
    refuse_rounds,
    sample,
    start_generation,
    tool_options,
    user_message,
    wait_or_cancel,
)
from mellea.stdlib._object_verbs import aquery, atransform, query, transform
from mellea.stdlib._signatures import (
    ActOptions,
    ChatOptions,
    ExplainOptions,
    InstructionParts,
    MessageOptions,
    SampledInstructOptions,
    StreamOptions,
    Tools,
    ValidateOptions,
    waiting,
    with_options,
)
from mellea.stdlib._told import told
from mellea.stdlib._wording import Wording, reworded, reworded_requirement, words_in_force
from mellea.stdlib.components.instruction import Instruction
from mellea.stdlib.requirements.validate import validate_all
from mellea.stdlib.sampling._default_strategy import DEFAULT_STRATEGY, needed_strategy
from mellea.stdlib.sampling._failure import warn_of_failure
from mellea.stdlib.sampling._steering import SteeringReport, steer_config
from mellea.stdlib.sampling.repair import RejectionSamplingStrategy

if TYPE_CHECKING:
    from mellea.stdlib.frameworks.verbs import areact, astream_react, react, stream_react
    from mellea.stdlib.tools.call import acall_tools, call_tools
    from mellea.stdlib.tools.run import ToolRunner
else:
    _AGENTS = ("areact", "astream_react", "react", "stream_react")
    _TOOLS = ("acall_tools", "call_tools", "_acall_tools", "_call_tools")
    __getattr__, _ = lazy_names(
        __name__,
        {
            **dict.fromkeys(_AGENTS, "mellea.stdlib.frameworks.verbs"),
            **dict.fromkeys(_TOOLS, "mellea.stdlib.tools.call"),
        },
    )

__all__ = [
    "DEFAULT_STRATEGY",
    "aact",
    "acall_tools",
    "achat",
    "act",
    "aexplain",
    "ainstruct",
    "aquery",
    "areact",
    "astream_chat",
    "astream_instruct",
    "astream_react",
    "atransform",
    "avalidate",
    "call_tools",
    "chat",
    "explain",
    "instruct",
    "query",
    "react",
    "sample",
    "send_message",
    "start_generation",
    "stream_chat",
    "stream_instruct",
    "stream_react",
    "transform",
    "user_message",
    "validate",
    "wait_or_cancel",
]

S = TypeVar("S")


@with_options(SampledInstructOptions)
async def ainstruct(
    description: str | Span,
    context: Context,
    backend: Backend,
    *,
    strategy: str | SamplingStrategy | None = DEFAULT_STRATEGY,
    return_sampling_results: bool = False,
    strict: bool | None = None,
    steer: bool | None = None,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
    tool_calls: bool = False,
    tools: Tools | None = None,
    tool_loop: bool | ToolRunner | None = None,
    await_result: bool | None = None,
    **parts: Unpack[InstructionParts],
) -> tuple[Any, Context]:
    """Give the model a task.

    By default a second attempt is made if the first one fails; there is one attempt when there is nothing to
    check.

    Args:
        description: The task; with ``user_variables`` a template (``{{name}}``).
        context: The conversation that led here.
        backend: What generates.

    Returns:
        The output, or with ``return_sampling_results`` every attempt; and the context with the task and the
        output added.

    Raises:
        TemplateError: A template variable is not given.
        RequirementsNotMetError: With ``strict``, no attempt met every requirement.
        UsageError: The call cannot be carried out; nothing was sent.
        ProviderError: The provider failed.
    """
    instruction = _task(description, parts)
    chosen = strategy
    if not return_sampling_results:
        chosen = needed_strategy(strategy, instruction.requirements, format)
    if chosen is None:
        config = GenerateConfig(format, model_options, tool_calls).steered(steer)
        config, _ = await steer_config(instruction, instruction.requirements, backend, config)
        format, model_options = config.format, config.options
    return await acted(
        instruction,
        context,
        backend,
        requirements=instruction.requirements if chosen is not None else None,
        strategy=chosen,
        return_sampling_results=return_sampling_results,
        strict=strict if chosen is strategy else None,
        steer=steer,
        format=format,
        model_options=model_options,
        tool_calls=tool_calls,
        tools=tools,
        tool_loop=tool_loop,
        await_result=strategy is not None if await_result is None else await_result,
    )


@with_options(StreamOptions)
async def astream_instruct(
    description: str | Span,
    context: Context,
    backend: Backend,
    *,
    steer: bool | None = None,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
    tool_calls: bool = False,
    tools: Tools | None = None,
    **parts: Unpack[InstructionParts],
) -> tuple[ModelOutputThunk[Any], Context]:
    """Give the model a task and return the output while it is being written.

    The requirements are shown, and steer where they have a form and the backend can; they are not checked.

    Args:
        description: The task; with ``user_variables`` a template (``{{name}}``).
        context: The conversation that led here.
        backend: What generates.

    Raises:
        TemplateError: A template variable is not given.
        UsageError: The call cannot be carried out; nothing was sent.
    """
    task = _task(description, parts)
    config = GenerateConfig(format, *tool_options(model_options, tool_calls, tools), stream=True)
    refuse_rounds("stream_instruct", config, by_default=tools is not None)
    config = config.steered(steer)
    config, _ = await steer_config(task, task.requirements, backend, config)
    return await told(
        task, context, Asked(config), lambda asked: start_generation(task, context, backend, asked.config)
    )


@with_options(ExplainOptions)
async def aexplain(
    description: str | Span,
    context: Context,
    backend: Backend,
    *,
    steer: bool | None = None,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
    tool_calls: bool = False,
    **parts: Unpack[InstructionParts],
) -> SteeringReport:
    """Return how the requirements of a task would steer the answer; no model is asked.

    A server may be asked what it is. Printed, the report says the plan in words, what is left to checking and
    why, and the pattern.

    Args:
        description: The task; with ``user_variables`` a template (``{{name}}``).
        context: The conversation that led here.
        backend: What would generate.

    Raises:
        TemplateError: A template variable is not given.
        ContradictionError: No text can meet two of the requirements.
        UsageError: The task is empty.
    """
    task = _task(description, parts)
    config = GenerateConfig(format, model_options, tool_calls).steered(steer)
    return (await steer_config(task, task.requirements, backend, config))[1]


def _task(description: str | Span, parts: InstructionParts) -> Instruction:
    """Return a task as a component.

    Raises:
        UsageError: It asks for nothing.
    """
    if words := words_in_force():
        description, parts = _reworded(description, parts, words)
    made = Instruction(description, **parts)
    asked = (made.description, made.prefix, *made.images, *made.audio)
    if not any(str(part).strip() if type(part) is CBlock else part is not None for part in asked):
        raise UsageError("The task is empty.", hint="Say what the model is to do.")
    return made


def _reworded(
    description: str | Span, parts: InstructionParts, words: tuple[Wording, ...]
) -> tuple[str | Span, InstructionParts]:
    """Return the texts of a task in the words that are in force; what fills them comes later."""
    if isinstance(description, str):
        description = reworded("task", description, words=words)
    given: InstructionParts = {**parts}
    if isinstance(prefix := parts.get("prefix"), str):
        given["prefix"] = reworded("prefix", prefix, words=words)
    if isinstance(requirements := parts.get("requirements"), list | tuple):
        given["requirements"] = [
            reworded_requirement(one, words) if isinstance(one, Requirement) else one for one in requirements
        ]
    return description, given


async def send_message(
    content: str,
    context: Context,
    backend: Backend,
    *,
    role: Role = "user",
    images: Iterable[Any] | None = None,
    audio: Iterable[Any] | None = None,
    documents: Iterable[Span | str] | None = None,
    user_variables: Mapping[str, Any] | None = None,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
    tool_calls: bool = False,
    tools: Tools | None = None,
    tool_loop: bool | ToolRunner | None = None,
    budget: Budget | None = None,
    stream: bool = False,
) -> tuple[ModelOutputThunk[Any], Context]:
    """Say something to the model and return its answer on its way.

    ``achat`` waits for it, ``astream_chat`` streams it. With rounds of tools it is complete.
    """
    message = user_message(
        content, role, images=images, audio=audio, documents=documents, user_variables=user_variables
    )
    config = GenerateConfig(format, *tool_options(model_options, tool_calls, tools, tool_loop), stream)
    if stream:
        refuse_rounds("stream_chat", config)
    checked = not stream and loops(config)

    async def carry_out(asked: Asked) -> tuple[ModelOutputThunk[Any], Context]:
        if asked.strategy is None or stream:
            return await start_generation(message, context, backend, asked.config)
        result = await sample(
            message,
            context,
            backend,
            asked.config,
            requirements=asked.requirements,
            strategy=asked.strategy,
        )
        warn_of_failure(result.result)
        return result.result, result.result_ctx

    strategy = RejectionSamplingStrategy(budget=budget) if checked else None
    return await told(message, context, Asked(config, None, strategy), carry_out)


@with_options(ChatOptions)
async def achat(
    content: str, context: Context, backend: Backend, *, role: Role = "user", **options: Unpack[ChatOptions]
) -> tuple[Message, Context]:
    """Say something to the model and return its answer as an assistant message.

    Args:
        content: What to say; with ``user_variables`` a template.
        context: The conversation that led here.
        backend: What generates.

    Raises:
        TemplateError: A template variable is not given.
        UsageError: The call cannot be carried out; nothing was sent.
        ProviderError: The provider failed.
    """
    thunk, after = await send_message(content, context, backend, role=role, **options)
    return cast("Message", (await wait_or_cancel(thunk)).parsed_repr), after


@with_options(MessageOptions)
async def astream_chat(
    content: str,
    context: Context,
    backend: Backend,
    *,
    role: Role = "user",
    **options: Unpack[MessageOptions],
) -> tuple[ModelOutputThunk[Message], Context]:
    """Say something to the model and return its answer while it is being written.

    Args:
        content: What to say; with ``user_variables`` a template.
        context: The conversation that led here.
        backend: What generates.

    Raises:
        TemplateError: A template variable is not given.
        UsageError: The call cannot be carried out; nothing was sent.
    """
    return await send_message(content, context, backend, role=role, stream=True, **options)


@with_options(ValidateOptions)
async def avalidate(
    reqs: str | Requirement | Iterable[str | Requirement],
    context: Context,
    backend: Backend,
    *,
    output: ModelOutputThunk[Any] | CBlock | str | None = None,
    input: Span | str | None = None,
    generate_logs: list[GenerateLog | None] | None = None,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
) -> list[ValidationResult]:
    """Return what each requirement says of the last output, or of another one.

    Args:
        reqs: One requirement or several; a model judges those given as text.
        context: The conversation, up to and with the last output.
        backend: Judges.

    Raises:
        UsageError: There is no output, or a requirement is none.
        ProviderError: A judge could not be asked.
    """
    several: Iterable[Any] = (
        reqs if isinstance(reqs, Iterable) and not isinstance(reqs, str | Requirement) else [reqs]
    )
    seen = context if input is None else context.add(blockify(input))
    if output is not None:
        seen = seen.add(ModelOutputThunk(str(output)) if isinstance(output, str | CBlock) else output)
    required = [reqify(requirement) for requirement in several]
    results = await validate_all(
        required, seen, backend, spare_judges=False, format=format, model_options=model_options
    )
    if generate_logs is not None:
        generate_logs += [None if one.thunk is None else one.thunk.generate_log for one in results]
    return results


@with_options(ActOptions)
def act(
    action: Component[S] | Span | str, context: Context, backend: Backend, **options: Unpack[ActOptions]
) -> tuple[Any, Context]:
    """Synchronous twin of ``aact``; it waits for the output."""
    return run_sync(aact(action, context, backend, **waiting(options)))


@with_options(SampledInstructOptions, strategy=DEFAULT_STRATEGY)
def instruct(
    description: str | Span, context: Context, backend: Backend, **options: Unpack[SampledInstructOptions]
) -> tuple[Any, Context]:
    """Synchronous twin of ``ainstruct``; it waits for the output."""
    return run_sync(ainstruct(description, context, backend, **waiting(options)))


chat = synchronous(achat)
explain = synchronous(aexplain)
validate = synchronous(avalidate)
stream_chat = synchronous(astream_chat, starts_only=True)
stream_instruct = synchronous(astream_instruct, starts_only=True)
