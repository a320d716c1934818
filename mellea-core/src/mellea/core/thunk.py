"""Thunks: results that may still be on their way."""

from __future__ import annotations

import asyncio
import copy
import enum
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar, cast

from attrs import evolve, field, frozen

from mellea.core.errors import GenerationCancelledError, MelleaError, UsageError
from mellea.core.event_loop import detached_context, is_blocked_by_caller, run_sync
from mellea.core.request import Chunk, Usage

if TYPE_CHECKING:
    from mellea.core.component import Component
    from mellea.core.message import ModelToolCall
    from mellea.core.request import ChatRequest, OutputSchema

__all__ = [
    "ComputedModelOutputThunk",
    "GenerateLog",
    "GenerateType",
    "GenerationMetadata",
    "ModelOutputThunk",
    "RawProviderResponse",
]

S = TypeVar("S")


@frozen
class GenerationMetadata:
    """What is known of a generation beside its text.

    Args:
        usage: Tokens spent; None when the provider does not say.
        model: The model asked for.
        provider: The backend's provider name.
        ttfb_ms: Milliseconds from the request to the first piece.
        seconds: Seconds from the request to the end.
        streaming: Whether the text was handed on piece by piece.
        response_model: The model that answered, in the provider's words.
        finish_reasons: Why the answer ended.
        response_id: The provider's id of the answer.
    """

    usage: Usage | None = None
    model: str | None = None
    provider: str | None = None
    ttfb_ms: float | None = None
    seconds: float | None = None
    streaming: bool = False
    response_model: str | None = None
    finish_reasons: tuple[str, ...] = ()
    response_id: str | None = None


@frozen
class RawProviderResponse:
    """A provider's own value: of a whole answer, or the last one of a stream."""

    provider: str
    response: Any = field(repr=False)


class GenerateType(enum.Enum):
    """How an output is made. Every output is made asynchronously; kept for programs that import it."""

    NONE = None
    ASYNC = 1
    SYNC = 2


@frozen
class GenerateLog:
    """The record of one generation: what was sent, by whom, and what came back."""

    prompt: list[dict[str, Any]]
    backend: str
    model_options: dict[str, Any]
    model_output: str | None
    action: Any
    result: Any


