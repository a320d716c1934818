"""Tools: functions that a model may call, and what carries the calls out."""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.core.tool import AbstractMelleaTool, Tool
    from mellea.core.tool_message import ToolMessage
    from mellea.stdlib.tools.mellea_tool import MelleaTool, as_tools, tool
    from mellea.stdlib.tools.run import ToolRunner

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "AbstractMelleaTool": "mellea.core.tool",
        "MelleaTool": "mellea.stdlib.tools.mellea_tool",
        "Tool": "mellea.core.tool",
        "ToolMessage": "mellea.core.tool_message",
        "ToolRunner": "mellea.stdlib.tools.run",
        "as_tools": "mellea.stdlib.tools.mellea_tool",
        "tool": "mellea.stdlib.tools.mellea_tool",
    },
)

__all__ = ["AbstractMelleaTool", "MelleaTool", "Tool", "ToolMessage", "ToolRunner", "as_tools", "tool"]
