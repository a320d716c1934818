"""Conversations read out of a context."""

from __future__ import annotations

from mellea._lazy import names_of_old
from mellea.core.context import Context
from mellea.core.errors import UsageError
from mellea.core.formatter import ChatFormatter
from mellea.core.message import Message
from mellea.core.templates import TemplateFormatter
from mellea.core.thunk import ModelOutputThunk

__all__ = ["Message", "as_chat_history", "as_generic_chat_history"]

__getattr__ = names_of_old(__name__)


def as_chat_history(ctx: Context) -> list[Message]:
    """Return the messages of a context, outputs as the assistant messages they were parsed to.

    Raises:
        UsageError: The context holds something that is no message.
    """
    messages = []
    for span in ctx.as_list():
        meant = span.parsed_repr if isinstance(span, ModelOutputThunk) else span
        if not isinstance(meant, Message):
            raise UsageError(
                f"The context holds {type(meant).__name__}, which is no message.",
                hint="Use as_generic_chat_history, which turns anything into messages.",
            )
        messages.append(meant)
    return messages


def as_generic_chat_history(ctx: Context, formatter: ChatFormatter | None = None) -> list[Message]:
    """Return a context as messages, whatever it holds.

    Rendered by ``formatter``, by default one with our templates.
    """
    return (formatter or TemplateFormatter()).to_chat_messages(ctx.as_list())
