"""Payloads of the hooks of checked streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from attrs import frozen

from mellea.core.hook_names import HookName
from mellea.core.hook_payloads.base import MelleaBasePayload, list_field

if TYPE_CHECKING:
    from mellea.core.requirement import Requirement

__all__ = ["StreamingEndPayload", "StreamingEventPayload", "StreamingStartPayload"]


@frozen(kw_only=True)
class StreamingStartPayload(MelleaBasePayload):
    """A checked stream is about to begin.

    Args:
        streaming_id: The stream; the same in everything that follows.
        has_requirements: Whether anything is checked.
        requirement_count: How many requirements there are.
        chunking_strategy: Where the text is cut.
    """

    hook: ClassVar[HookName] = "streaming_start"

    streaming_id: str = ""
    has_requirements: bool = False
    requirement_count: int = 0
    chunking_strategy: str | None = None


@frozen(kw_only=True)
class StreamingEventPayload(MelleaBasePayload):
    """Something happens in a stream.

    Args:
        streaming_id: The stream.
        event: The event, as the reader gets it.
        requirements: What the text has to meet.
    """

    hook: ClassVar[HookName] = "streaming_event"

    streaming_id: str = ""
    event: Any = None
    requirements: Sequence[Requirement] = list_field()


@frozen(kw_only=True)
class StreamingEndPayload(MelleaBasePayload):
    """A stream is over: complete, failed, stopped or left.

    Args:
        streaming_id: The stream.
        success: Whether the text meets every requirement.
        failure_reason: What it lacks.
        exception: What ends it, if that is an error.
        model: The model.
        provider: The provider.
        full_text_length: Characters of the text.
    """

    hook: ClassVar[HookName] = "streaming_end"

    streaming_id: str = ""
    success: bool = False
    failure_reason: str | None = None
    exception: BaseException | None = None
    model: str | None = None
    provider: str | None = None
    full_text_length: int = 0
