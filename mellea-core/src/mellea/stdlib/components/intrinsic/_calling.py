"""Asking an adapter about a conversation, and reading what it says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mellea.core.adapter_action import Intrinsic, likelihood_in, unwrapped
from mellea.core.component import Span, blockify
from mellea.core.context import Context
from mellea.core.document import Document
from mellea.core.errors import UsageError
from mellea.core.event_loop import run_sync
from mellea.core.generate_config import GenerateConfig
from mellea.core.message import Message
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib._generate import start_generation

if TYPE_CHECKING:
    from mellea.core.backend import Backend

__all__ = ["aanswer", "answer", "as_documents", "likelihood", "said_last"]


async def aanswer(
    name: str,
    context: Context,
    backend: Backend,
    model_options: Mapping[str, Any] | None = None,
    **arguments: Any,
) -> ModelOutputThunk[Any]:
    """Return what an adapter says, asked once.

    Args:
        name: The adapter.
        context: The conversation.
        backend: What has the adapter.
        model_options: Options of the call.
        arguments: The variables of its prompt; those that are None are left out.

    Raises:
        CapabilityError: The backend takes no adapters.
        UsageError: It has none of that name; nothing was sent.
    """
    given = {key: value for key, value in arguments.items() if value is not None}
    config = GenerateConfig(None, model_options)
    thunk, _ = await start_generation(Intrinsic(name, given), context, backend, config)
    return await thunk.result()


def answer(name: str, context: Context, backend: Backend, model_options: Any = None, **arguments: Any) -> Any:
    """Return what an adapter says, read, and out of objects that hold one value each."""
    return unwrapped(run_sync(aanswer(name, context, backend, model_options, **arguments)).parsed)


def likelihood(
    name: str, context: Context, backend: Backend, model_options: Any = None, **arguments: Any
) -> float:
    """Return the number from 0 to 1 that an adapter says.

    Raises:
        AdapterSchemaMismatchError: It says something else.
    """
    return likelihood_in(name, answer(name, context, backend, model_options, **arguments))


def said_last(context: Context, role: str) -> str:
    """Return what a role said last.

    Raises:
        UsageError: It said nothing.
    """
    for span in context.newest_first():
        if isinstance(span, ModelOutputThunk) and role == "assistant":
            return str(span)
        if isinstance(span, Message) and span.role == role:
            return span.content
    raise UsageError(
        f"The conversation holds no message of the {role}.", hint="Pass the text, or a longer context."
    )


def as_documents(documents: Iterable[str | Span] | None) -> list[Span] | None:
    """Return texts and documents as documents."""
    if documents is None:
        return None
    return [Document(one) if isinstance(one, str) else blockify(one) for one in documents]
