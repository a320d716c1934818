"""What a session remembers while calls overlap, fail, and end in any order."""

from __future__ import annotations

import asyncio
import threading
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any

from attrs import frozen

from mellea.core.component import Span
from mellea.core.context import Context
from mellea.core.errors import GenerationCancelledError
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib._generate import wait_or_cancel

__all__ = ["History", "TurnStart"]


@frozen
class TurnStart:
    """Where a turn began: the context then, and how often the context had been replaced."""

    ctx: Context
    epoch: int


@frozen
class _Open:
    """A turn that was remembered before its output was complete."""

    before: Context
    after: Context
    spans: list[Span]
    thunk: ModelOutputThunk[Any]


class _Interruptible:
    """A block of work that can be ended from outside, in the task of whoever asked for it."""

    def __init__(self, running: set[_Interruptible]) -> None:
        task = asyncio.current_task()
        assert task is not None, "a verb runs in a task"  # noqa: S101  asyncio runs coroutines in tasks
        self._task = task
        self._cancelled_before = task.cancelling()
        self._running = running
        self._under_way = True
        self._interrupted = False

    def __enter__(self) -> None:
        self._running.add(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._under_way = False
        self._running.discard(self)
        if not self._interrupted:
            return
        others_cancel_it = self._task.uncancel() > self._cancelled_before
        if isinstance(error, asyncio.CancelledError) and not others_cancel_it:
            raise GenerationCancelledError(
                "The session was closed meanwhile.", hint="Start another one."
            ) from None

    def interrupt(self) -> None:
        """End the work, from any thread."""
        loop = self._task.get_loop()
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._under_way:
            self._interrupted = True
            self._task.cancel()


class History:
    """The context of one session. Safe to use from several threads."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.last: ModelOutputThunk[Any] | None = None
        self.turns = 0
        """How many turns were remembered."""
        self._epoch = 0
        self._lock = threading.RLock()
        self._open: list[_Open] = []
        self._watched: dict[int, ModelOutputThunk[Any]] = {}
        self._running: set[_Interruptible] = set()

    def replace(self, ctx: Context) -> None:
        """Forget the context for another one; turns under way will not be added."""
        with self._lock:
            self.ctx = ctx
            self._epoch += 1
            self._open.clear()

    def begin(self) -> TurnStart:
        """Begin a turn."""
        with self._lock:
            return TurnStart(self.ctx, self._epoch)

    def commit(self, begun: TurnStart, after: Context, thunk: ModelOutputThunk[Any]) -> None:
        """Remember a turn. If another turn was added meanwhile, this one is added after it."""
        with self._lock:
            self._open = [turn for turn in self._open if not turn.thunk.is_computed()]
            if self._epoch != begun.epoch or thunk.error is not None:
                return
            before = self.ctx
            self.ctx = after if before is begun.ctx else _add_all(before, _new_spans(begun.ctx, after))
            if self.last is not None:
                self.last.release_prompt()
            self.last = thunk
            self.turns += 1
            if not thunk.is_computed():
                self._open.append(_Open(before, self.ctx, _new_spans(begun.ctx, after), thunk))
                thunk.on_failure(self._roll_back)
        if _has_failed(thunk):
            self._roll_back()

    def _roll_back(self) -> None:
        """Forget the turns whose outputs failed, the newest first; what came after one of them stays."""
        with self._lock:
            for turn in reversed([turn for turn in self._open if _has_failed(turn.thunk)]):
                self._open.remove(turn)
                self.ctx = turn.before if self.ctx is turn.after else _without(self.ctx, turn.spans)

    async def wait(self, thunk: ModelOutputThunk[Any]) -> None:
        """Wait for a thunk, which is pending meanwhile."""
        self._watched[id(thunk)] = thunk
        try:
            await wait_or_cancel(thunk)
        finally:
            self._watched.pop(id(thunk), None)

    def interruptible(self) -> AbstractContextManager[None]:
        """Let ``interrupt`` end what runs in a block, with a ``GenerationCancelledError``."""
        return _Interruptible(self._running)

    def interrupt(self) -> None:
        """End what runs in an ``interruptible`` block, on whichever loop."""
        for work in list(self._running):
            work.interrupt()

    def pending(self) -> list[ModelOutputThunk[Any]]:
        """Return the thunks that are still on their way."""
        return [
            thunk
            for thunk in (*self._watched.values(), *(turn.thunk for turn in self._open))
            if not thunk.is_computed()
        ]


def _new_spans(before: Context, after: Context) -> list[Span]:
    """Return what a turn added to the context it began with.

    Its last two spans if that context was compacted.
    """
    spans: list[Span] = []
    node: Context | None = after
    while node is not None and node is not before and (previous := node.previous_node) is not None:
        spans.append(node.node_data)  # type: ignore[arg-type]  # every node but the root holds a span
        node = previous
    spans.reverse()
    return spans if node is before else spans[-2:]


def _has_failed(thunk: ModelOutputThunk[Any]) -> bool:
    return thunk.error is not None


def _without(ctx: Context, spans: list[Span]) -> Context:
    """Return the context without the spans of one turn; those that were added after them are added again."""
    gone = {id(span) for span in spans}
    later: list[Span] = []
    node = ctx
    while gone and not node.is_root_node:
        span: Any = node.node_data
        if id(span) in gone:
            gone.discard(id(span))
        else:
            later.append(span)
        node = node.previous_node  # type: ignore[assignment]  # every node but the root has one
    return ctx if len(gone) == len(spans) else _add_all(node, later[::-1])


def _add_all(ctx: Context, spans: list[Span]) -> Context:
    for span in spans:
        ctx = ctx.add(span)
    return ctx
