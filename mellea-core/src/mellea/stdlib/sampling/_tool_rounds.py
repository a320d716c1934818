"""Rounds of tools within one attempt: the model calls, the calls are carried out, the model goes on."""

from __future__ import annotations

import time
from typing import Any

from attrs import evolve

from mellea.core.context import Context
from mellea.core.errors import UsageError
from mellea.core.generation import parser_of
from mellea.core.options import ModelOption
from mellea.core.response import Usage, as_usage
from mellea.core.sampling import Attempt
from mellea.core.thunk import ModelOutputThunk
from mellea.core.tool_offer import AUTO, NONE
from mellea.stdlib.sampling._attempt import AttemptStart
from mellea.stdlib.sampling._repair_conversation import RepairConversation
from mellea.stdlib.sampling._request import SamplingRequest
from mellea.stdlib.tools._results import READ_RESULT, Pages
from mellea.stdlib.tools.mellea_tool import as_tools
from mellea.stdlib.tools.run import ToolRunner

__all__ = ["ToolRounds", "runner_of"]


def runner_of(call: SamplingRequest) -> ToolRunner | None:
    """Return what carries out the calls of a call's answers; None where they are left to the caller.

    Raises:
        UsageError: The option says something else.
    """
    given = call.options.get(ModelOption.TOOL_LOOP)
    if not given or not call.tool_calls:
        return None
    if given is True:
        return ToolRunner()
    if not isinstance(given, ToolRunner):
        raise UsageError(f"tool_loop is {given!r}.", hint="Pass True, False, or a ToolRunner.")
    return given


class ToolRounds:
    """The rounds of one attempt.

    Args:
        call: What the strategy was asked for.
        begun: The attempt as it begins.
        runner: Carries out the calls.
    """

    def __init__(self, call: SamplingRequest, begun: AttemptStart, runner: ToolRunner) -> None:
        self.call = call
        self.begun = begun
        self._first = begun
        self._runner = runner
        self._pages = Pages()
        self._made = 0

    def goes_on(self, output: ModelOutputThunk[Any]) -> bool:
        """Tell whether an output calls tools that are now to be carried out."""
        return bool(output.asked_calls) and self._made < self._runner.rounds

    async def carry_out(self, output: ModelOutputThunk[Any], after: Context) -> Attempt[Any]:
        """Carry out the calls of an output, and return the round as an attempt.

        ``call`` and ``begun`` are then those of the next round.
        """
        self._made += 1
        asked = output.asked_calls
        output.tool_calls = list(asked)
        with self.call.spending.paying():
            messages = await self._runner.run(asked, backend=self.call.backend, pages=self._pages)
        ctx = _shown(self.begun, after)
        for message in messages[:-1]:
            ctx = ctx.add(message)
        seconds = time.perf_counter() - self.begun.started
        attempt = Attempt(
            self.begun.action,
            after,
            output,
            lane=self.begun.lane,
            round=self.begun.round,
            seconds=seconds,
            seed=self.call.seed_for(self.begun.lane, self.begun.round),
            started=time.time() - seconds,
            strategy=self.call.strategy,
            sent=output.sent,
            tool_results=tuple(messages),
            usage=as_usage(output.generation.usage) or Usage(),
        )
        self.begun = evolve(self.begun, action=messages[-1], context=ctx, started=time.perf_counter())
        self.call = evolve(self.call, config=self.call.config.under(self._options()))
        return attempt

    def _options(self) -> dict[str, Any]:
        """Return what changes for the next round."""
        # A choice that forces a call is met by the first one; forced again, the model could never answer.
        options: dict[str, Any] = {
            ModelOption.TOOL_CHOICE: NONE if self._made >= self._runner.rounds else AUTO
        }
        if self._pages.results:
            tools = as_tools(self.call.options.get(ModelOption.TOOLS))
            options[ModelOption.TOOLS] = {**tools, READ_RESULT: self._pages.tool()}
        return options

    def finished(self, output: ModelOutputThunk[Any]) -> AttemptStart:
        """Return the attempt as what asked for its last output: that is read by what was asked at first.

        Its context holds the calls and their results, so that a repair needs no tool again.
        """
        if self._made == 0:
            return self._first
        output.read_by(parser_of(self._first.action))
        return evolve(self._first, context=self.begun.context.add(self.begun.action))


def _shown(begun: AttemptStart, after: Context) -> Context:
    """Return the conversation to go on with: that with the output, where it is shown.

    Else it is one of its own.
    """
    shown = after.view_for_generation() or []
    if any(span is after.node_data for span in reversed(shown)):
        return after
    aside: Context = RepairConversation()
    for span in [*(begun.context.view_for_generation() or []), *after.as_list(2)]:
        aside = aside.add(span)
    return aside
