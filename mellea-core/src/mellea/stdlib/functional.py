"""The verbs with their state made explicit: each takes a context and a backend, and returns a result and a new context.

Each verb is written once, as a coroutine; the synchronous one runs it on the library's loop.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, cast

from mellea.core.backend import Backend
from mellea.core.blocks import make_image_block
from mellea.core.component import Component, Span, blockify
from mellea.core.context import Context
from mellea.core.errors import CapabilityError, UsageError
from mellea.core.loop import run_sync
from mellea.core.message import Message, Role
from mellea.core.options import ModelOption, merge_options
from mellea.core.templates import render_text
from mellea.core.thunk import ComputedModelOutputThunk, ModelOutputThunk
from mellea.plugins.manager import registry
from mellea.stdlib.components.instruction import Instruction

__all__ = ["aact", "achat", "act", "ainstruct", "chat", "finished", "instruct", "start", "user_message"]

S = TypeVar("S")


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
    try:
        return await backend.generate_from_context(
            blockify(action), prepared, format=format, model_options=options, tool_calls=tool_calls
        )
    except CapabilityError as error:
        raise _with_alternatives(error) from None


def _with_alternatives(error: CapabilityError) -> CapabilityError:
    """Return the error with the installed backends that declare what is missing."""
    if error.hint:
        return error
    rows = registry().listing("backend")
    able = sorted({row.name for row in rows if row.status == "ok" and error.missing in row.capabilities})
    names = f"Installed backends that declare it: {', '.join(able)}." if able else "No installed backend declares it."
    return CapabilityError(error.message, hint=names, missing=error.missing, backend=error.backend, model_id=error.model_id)


async def aact(
    action: Component[S] | Span | str,
    context: Context,
    backend: Backend,
    *,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
    tool_calls: bool = False,
    await_result: bool = True,
) -> tuple[ModelOutputThunk[Any], Context]:
    """Ask the model for one component, block or text.

    Args:
        action: What the model is asked.
        context: The conversation that led here.
        backend: What generates.
        format: A pydantic class or JSON schema that the output must fit.
        model_options: Options of this call.
        tool_calls: Whether the model may call tools.
        await_result: Whether to wait for the output; otherwise the thunk is still on its way.

    Returns:
        The output, and the context with the action and the output added.

    Raises:
        UsageError: The call cannot be carried out; nothing was sent.
        ProviderError: The provider failed.
    """
    thunk, after = await start(action, context, backend, format=format, model_options=model_options, tool_calls=tool_calls)
    if await_result:
        await finished(thunk)
    return thunk, after


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
    images: Iterable[Any] | None = None,
    audio: Iterable[Any] | None = None,
    requirements: Iterable[str | Span] | None = None,
    icl_examples: Iterable[str | Span] | None = None,
    grounding_context: Mapping[str, str | Span] | None = None,
    user_variables: Mapping[str, Any] | None = None,
    prefix: str | Span | None = None,
    output_prefix: str | Span | None = None,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
    tool_calls: bool = False,
    await_result: bool = True,
) -> tuple[ModelOutputThunk[Any], Context]:
    """Give the model a task. See ``Instruction`` for the parts and ``aact`` for the rest."""
    instruction = Instruction(
        description, requirements, icl_examples, grounding_context, user_variables, prefix, output_prefix, images, audio
    )
    return await aact(
        instruction,
        context,
        backend,
        format=format,
        model_options=model_options,
        tool_calls=tool_calls,
        await_result=await_result,
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
    message = user_message(content, role, images=images, audio=audio, documents=documents, user_variables=user_variables)
    thunk, after = await aact(message, context, backend, format=format, model_options=model_options, tool_calls=tool_calls)
    return cast("Message", thunk.parsed_repr), after


def act(
    action: Component[S] | Span | str, context: Context, backend: Backend, **kwargs: Any
) -> tuple[ModelOutputThunk[Any], Context]:
    """Synchronous face of ``aact``."""
    return run_sync(aact(action, context, backend, **kwargs))


def instruct(description: str | Span, context: Context, backend: Backend, **kwargs: Any) -> tuple[ModelOutputThunk[Any], Context]:
    """Synchronous face of ``ainstruct``."""
    return run_sync(ainstruct(description, context, backend, **kwargs))


def chat(content: str, context: Context, backend: Backend, **kwargs: Any) -> tuple[Message, Context]:
    """Synchronous face of ``achat``."""
    return run_sync(achat(content, context, backend, **kwargs))
