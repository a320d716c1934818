"""Carrying out the calls of an output, for programs that write the rounds themselves."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from mellea.core.backend import Backend
from mellea.core.errors import MelleaError
from mellea.core.event_loop import synchronous
from mellea.core.half_characters import whole_text
from mellea.core.thunk import ModelOutputThunk
from mellea.core.tool_message import ToolMessage
from mellea.stdlib.tools.run import ToolRunner

__all__ = ["acall_tools", "call_tools"]


async def acall_tools(
    result: ModelOutputThunk[Any], backend: Backend | None = None, runner: ToolRunner | None = None
) -> list[ToolMessage]:
    """Carry out the calls of an output, and return a message for each, in their order.

    The caller adds them to the conversation. Of a tool that raises, the message has the exception and its
    text.

    Args:
        result: The output.
        backend: What renders results that are components, and what typed functions among the tools ask.
        runner: How the calls are carried out; by default with the bounds of ``ToolRunner``.
    """
    messages = await (runner or ToolRunner()).run(result.tool_calls or (), backend=backend)
    return [_with_own_words(message) for message in messages]


def _with_own_words(message: ToolMessage) -> ToolMessage:
    error = message.tool_output
    is_own = message.failed and isinstance(error, Exception) and not isinstance(error, MelleaError)
    return evolve(message, content=whole_text(str(error))) if is_own and str(error) else message


call_tools = synchronous(acall_tools)


_call_tools, _acall_tools = call_tools, acall_tools
"""The names under which programs of the 0.8 line know them, in ``mellea.stdlib.functional``."""
