"""A conversation of the sampling loop's own."""

from __future__ import annotations

from mellea.stdlib.context.chat import ChatContext

__all__ = ["RepairConversation"]


class RepairConversation(ChatContext):
    """A conversation of the loop's own, beside a context that shows the model nothing of what was said.

    An attempt made in it is handed on as if it had answered the call's action in the call's context.
    """
