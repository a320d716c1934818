"""Conversations read out of a context."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, get_args

from attrs import evolve

from mellea.core.blocks import CBlock
from mellea.core.component import Span, TemplateRepresentation, is_component
from mellea.core.context import Context
from mellea.core.errors import UsageError
from mellea.core.formatter import ChatFormatter
from mellea.core.message import Message, Role
from mellea.core.reading import read_from
from mellea.core.sources import UNKNOWN
from mellea.core.templates import TemplateFormatter
from mellea.core.thunk import ModelOutputThunk
from mellea.core.tool_message import ToolMessage

__all__ = ["Message", "ToolMessage", "as_chat_history", "as_generic_chat_history"]


_log = logging.getLogger("mellea.components")


class _NoMessageError(UsageError, AssertionError):
    pass


def as_chat_history(ctx: Context) -> list[Message]:
    """Return the messages of a context, outputs as the assistant messages they were parsed to.

    Raises:
        UsageError: (also an AssertionError) The context holds something that is no message.
    """
    messages = []
    for span in ctx.as_list():
        meant = span.parsed_repr if isinstance(span, ModelOutputThunk) else span
        if not isinstance(meant, Message):
            raise _NoMessageError(
                f"The context holds {type(meant).__name__}, which is no message.",
                hint="Use as_generic_chat_history, which turns anything into messages.",
            )
        messages.append(meant)
    return messages


def as_generic_chat_history(
    ctx: Context, formatter: ChatFormatter | Callable[[Any], str] | None = None
) -> list[Message]:
    """Return a context as messages, whatever it holds; it never fails because of that.

    Args:
        ctx: The context.
        formatter: Gives the text of what is neither a message nor plain text: a formatter, or a function. By
            default components are rendered with our templates, and of all else ``str`` is taken, with a
            warning in the log.
    """
    if formatter is None or callable(formatter):
        return [_marked(_message(span, formatter), span) for span in ctx.as_list()]
    return formatter.to_chat_messages(ctx.as_list())


def _marked(message: Message, span: Span) -> Message:
    """Return the message of a span as what comes from where that does."""
    if message is span or message.sources is not None:
        return message
    sources = UNKNOWN
    with suppress(Exception):  # what cannot be asked for its parts comes from nobody knows where
        sources = read_from([span])
    return evolve(message, sources=sources)


def _message(span: Any, text_of: Callable[[Any], str] | None) -> Message:
    role = "user"
    if isinstance(span, ModelOutputThunk):
        role, meant = "assistant", _meaning(span)
        if isinstance(meant, Message):
            return meant
        span = span.value or "" if meant is None or isinstance(meant, str) else meant
    if isinstance(span, Message):
        return span
    if isinstance(span, str) or type(span) is CBlock:
        return Message(role, str(span))
    return _converted(span, role, text_of)


def _converted(span: Any, role: str, text_of: Callable[[Any], str] | None) -> Message:
    """Return what is neither a message nor plain text as a message."""
    shown: Any = None
    with suppress(Exception):  # a component that cannot be rendered is shown by its own text
        shown = span.format_for_llm() if is_component(span) else None
    if isinstance(shown, TemplateRepresentation) and shown.role in get_args(Role):
        role = str(shown.role)
    if text_of is not None:
        with suppress(Exception):
            return Message(role, str(text_of(span)))
    if shown is not None:
        with suppress(Exception):
            (rendered,) = TemplateFormatter().to_chat_messages([span])
            return Message(role, rendered.content, images=rendered.images, audio=rendered.audio)
    else:
        _log.warning("Unknown component type %s in a context; its str() is shown.", type(span).__name__)
    try:
        return Message(role, str(span))
    except Exception:  # noqa: BLE001  whatever it is, it must not keep the others from being shown
        return Message(role, f"<{type(span).__name__}>")


def _meaning(thunk: ModelOutputThunk[Any]) -> Any:
    with suppress(Exception):
        return thunk.parsed_repr
    return None
