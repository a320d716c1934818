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
from mellea.stdlib._generate import (
    loops,
    refuse_rounds,
    sample,
    start_generation,
    tool_options,
    user_message,
    wait_or_cancel,
)
from mellea.stdlib._signatures import (
    ActOptions,
    ChatOptions,
    ExplainOptions,
    InstructionParts,
    MessageOptions,
    QueryOptions,
    SampledInstructOptions,
    StreamOptions,
    Tools,
    TransformOptions,
    ValidateOptions,
    waiting,
    with_options,
)
from mellea.stdlib.components.instruction import Instruction
from mellea.stdlib.requirements.validate import validate_all
from mellea.stdlib.sampling._default_strategy import DEFAULT_STRATEGY, ONE_ATTEMPT, needed_strategy
from mellea.stdlib.sampling._failure import warn_of_failure
from mellea.stdlib.sampling._steering import SteeringReport, steer_config
from mellea.stdlib.sampling.repair import RejectionSamplingStrategy
from mellea.stdlib.tools.call import acall_tools, call_tools
from mellea.stdlib.tools.run import ToolRunner

if TYPE_CHECKING:
    from mellea.stdlib.frameworks.verbs import areact, astream_react, react, stream_react
else:
    _AGENTS = ("areact", "astream_react", "react", "stream_react")
    __getattr__, _ = lazy_names(__name__, dict.fromkeys(_AGENTS, "mellea.stdlib.frameworks.verbs"))

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

_call_tools, _acall_tools = call_tools, acall_tools
"""The names under which programs of the 0.8 line know them."""
S = TypeVar("S")


@with_options(ActOptions)
async def aact(
    action: Component[S] | Span | str,
    context: Context,
    backend: Backend,
    *,
    await_result: bool = False,
    **options: Unpack[ActOptions],
) -> tuple[Any, Context]:
    """Ask the model for one component, block or text.

    Args:
        action: What the model is asked.
        context: The conversation that led here.
        backend: What generates.

    Returns:
        The output, or with ``return_sampling_results`` every attempt; and the context with the action and the
        output added.

    Raises:
        RequirementsNotMetError: With ``strict``, no attempt met every requirement.
        UsageError: The call cannot be carried out; nothing was sent.
        ProviderError: The provider failed.

    Warns:
        RequirementsNotMetWarning: No attempt met every requirement, and the best one is returned.
    """
    return await _acted(action, context, backend, await_result=await_result, **options)


async def _acted(
    action: Span | str,
    context: Context,
    backend: Backend,
    *,
    requirements: Iterable[str | Requirement] | None = None,
    strategy: str | SamplingStrategy | None = None,
    return_sampling_results: bool = False,
    strict: bool | None = None,
    steer: bool | None = None,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
    tool_calls: bool = False,
    tools: Tools | None = None,
    tool_loop: bool | ToolRunner | None = None,
    await_result: bool = False,
    warns: bool = True,
) -> tuple[Any, Context]:
    """Carry out ``aact``; ``warns`` is whether to say that the output does not meet every requirement."""
    config = GenerateConfig(format, *tool_options(model_options, tool_calls, tools, tool_loop, loops=True))
    config = config.steered(steer)
    if strategy is None and loops(config) and not (requirements or return_sampling_results or strict):
        strategy = ONE_ATTEMPT
    if strategy is None:
        _check_no_strategy(
            requirements=requirements, return_sampling_results=return_sampling_results, strict=strict
        )
        thunk, after = await start_generation(action, context, backend, config)
        return await wait_or_cancel(thunk) if await_result else thunk, after
    result = await sample(
        action, context, backend, config, requirements=requirements, strategy=strategy, strict=bool(strict)
    )
    if return_sampling_results:
        return result, result.result_ctx
    if warns:
        warn_of_failure(result.result)
    ended: Context | None = result.result_ctx  # a strategy of somebody else may leave it out
    return result.result, context.add(blockify(action)).add(result.result) if ended is None else ended


