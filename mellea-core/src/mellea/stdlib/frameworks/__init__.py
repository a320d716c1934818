"""Frameworks on top of the verbs: agents."""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.stdlib.frameworks.agent_run import AgentRun
    from mellea.stdlib.frameworks.events import (
        AgentEvent,
        AnswerEvent,
        CompactionEvent,
        ThoughtEvent,
        ToolCallEvent,
        ToolResultEvent,
        VerdictsEvent,
    )
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "AgentEvent": "mellea.stdlib.frameworks.events",
            "AgentRun": "mellea.stdlib.frameworks.agent_run",
            "AnswerEvent": "mellea.stdlib.frameworks.events",
            "CompactionEvent": "mellea.stdlib.frameworks.events",
            "ThoughtEvent": "mellea.stdlib.frameworks.events",
            "ToolCallEvent": "mellea.stdlib.frameworks.events",
            "ToolResultEvent": "mellea.stdlib.frameworks.events",
            "VerdictsEvent": "mellea.stdlib.frameworks.events",
        },
    )

__all__ = [
    "AgentEvent",
    "AgentRun",
    "AnswerEvent",
    "CompactionEvent",
    "ThoughtEvent",
    "ToolCallEvent",
    "ToolResultEvent",
    "VerdictsEvent",
]
