"""Calls of tools as the handlers of hooks see them: each begins once, and ends once, whatever happens."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from attrs import evolve

from mellea.core.errors import UsageError
from mellea.core.hook_tasks import to_the_end
from mellea.core.hooks import current_scope, fire_in
from mellea.core.tool_call import ModelToolCall
from mellea.core.tool_message import ToolMessage
from mellea.plugins.manager import is_internal_tool

__all__ = ["ToldInvocation"]


class ToldInvocation:
    """One call of a tool.

    Args:
        call: The call, as the model asks for it.
    """

    def __init__(self, call: ModelToolCall) -> None:
        self._call = call
        self._scope = current_scope()
        self._started = time.perf_counter()
        self._over = True
        self.invocation_id = uuid.uuid4().hex
        self._known = {
            "tool_invocation_id": self.invocation_id,
            "is_control_flow": is_internal_tool(call.name),
        }

    async def begin(self) -> ModelToolCall:
        """Say that the call is about to be looked at, and return what is to be carried out.

        Raises:
            PluginViolationError: A handler stops it.
            HookFailedError: A handler that decides on it has failed.
            UsageError: A handler changes it into something else than a call.
        """
        self._over = False
        changed = await fire_in(self._scope, "tool_pre_invoke", model_tool_call=self._call, **self._known)
        call = changed.get("model_tool_call", self._call)
        if not isinstance(call, ModelToolCall):
            raise UsageError(
                f"A handler of tool_pre_invoke made {call!r} of a call.", hint="Make a call of it."
            )
        self._call = call
        return call

    async def ended(self, message: ToolMessage, as_text: Callable[[Any], str]) -> ToolMessage:
        """Say what the model is going to be told, and return what it is told.

        Args:
            message: The message.
            as_text: Writes a result as the model reads it.
        """
        self._over = True
        error = message.tool_output if message.failed else None
        changed = await fire_in(
            self._scope,
            "tool_post_invoke",
            model_tool_call=self._call,
            tool_output=message.tool_output,
            tool_message=message,
            execution_time_ms=message.seconds * 1000,
            success=not message.failed,
            error=error if isinstance(error, BaseException) else None,
            **self._known,
        )
        if not changed:
            return message
        value = changed["tool_output"]
        return evolve(message, content=as_text(value), tool_output=value, failed=False)

    async def failed(self, error: BaseException) -> None:
        """Say that the call was given up, unless an end was told already. What handlers raise is logged."""
        if self._over:
            return
        self._over = True
        await to_the_end(
            fire_in(
                self._scope,
                "tool_post_invoke",
                model_tool_call=self._call,
                tool_output=error,
                execution_time_ms=(time.perf_counter() - self._started) * 1000,
                error=error,
                **self._known,
            ),
            self._scope.session_id,
        )
