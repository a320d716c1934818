"""The call of a verb as the handlers of hooks see it: it begins once, and ends once, whatever happens."""

from __future__ import annotations

import time
import traceback
import uuid
from typing import Any

from attrs import evolve

from mellea.core.component import Span
from mellea.core.context import Context
from mellea.core.hook_tasks import to_the_end
from mellea.core.hooks import current_scope, fire_in
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib._asked import Asked

__all__ = ["ToldCall"]


class ToldCall:
    """One call of a verb.

    Args:
        action: What is asked.
        context: The conversation that led here.
    """

    def __init__(self, action: Span, context: Context) -> None:
        self.action_id = uuid.uuid4().hex
        self.scope = current_scope().of_request(self.action_id)
        """Who listens to everything that the call leads to."""
        self.after: Context | None = None
        """The conversation with the output, once it is known."""
        self._before = context
        self._options: Any = None
        self.over = False
        """Whether its end was told."""
        self._started = time.perf_counter()
        kind = type(action).__name__
        self._known = {"action_id": self.action_id, "component_type": kind, "action": action}

    async def begin(self, asked: Asked) -> Asked:
        """Say that something is about to be asked, and return how it is to be.

        Raises:
            PluginViolationError: A handler stops the call; its end was told.
            HookFailedError: A handler that decides on it has failed; its end was told.
        """
        config = asked.config
        self._options = config.options
        if not self.scope.listens("component_pre_execute"):
            return asked
        requirements = None if asked.requirements is None else list(asked.requirements)
        try:
            changed = dict(
                await fire_in(
                    self.scope,
                    "component_pre_execute",
                    context_view=self._before.view_for_generation(),
                    requirements=requirements or (),
                    model_options=config.options,
                    format=config.format,
                    strategy=asked.strategy,
                    tool_calls_enabled=config.tool_calls,
                    **self._known,
                )
            )
            asked = evolve(asked, requirements=requirements).changed(changed)
        except BaseException as error:
            await self.failed(error)
            raise
        self._options = asked.config.options
        return asked

    async def ended(self, output: ModelOutputThunk[Any]) -> None:
        """Say that the output is there.

        Raises:
            PluginViolationError: A handler does not let it through.
            HookFailedError: A handler that decides on it has failed.
        """
        self.over = True
        if not self.scope.listens("component_post_success"):
            return
        sampling = output.sampling
        await fire_in(
            self.scope,
            "component_post_success",
            result=output,
            context_before=self._before,
            context_after=self.after,
            generate_log=output.generate_log,
            sampling_results=() if sampling is None else [attempt.output for attempt in sampling.attempts],
            sampling_success=None if sampling is None else sampling.success,
            latency_ms=(time.perf_counter() - self._started) * 1000,
            **self._known,
        )

    async def failed(self, error: BaseException, output: Any = None) -> None:
        """Say that there is none, unless an end was told already. What handlers raise is logged."""
        if self.over:
            return
        self.over = True
        if not self.scope.listens("component_post_error"):
            return
        await to_the_end(
            fire_in(
                self.scope,
                "component_post_error",
                error=error,
                error_type=type(error).__name__,
                stack_trace="".join(traceback.format_exception(error)),
                context=self._before,
                model_options=self._options,
                latency_ms=(time.perf_counter() - self._started) * 1000,
                **self._known,
            ),
            self.scope.session_id,
        )
