"""What a reader of an agent's run is told, as frozen values."""

from __future__ import annotations

import time
from typing import Any

from attrs import field, frozen

from mellea.core.requirement import ValidationResult
from mellea.core.thunk import ModelOutputThunk
from mellea.core.tool_call import ModelToolCall
from mellea.core.tool_message import ToolMessage

__all__ = [
    "AgentEvent",
    "AnswerEvent",
    "CompactionEvent",
    "ThoughtEvent",
    "ToolCallEvent",
    "ToolResultEvent",
    "VerdictsEvent",
]


@frozen(kw_only=True)
class AgentEvent:
    """Something that happened in the run of an agent.

    Args:
        turn: The turn, from 1.
        timestamp: When, in seconds since the epoch.
    """

    turn: int
    timestamp: float = field(factory=time.time, eq=False, repr=False)


@frozen
class ThoughtEvent(AgentEvent):
    """What the model says beside its calls.

    Args:
        text: Its words, or its reasoning where it says nothing else.
    """

    text: str


@frozen
class ToolCallEvent(AgentEvent):
    """A call that the model asks for, before it is looked at and carried out.

    Args:
        call: The call.
    """

    call: ModelToolCall


@frozen
class ToolResultEvent(AgentEvent):
    """What came of a call: a result, a failure, or that it was not allowed.

    Args:
        message: What the model is told of it; the result itself is its ``tool_output``.
    """

    message: ToolMessage


@frozen
class AnswerEvent(AgentEvent):
    """An answer, before its requirements are checked.

    Args:
        output: The answer.
    """

    output: ModelOutputThunk[Any]


@frozen
class VerdictsEvent(AgentEvent):
    """What the requirements say of an answer. The run is over when it is accepted.

    Args:
        accepted: Whether every one of them is met; if not, the model is told why, and goes on.
        results: What each requirement says, in their order.
        reasons: What is wrong with the answer.
    """

    accepted: bool
    results: tuple[ValidationResult, ...]
    reasons: tuple[str, ...] = ()


@frozen
class CompactionEvent(AgentEvent):
    """The conversation was made shorter.

    Args:
        before: How many spans it had.
        after: How many it has.
    """

    before: int
    after: int
