"""A checked stream as the handlers of hooks see it: it begins once, and ends once, whatever happens."""

from __future__ import annotations

from typing import Any

from mellea.core.hook_tasks import to_the_end
from mellea.core.hooks import current_scope, fire_in
from mellea.stdlib.streaming._attempts import StreamAttempts, StreamRequest, reason_of
from mellea.stdlib.streaming.events import StreamEvent

__all__ = ["ToldStream"]


class ToldStream:
    """One stream.

    Args:
        streaming_id: Its name.
        plan: What was asked for.
    """

    def __init__(self, streaming_id: str, plan: StreamRequest) -> None:
        self.scope = current_scope().of_request(streaming_id)
        """Who listens to everything that the stream leads to."""
        self.streaming_id = streaming_id
        self._plan = plan
        self._over = False

    async def begin(self) -> None:
        """Say that the stream is about to begin.

        Raises:
            PluginViolationError: A handler stops it; its end was told.
            HookFailedError: A handler that decides on it has failed; its end was told.
        """
        requirements, chunking = self._plan.call.requirements, self._plan.chunking
        try:
            await fire_in(
                self.scope,
                "streaming_start",
                streaming_id=self.streaming_id,
                has_requirements=bool(requirements),
                requirement_count=len(requirements),
                chunking_strategy=None if chunking is None else type(chunking).__name__,
            )
        except BaseException as error:
            await self.failed(error)
            raise

    async def event(self, event: StreamEvent) -> None:
        """Say what happens, before the reader gets it.

        Raises:
            PluginViolationError: A handler stops the stream.
            HookFailedError: A handler that decides on it has failed.
        """
        await fire_in(
            self.scope,
            "streaming_event",
            streaming_id=self.streaming_id,
            event=event,
            requirements=self._plan.call.requirements,
        )

    async def ended(self, run: StreamAttempts) -> None:
        """Say how the stream came to its end."""
        last = run.attempts[-1]
        self._over = True
        reason = None if last.success else reason_of(last)
        await fire_in(
            self.scope, "streaming_end", success=last.success, failure_reason=reason, **self._known(run)
        )

    async def failed(self, error: BaseException, run: StreamAttempts | None = None) -> None:
        """Say that it did not, unless an end was told already. What handlers raise is logged."""
        if self._over:
            return
        self._over = True
        reason = str(error) or type(error).__name__
        await to_the_end(
            fire_in(self.scope, "streaming_end", failure_reason=reason, exception=error, **self._known(run)),
            self.scope.session_id,
        )

    def _known(self, run: StreamAttempts | None) -> dict[str, Any]:
        backend = self._plan.call.backend
        return {
            "streaming_id": self.streaming_id,
            "model": backend.model_id,
            "provider": backend.provider,
            "full_text_length": 0 if run is None else len(run.text),
        }
