"""The verbs with their state made explicit: each takes a context and a backend, and returns a result and a new context.

Each verb is written once, as a coroutine; the synchronous one runs it on the library's loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, cast

from mellea._lazy import lazy_names
from mellea.core.backend import Backend
from mellea.core.blocks import make_image_block
from mellea.core.component import Component, Span, blockify
from mellea.core.context import Context
from mellea.core.errors import UsageError
from mellea.core.event_loop import run_sync
from mellea.core.message import Message, Role
from mellea.core.options import ModelOption, merge_options
from mellea.core.requirement import Requirement, ValidationResult, reqify
from mellea.core.sampling import SamplingResult, SamplingStrategy
from mellea.core.templates import render_text
from mellea.core.thunk import ComputedModelOutputThunk, ModelOutputThunk
from mellea.plugins.suggestions import suggest_backends
from mellea.stdlib._signatures import InstructionParts
from mellea.stdlib.components.instruction import Instruction
from mellea.stdlib.requirements.validate import validate_all
from mellea.stdlib.sampling._by_name import get_strategy
from mellea.stdlib.sampling._request import requirements_of
from mellea.stdlib.sampling.repair import RejectionSamplingStrategy

if TYPE_CHECKING:
    from mellea.stdlib.objects import aquery, atransform, query, transform
else:
    __getattr__, _ = lazy_names(
        __name__, dict.fromkeys(["aquery", "atransform", "query", "transform"], "mellea.stdlib.objects")
    )

__all__ = [
    "DEFAULT_STRATEGY",
    "aact",
    "achat",
    "act",
    "ainstruct",
    "aquery",
    "atransform",
    "avalidate",
    "chat",
    "check_no_strategy",
    "finished",
    "instruct",
    "query",
    "sample",
    "start",
    "transform",
    "user_message",
    "validate",
]

S = TypeVar("S")

DEFAULT_STRATEGY = RejectionSamplingStrategy(loop_budget=2)
"""How instructions are carried out when the call does not say: with a second attempt if the first one fails."""


async def start(
    action: Span | str,
    context: Context,
    backend: Backend,
    *,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
    tool_calls: bool = False,
    stream: bool = False,
) -> tuple[ModelOutputThunk[Any], Context]:
    """Start a generation and return its thunk, on its way, with the context that contains both.

    Args:
        action: What the model is asked.
        context: The conversation that led here.
        backend: What generates.
        format: A pydantic class or JSON schema that the output must fit.
        model_options: Options of this call.
        tool_calls: Whether the model may call tools.
        stream: Whether pieces are wanted as they come; the same as ``ModelOption.STREAM``.

    Raises:
        UsageError: The call cannot be carried out; nothing was sent.
    """
    options = merge_options(model_options, {ModelOption.STREAM: True}) if stream else model_options
    prepared = await context.prepare(backend)
    with suggest_backends():
        return await backend.generate_from_context(
            blockify(action), prepared, format=format, model_options=options, tool_calls=tool_calls
        )


async def sample(
    action: Span | str,
    context: Context,
    backend: Backend,
    *,
    requirements: Iterable[str | Requirement] | None = None,
    strategy: str | SamplingStrategy,
    strict: bool = False,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
    tool_calls: bool = False,
    plugins: Iterable[Any] | None = None,
) -> SamplingResult[Any]:
    """Make attempts until one meets every requirement, as a strategy says.

    Args:
        action: What the model is asked.
        context: The conversation that led here.
        backend: What generates.
        requirements: What the output must respect.
        strategy: How attempts are made, or the name of a strategy.
        strict: Whether it is an error that no attempt meets every requirement.
        format: A pydantic class or JSON schema that the output must fit.
        model_options: Options of this call.
        tool_calls: Whether the model may call tools.
        plugins: Plugins that may provide a strategy of that name; they go before the installed ones.

    Raises:
        RequirementsNotMetError: With ``strict``, no attempt met every requirement.
        BudgetError: The budget ended before the first attempt did.
        ProviderError: The provider failed, and no attempt was a success.
    """
    chosen = get_strategy(strategy, plugins=plugins)
    required = requirements_of(requirements)
    with suggest_backends():
        result = await chosen.sample(
            blockify(action),
            context,
            backend,
            required,
            format=format,
            model_options=model_options,
            tool_calls=tool_calls,
        )
    return result.raise_for_failure() if strict else result


async def aact(
    action: Component[S] | Span | str,
    context: Context,
    backend: Backend,
    *,
    requirements: Iterable[str | Requirement] | None = None,
    strategy: str | SamplingStrategy | None = None,
    return_sampling_results: bool = False,
    strict: bool = False,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
    tool_calls: bool = False,
    await_result: bool = True,
) -> tuple[Any, Context]:
    """Ask the model for one component, block or text.

    Args:
        action: What the model is asked.
        context: The conversation that led here.
        backend: What generates.
        requirements: What the output must respect; needs a strategy.
        strategy: How attempts are made until one meets every requirement, or the name of a strategy; None makes one attempt.
        return_sampling_results: Whether to return every attempt, as a ``SamplingResult``; needs a strategy.
        strict: Whether it is an error that no attempt meets every requirement; needs a strategy.
        format: A pydantic class or JSON schema that the output must fit.
        model_options: Options of this call.
        tool_calls: Whether the model may call tools.
        await_result: Whether to wait for the output; otherwise the thunk is still on its way. A strategy always waits.

    Returns:
        The output, or with ``return_sampling_results`` every attempt; and the context with the action and the output added.

    Raises:
        RequirementsNotMetError: With ``strict``, no attempt met every requirement.
        UsageError: The call cannot be carried out; nothing was sent.
        ProviderError: The provider failed.
    """
    if strategy is None:
        check_no_strategy(requirements, return_sampling_results=return_sampling_results, strict=strict)
        thunk, after = await start(
            action, context, backend, format=format, model_options=model_options, tool_calls=tool_calls
        )
        if await_result:
            await finished(thunk)
        return thunk, after
    result = await sample(
        action,
        context,
        backend,
        requirements=requirements,
        strategy=strategy,
        strict=strict,
        format=format,
        model_options=model_options,
        tool_calls=tool_calls,
    )
    return (result if return_sampling_results else result.result), result.result_ctx


def check_no_strategy(
    requirements: Iterable[str | Requirement] | None, *, return_sampling_results: bool, strict: bool
) -> None:
    """Refuse, for a call without a strategy, what only a strategy can carry out.

    Raises:
        UsageError: There is such a thing.
    """
    asked = {
        "requirements": bool(requirements),
        "return_sampling_results": return_sampling_results,
        "strict": strict,
    }
    for name, given in asked.items():
        if given:
            raise UsageError(
                f"{name} needs a strategy.", hint="Pass strategy=RejectionSamplingStrategy() or another one."
            )


async def finished(thunk: ModelOutputThunk[S]) -> ComputedModelOutputThunk[S]:
    """Wait for an output that nobody else has yet: whoever cancels the wait cancels the generation."""
    try:
        return await thunk.result()
    except BaseException:
        await thunk.cancel_generation()
        raise


async def ainstruct(
    description: str | Span,
    context: Context,
    backend: Backend,
    *,
    strategy: str | SamplingStrategy | None = DEFAULT_STRATEGY,
    return_sampling_results: bool = False,
    strict: bool = False,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
    tool_calls: bool = False,
    await_result: bool = True,
    **parts: Unpack[InstructionParts],
) -> tuple[Any, Context]:
    """Give the model a task. See ``Instruction`` for the parts and ``aact`` for the rest.

    With ``strategy=None`` the requirements are shown to the model and not checked.
    """
    instruction = Instruction(description, **parts)
    return await aact(
        instruction,
        context,
        backend,
        requirements=instruction.requirements if strategy is not None else None,
        strategy=strategy,
        return_sampling_results=return_sampling_results,
        strict=strict,
        format=format,
        model_options=model_options,
        tool_calls=tool_calls,
        await_result=await_result,
    )


async def avalidate(
    reqs: str | Requirement | Iterable[str | Requirement],
    context: Context,
    backend: Backend,
    *,
    output: ModelOutputThunk[Any] | str | None = None,
    input: Span | str | None = None,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
) -> list[ValidationResult]:
    """Return what each requirement says of the last output, or of another one.

    Args:
        reqs: One requirement or several; a model judges those given as text.
        context: The conversation, up to and with the last output.
        backend: Judges.
        output: What to check instead of the last output; it is checked as the answer to the conversation.
        input: What ``output`` answers, if that is not in the conversation.
        format: What the output had to look like.
        model_options: Options of the judging calls.

    Raises:
        UsageError: There is no output, or a requirement is none.
        ProviderError: A judge could not be asked.
    """
    several: Iterable[Any] = (
        reqs if isinstance(reqs, Iterable) and not isinstance(reqs, str | Requirement) else [reqs]
    )
    seen = context if input is None else context.add(blockify(input))
    if output is not None:
        seen = seen.add(ModelOutputThunk(output) if isinstance(output, str) else output)
    required = [reqify(requirement) for requirement in several]
    return await validate_all(
        required, seen, backend, spare_judges=False, format=format, model_options=model_options
    )


def user_message(
    content: str,
    role: Role = "user",
    *,
    images: Iterable[Any] | None = None,
    audio: Iterable[Any] | None = None,
    documents: Iterable[Span | str] | None = None,
    user_variables: Mapping[str, Any] | None = None,
) -> Message:
    """Return the message that ``chat`` sends; with ``user_variables`` the content is a template."""
    for name, value in (("images", images), ("audio", audio), ("documents", documents)):
        if isinstance(value, str):
            raise UsageError(f"{name} is one text.", hint=f"Pass a list: {name}=[...].")
    text = content if user_variables is None else render_text(content, user_variables)
    return Message(
        role,
        text,
        images=[make_image_block(image) for image in images or ()],
        audio=audio,
        documents=[blockify(document) for document in documents or ()],
    )


async def achat(
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
) -> tuple[Message, Context]:
    """Say something to the model and return its answer as an assistant message. See ``aact`` for the rest."""
    message = user_message(
        content, role, images=images, audio=audio, documents=documents, user_variables=user_variables
    )
    thunk, after = await aact(
        message, context, backend, format=format, model_options=model_options, tool_calls=tool_calls
    )
    return cast("Message", thunk.parsed_repr), after


def act(
    action: Component[S] | Span | str, context: Context, backend: Backend, **kwargs: Any
) -> tuple[Any, Context]:
    """Synchronous face of ``aact``."""
    return run_sync(aact(action, context, backend, **kwargs))


def instruct(
    description: str | Span, context: Context, backend: Backend, **kwargs: Any
) -> tuple[Any, Context]:
    """Synchronous face of ``ainstruct``."""
    return run_sync(ainstruct(description, context, backend, **kwargs))


def chat(content: str, context: Context, backend: Backend, **kwargs: Any) -> tuple[Message, Context]:
    """Synchronous face of ``achat``."""
    return run_sync(achat(content, context, backend, **kwargs))


def validate(
    reqs: str | Requirement | Iterable[str | Requirement], context: Context, backend: Backend, **kwargs: Any
) -> list[ValidationResult]:
    """Synchronous face of ``avalidate``."""
    return run_sync(avalidate(reqs, context, backend, **kwargs))
