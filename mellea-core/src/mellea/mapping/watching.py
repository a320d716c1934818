"""What the calls of a row come to: their attempts and verdicts, as the hooks of calls tell them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any

from mellea.core.errors import GenerationCancelledError
from mellea.core.sampling import SamplingResult
from mellea.core.setting import Setting
from mellea.evaluation.outcomes import Verdict
from mellea.history.telling import begun_of, chosen_of, is_outermost, seconds_of
from mellea.mapping.answers import Sink
from mellea.plugins import HookContext, HookType, Plugin, PluginMode, hook

__all__ = ["RowCalls", "Watcher", "watched"]


class RowCalls:
    """The calls of a row.

    Args:
        row: What names the row.
        sink: What keeps them.
    """

    def __init__(self, row: bytes, sink: Sink) -> None:
        self.row, self.sink = row, sink
        self.attempts = 0
        """How many attempts were made."""
        self.verdicts: list[Verdict] = []
        """What became of each requirement, of the attempts that were chosen."""

    def take(self, result: SamplingResult[Any]) -> list[dict[str, Any]]:
        """Take a call's attempts in, and return them as JSON values."""
        told = [attempt.told() for attempt in result.attempts]
        self.attempts += len(told)
        if told:
            chosen = told[result.result_index]["requirements"]
            self.verdicts += [
                Verdict(one["requirement"], bool(one["met"]), one["reason"], one["score"]) for one in chosen
            ]
        return told


_row: ContextVar[RowCalls | None] = ContextVar("mellea_mapped_row", default=None)


def watched(calls: RowCalls) -> AbstractContextManager[None]:
    """Count the calls of a block among a row's."""
    return Setting(_row, calls)


class Watcher(Plugin, name="mapping"):
    """Looks on as calls end, and tells the row whose they are."""

    @hook(HookType.COMPONENT_POST_SUCCESS, mode=PluginMode.AUDIT)
    def end_call(self, payload: Any, ctx: HookContext) -> Awaitable[None] | None:
        """Take a call that has an answer."""
        row, output = _row.get(), payload.result
        if row is None or not is_outermost(payload):
            return None
        result = None if output is None else output.sampling
        ended = {"outcome": "answered"} if result is None else chosen_of(result)
        if result is None:
            row.attempts += 1
        return row.sink.keep_call(
            {
                **_named(row, payload),
                "ended": {"seconds": seconds_of(payload), **ended},
                "attempts": [] if result is None else row.take(result),
                "answer": None if output is None else output.text,
            }
        )

    @hook(HookType.COMPONENT_POST_ERROR, mode=PluginMode.AUDIT)
    def fail_call(self, payload: Any, ctx: HookContext) -> Awaitable[None] | None:
        """Take a call that has failed."""
        row, error = _row.get(), payload.error
        if row is None or not is_outermost(payload):
            return None
        result = getattr(error, "result", None)
        cancelled = isinstance(error, asyncio.CancelledError | GenerationCancelledError)
        ended = chosen_of(result) if isinstance(result, SamplingResult) else {}
        ended |= {"outcome": "cancelled" if cancelled else "error", "seconds": seconds_of(payload)}
        return row.sink.keep_call(
            {
                **_named(row, payload),
                "ended": {**ended, "error": f"{type(error).__name__}: {error}"},
                "attempts": row.take(result) if isinstance(result, SamplingResult) else [],
                "answer": None,
            }
        )


def _named(row: RowCalls, payload: Any) -> dict[str, Any]:
    return {"row": row.row, "call": payload.request_id, "begun": begun_of(payload)}