def _check_no_strategy(**asked: Any) -> None:
    """Refuse, for a call without a strategy, what only a strategy can carry out."""
    for name, given in asked.items():
        if given:
            raise UsageError(
                f"{name} needs a strategy.", hint="Pass strategy=RejectionSamplingStrategy() or another one."
            )


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
    return await aact(
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
    return await start_generation(task, context, backend, config)


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
    made = Instruction(description, **parts)
    asked = (made.description, made.prefix, *made.images, *made.audio)
    if not any(str(part).strip() if type(part) is CBlock else part is not None for part in asked):
        raise UsageError("The task is empty.", hint="Say what the model is to do.")
    return made


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
    if stream or not loops(config):
        return await start_generation(message, context, backend, config)
    strategy = RejectionSamplingStrategy(budget=budget)
    result = await sample(message, context, backend, config, strategy=strategy)
    warn_of_failure(result.result)
    return result.result, result.result_ctx


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


@with_options(QueryOptions)
async def aquery(
    obj: Any,
    query: str,
    context: Context,
    backend: Backend,
    *,
    requirements: Iterable[str | Requirement] | None = None,
    strategy: str | SamplingStrategy | None = DEFAULT_STRATEGY,
    strict: bool | None = None,
    steer: bool | None = None,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
    tool_calls: bool = False,
    tools: Tools | None = None,
    tool_loop: bool | ToolRunner | None = None,
    await_result: bool = False,
) -> tuple[ModelOutputThunk[Any], Context]:
    """Ask something about an object.

    With ``tool_calls`` the model may call the object's methods; with ``tool_loop`` the calls are carried out.

    By default a second attempt is made if the first one fails; there is one attempt when there is nothing to
    check.

    Args:
        obj: The object: any at all. What is no component is mified with the defaults.
        query: The question.
        context: The conversation that led here.
        backend: What generates.

    Returns:
        The answer, and the context with the question and the answer added.

    Raises:
        RequirementsNotMetError: With ``strict``, no attempt met every requirement.
        UsageError: The object cannot be asked about, or the call cannot be carried out; nothing was sent.
        ProviderError: The provider failed.
    """
    from mellea.stdlib.objects import has_tools, make_query  # noqa: PLC0415  few programs ask about objects

    action = make_query(obj, query)
    chosen = needed_strategy(strategy, requirements, format)
    return await aact(
        action,
        context,
        backend,
        requirements=requirements,
        strategy=chosen,
        strict=strict if chosen is strategy else None,
        steer=steer,
        format=format,
        model_options=model_options,
        tool_calls=tool_calls and (has_tools(action, backend) or tools is not None),
        tools=tools,
        tool_loop=tool_loop,
        await_result=await_result,
    )


@with_options(TransformOptions, strategy=DEFAULT_STRATEGY)
async def atransform(
    obj: Any, transformation: str, context: Context, backend: Backend, **options: Unpack[TransformOptions]
) -> tuple[Any, Context]:
    """Change an object, and return what came of it.

    The object itself changes only if the model calls its methods.

    The model may call them where the backend can. By default a second attempt is made if the answer cannot be
    read.

    Args:
        obj: The object: any at all. What is no component is mified with the defaults.
        transformation: What to change, in words.
        context: The conversation that led here.
        backend: What generates.

    Returns:
        The changed object (see ``objects.apply_transform``), and the context with the request and the answer
        added.

    Raises:
        OutputParseError: No attempt gave an answer that the object can read.
        RequirementsNotMetError: With ``strict``, no attempt met every requirement.
        UsageError: The object cannot be changed, or the call cannot be carried out; nothing was sent.
        ProviderError: The provider failed.
    """
    from mellea.stdlib.objects import apply_transform, has_tools, make_transform  # noqa: PLC0415  few programs ask about objects

    action = make_transform(obj, transformation)
    options.setdefault("strategy", DEFAULT_STRATEGY)
    output, after = await _acted(
        action,
        context,
        backend,
        tool_calls=has_tools(action, backend),
        await_result=True,
        warns=False,  # where the answer cannot be read, the error below says so
        **options,
    )
    changed = await apply_transform(action, output)
    warn_of_failure(output)
    return changed, after


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


@with_options(QueryOptions, strategy=DEFAULT_STRATEGY)
def query(
    obj: Any, query: str, context: Context, backend: Backend, **options: Unpack[QueryOptions]
) -> tuple[ModelOutputThunk[Any], Context]:
    """Synchronous twin of ``aquery``; it waits for the answer."""
    return run_sync(aquery(obj, query, context, backend, **waiting(options)))


chat = synchronous(achat)
transform = synchronous(atransform)
explain = synchronous(aexplain)
validate = synchronous(avalidate)
stream_chat = synchronous(astream_chat, starts_only=True)
stream_instruct = synchronous(astream_instruct, starts_only=True)
