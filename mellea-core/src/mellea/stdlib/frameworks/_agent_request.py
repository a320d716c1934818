"""What an agent was asked for, what each turn may call, and how an answer is read."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from attrs import evolve, frozen

from mellea.core.component import Span
from mellea.core.context import Context
from mellea.core.errors import OutputParseError, ToolArgumentsError
from mellea.core.generate_config import GenerateConfig
from mellea.core.options import ModelOption
from mellea.core.response import Usage, as_usage, total_usage
from mellea.core.schema import OutputSchema
from mellea.core.thunk import ModelOutputThunk
from mellea.core.tool import Tool
from mellea.core.tool_call import ModelToolCall
from mellea.core.tool_message import ToolMessage
from mellea.core.tool_offer import AUTO, REQUIRED
from mellea.stdlib.components.react import MELLEA_FINALIZER_TOOL
from mellea.stdlib.context.compactor import Compactor, InlineCompactor
from mellea.stdlib.sampling._request import SamplingRequest
from mellea.stdlib.tools.run import ToolRunner

__all__ = ["AgentRequest", "read_answer", "refused"]


@frozen
class AgentRequest:
    """What an agent was asked for.

    Args:
        call: The goal, the conversation, and how turns are generated, as strategies have it.
        tools: What may be called, by name, ``final_answer`` among it.
        format: What the answer has to look like, as the caller says it.
        schema: The same as a schema; None for any text.
        runner: How calls are carried out.
        rounds: After how many rounds of tools the model is made to answer; None leaves that to the budget.
        compactor: What makes the conversation shorter between turns.
        constrains: Whether the model is held to a schema in order to call, so that each turn can be a call.
        forces: Whether a call can be forced.
    """

    call: SamplingRequest
    tools: Mapping[str, Tool]
    format: Any
    schema: OutputSchema | None
    runner: ToolRunner
    rounds: int | None
    compactor: Compactor | InlineCompactor | None
    constrains: bool
    forces: bool

    def choice(self, turns: int, rounds: int, *, idle: bool) -> str | None:
        """Return what has to be called next; None leaves that to the options of the call.

        Args:
            turns: How many turns there were.
            rounds: How many of them carried calls out.
            idle: Whether nothing was called in the last one.
        """
        spending, options = self.call.spending, self.call.options
        if self.forces:
            is_last = spending.budget.attempts is not None and spending.attempts >= spending.budget.attempts
            if is_last or (self.rounds is not None and rounds >= self.rounds):
                return MELLEA_FINALIZER_TOOL
            if idle:
                return REQUIRED
        if not turns and ModelOption.TOOL_CHOICE in options:
            return None
        if self.forces and self.constrains:
            return REQUIRED
        return AUTO if ModelOption.TOOL_CHOICE in options else None


Ask: TypeAlias = "Callable[[Span, Context, GenerateConfig], Awaitable[tuple[ModelOutputThunk[Any], Context]]]"
"""Generates one output, complete, and gives the conversation with it."""


async def read_answer(
    plan: AgentRequest,
    ask: Ask,
    asked: ModelOutputThunk[Any],
    after: Context,
    call: ModelToolCall,
    given: Any,
) -> tuple[ModelOutputThunk[Any], Usage | None]:
    """Return an answer as an output, and what it cost.

    What does not fit the format is written once more, in the format.

    Args:
        plan: What was asked for.
        ask: Generates.
        asked: The output that calls ``final_answer``.
        after: The conversation with it.
        call: The call.
        given: The answer as it stands in the call.
    """
    text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    output: ModelOutputThunk[Any] = asked.with_text(text)
    output.tool_calls = None
    spent = as_usage(asked.generation.usage)
    if plan.schema is not None:
        output = output.with_format(plan.schema)
        if not _fits(output):
            config = evolve(plan.call.config, format=plan.format, tool_calls=False)
            wanted = refused(asked, call, "Now write the same answer in the form that is asked for.")
            output, _ = await ask(wanted, after, config)
            spent = total_usage([spent, as_usage(output.generation.usage)])
    output.read_by(plan.call.action)  # type: ignore[arg-type]  # the goal is a component
    return output, spent


def _fits(output: ModelOutputThunk[Any]) -> bool:
    try:
        output.parsed  # noqa: B018  reading it parses
    except OutputParseError:
        return False
    return True


def refused(asked: ModelOutputThunk[Any], call: ModelToolCall, why: str) -> ToolMessage:
    """Return the message for a call that is not carried out.

    It may quote what the model wrote, and so comes from all that the model had read.
    """
    error = ToolArgumentsError(why)
    return ToolMessage("tool", why, error, call.name, call.args, call, failed=True, sources=asked.sources)