class ModelOutputThunk(Generic[S]):
    """The output of a model, computed or on its way.

    Any number of readers, in any thread and event loop, may await it, iterate over its pieces (each from the first one), or
    cancel it. A failed thunk raises the same error for every later reader.

    Args:
        value: The text; None when a generation will fill it.
        meta: Whatever the program wants to remember with it.
        parsed_repr: What the text means to the component that asked for it.
        tool_calls: Tool calls that the model asks for.
    """

    def __init__(
        self,
        value: str | None = None,
        meta: dict[str, Any] | None = None,
        parsed_repr: S | None = None,
        tool_calls: list[ModelToolCall] | None = None,
    ) -> None:
        self._value = value
        self._meta = meta or {}
        self._parsed_repr = parsed_repr
        self.tool_calls: tuple[ModelToolCall, ...] = tuple(tool_calls or ())
        self._pieces: list[str] = [value] if value else []
        self._thinking: list[str] = []
        self._done = value is not None
        self._error: BaseException | None = None
        self._action: Component[S] | None = None
        self._schema: OutputSchema | None = None
        self._request: ChatRequest | None = None
        self._keeps_prompt = True
        self._generation = GenerationMetadata()
        self._raw: Any = None
        self._task: asyncio.Task[None] | None = None
        self._pid = 0
        self._traceback: TracebackType | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._waiters: list[asyncio.Future[None]] = []
        self._unread: list[str] | None = None
        self._read = 0
        self._parsed: Any = None
        self._ended = value is not None
        self._on_failure: list[Callable[[], None]] = []
        if self._done:
            self._settle()

    # What readers see

    def is_computed(self) -> bool:
        """Tell whether the text is complete."""
        return self._done and self._error is None

    @property
    def value(self) -> str | None:
        """The text; None until it is complete."""
        return self._value

    @property
    def text(self) -> str:
        """The text so far."""
        return self._value if self._value is not None else "".join(self._pieces)

    @property
    def thinking(self) -> str | None:
        """The reasoning so far, when the model shows it."""
        return "".join(self._thinking) or None

    @property
    def generation(self) -> GenerationMetadata:
        """What is known of the generation beside its text."""
        return self._generation

    @property
    def raw(self) -> RawProviderResponse | None:
        """The provider's last value; None when the backend keeps none."""
        return None if self._raw is None else RawProviderResponse(self._generation.provider or "", self._raw)

    @property
    def error(self) -> BaseException | None:
        """Why the generation failed; None while it has not."""
        return self._error

    @property
    def cancelled(self) -> bool:
        """Whether the generation was cancelled."""
        return isinstance(self._error, GenerationCancelledError)

    @property
    def parsed_repr(self) -> S | None:
        """What the text means to the component that asked for it; the text itself when it asked for text.

        Raises:
            ComponentParseError: The component could not parse it.
        """
        if self._parsed_repr is None and self.is_computed():
            self._parsed_repr = (
                self._action.parse(self) if self._action is not None else cast("S", self._value)
            )
        return self._parsed_repr

    @property
    def parsed(self) -> S:
        """The typed result: an instance of ``format`` when one was given, else ``parsed_repr``.

        Raises:
            OutputParseError: The text does not fit the format or the component.
            UsageError: The text is not complete yet.
        """
        if not self.is_computed():
            raise self._error or UsageError("The output is not complete yet.", hint="Await the thunk first.")
        if self._schema is None:
            return cast("S", self.parsed_repr)
        if self._parsed is None:
            self._parsed = self._schema.parse(self._value or "")
        return cast("S", self._parsed)

    @property
    def generate_log(self) -> GenerateLog | None:
        """The record of the generation; None for a thunk that no backend made, or whose prompt was released."""
        request = self._request
        if request is None:
            return None
        prompt = [{"role": message.role, "content": message.content} for message in request.messages]
        provider = self._generation.provider or ""
        return GenerateLog(prompt, provider, dict(request.options), self._value, self._action, self)

    def __str__(self) -> str:
        return self._value or ""

    def __repr__(self) -> str:
        state = "failed" if self._error else "computed" if self._done else "pending"
        return f"<{type(self).__name__} {state}: {self.text[:60]!r}>"

    def __copy__(self) -> Self:
        if not self.is_computed():
            raise self._error or UsageError(
                "A thunk that is not computed yet cannot be copied.", hint="Await it first."
            )
        twin = type(self)(self._value, dict(self._meta), self._parsed_repr, list(self.tool_calls))
        twin._thinking, twin._action, twin._schema, twin._parsed = (
            self._thinking,
            self._action,
            self._schema,
            self._parsed,
        )
        twin._generation, twin._raw, twin._request = self._generation, self._raw, self._request
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        twin = self.__copy__()
        twin._meta, twin._parsed_repr, twin._parsed = copy.deepcopy(
            (self._meta, self._parsed_repr, self._parsed), memo
        )
        return twin

    def with_text(self, text: str) -> ComputedModelOutputThunk[S]:
        """Return a computed copy with another text, for whoever mends an output."""
        twin = self.__copy__()
        twin._value, twin._pieces, twin._parsed_repr, twin._parsed = text, [text], None, None
        return cast("ComputedModelOutputThunk[S]", twin)

    # Reading

    async def avalue(self) -> str:
        """Return the text once it is complete.

        Raises:
            MelleaError: The generation failed; the same error for every reader.
        """
        while not self._done:
            await self._progress(len(self._pieces))
        self._raise_error()
        return self._value or ""

    async def result(self) -> ComputedModelOutputThunk[S]:
        """Return this thunk once it is computed."""
        await self.avalue()
        return cast("ComputedModelOutputThunk[S]", self)

    async def astream(self) -> str:
        """Return the text that came since the last call, waiting for some; empty at the end.

        Raises:
            MelleaError: The generation failed.
        """
        if self._unread is None:
            self._unread = self._pieces
        while len(self._unread) == self._read and not self._done:
            await self._progress(self._read)
        new = self._unread[self._read :]
        if not new:
            self._raise_error()
        self._read += len(new)
        if self._done:
            self._unread, self._read = [], 0
        return "".join(new)

    async def __aiter__(self) -> AsyncIterator[str]:
        pieces, read, done = self._pieces, 0, False
        while not done:
            done = self._done  # read before the pieces: another thread may add the last one at any moment
            while read < len(pieces):
                piece, read = pieces[read], read + 1
                yield piece
            if not done:
                await self._progress(read)
        self._raise_error()

    def __iter__(self) -> Iterator[str]:
        pieces = aiter(self)

        async def following() -> str | None:
            return await anext(pieces, None)

        while (piece := run_sync(following())) is not None:
            yield piece

    async def cancel_generation(self, error: BaseException | None = None) -> None:
        """Stop the generation and wait until the provider's work has ended. Does nothing to a finished one.

        Args:
            error: What later readers get; by default a ``GenerationCancelledError``.
        """
        task, loop = self._task, self._loop
        self._finish(error or _cancelled())
        if task is None or loop is None or loop.is_closed():
            return
        if loop is asyncio.get_running_loop():
            await _stopped(task)
        elif loop.is_running() and not is_blocked_by_caller(loop):
            await asyncio.wait([asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_stopped(task), loop))])
        else:
            loop.call_soon_threadsafe(task.cancel)

    async def aclose(self) -> None:
        """Cancel the generation if it still runs."""
        await self.cancel_generation()

    def cancel(self) -> None:
        """Synchronous face of ``cancel_generation``."""
        run_sync(self.cancel_generation())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.cancel()

    async def _progress(self, seen: int) -> None:
        """Wait until there are more than ``seen`` pieces, or the end."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._done or len(self._pieces) > seen:
                return
            if not self._ended:
                self._check_owner(loop)
            waiter: asyncio.Future[None] = loop.create_future()
            self._waiters.append(waiter)
        await waiter

    def _check_owner(self, here: asyncio.AbstractEventLoop) -> None:
        """Refuse to wait for what can never come."""
        owner = self._loop
        if owner is None or self._pid != os.getpid() or (owner is not here and not owner.is_running()):
            raise UsageError(
                "This output can never be complete: the event loop that produces it does not run in this process.",
                hint="Await it on the loop where it was started, before that loop ends.",
            )
        if owner is not here and is_blocked_by_caller(owner):
            raise UsageError(
                "This output comes from the event loop that this synchronous call blocks.",
                hint="Await the output first, or use the asynchronous verb.",
            )

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error.with_traceback(self._traceback)

    # Filling; only the generation calls these

    def _start(self, produce: Coroutine[Any, Any, None]) -> None:
        """Let a coroutine fill this thunk on the running loop."""
        self._loop, self._pid = asyncio.get_running_loop(), os.getpid()
        self._task = self._loop.create_task(produce, context=detached_context())
        self._task.add_done_callback(self._task_ended)

    def _send(self, request: ChatRequest) -> None:
        """Note what is sent."""
        if self._keeps_prompt:
            self._request = request

    def _release_prompt(self) -> None:
        """Forget what was, or will be, sent: it holds the whole conversation so far."""
        self._keeps_prompt, self._request = False, None

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._finish(_cancelled() if task.cancelled() else task.exception() or _cancelled())
        self._task = self._loop = None  # a kept output must not keep the loop, and with it the loop's clients

    def _feed(self, chunk: Chunk, started: float) -> None:
        """Take one chunk of the answer."""
        if self._ended:
            return
        changes: dict[str, Any] = {}
        if self._generation.ttfb_ms is None:
            changes["ttfb_ms"] = (time.perf_counter() - started) * 1000
        if chunk.finish_reason is not None:
            changes["finish_reasons"] = (chunk.finish_reason,)
        if chunk.usage is not None:
            changes["usage"] = chunk.usage
        if chunk.response_id is not None and self._generation.response_id is None:
            changes["response_id"] = chunk.response_id
        if chunk.response_model is not None and self._generation.response_model is None:
            changes["response_model"] = chunk.response_model
        if changes:
            self._generation = evolve(self._generation, **changes)
        if chunk.raw is not None:
            self._raw = chunk.raw
        if chunk.thinking:
            self._thinking.append(chunk.thinking)
        if chunk.text:
            with self._lock:
                self._pieces.append(chunk.text)
            self._wake()

    def _finish(self, error: BaseException | None = None) -> None:
        """Close the thunk, with the text or with an error. The first end holds."""
        with self._lock:
            if self._ended:
                return
            self._ended = True
        try:
            if error is None:
                self._value = "".join(self._pieces)
                self._settle()
            else:
                self._error, self._traceback = error, error.__traceback__
                for callback in self._on_failure:
                    callback()
        finally:
            self._on_failure.clear()
            self._done = True  # last of all: whoever sees it sees everything else
            self._wake()

    def _settle(self) -> None:
        """Become the computed type, and keep the text once."""
        if type(self) is ModelOutputThunk:
            self.__class__ = ComputedModelOutputThunk
        if self._value:
            self._pieces = [self._value]

    def _wake(self) -> None:
        with self._lock:
            waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            loop = waiter.get_loop()
            if loop is asyncio._get_running_loop():
                _resolve(waiter)
                continue
            with suppress(RuntimeError):  # the reader's loop has ended, and the reader with it
                loop.call_soon_threadsafe(_resolve, waiter)


class ComputedModelOutputThunk(ModelOutputThunk[S]):
    """A thunk whose text is complete; what synchronous verbs return."""

    @property
    def value(self) -> str:
        """The text."""
        return self._value or ""


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)


async def _stopped(task: asyncio.Task[None]) -> None:
    """Cancel a task of the running loop and wait until it has ended."""
    task.cancel()
    if task is not asyncio.current_task():
        await asyncio.wait([task])


def _cancelled() -> MelleaError:
    return GenerationCancelledError("The generation was cancelled.", hint="Start it again to get an output.")
