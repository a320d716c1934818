"""The reader's side of a checked stream."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Self, TypeVar

from mellea.core.errors import RequirementsNotMetError, StreamRestartedError
from mellea.core.event_loop import run_sync
from mellea.core.hooks import around, within
from mellea.stdlib.streaming._attempts import StreamAttempts, closed_error
from mellea.stdlib.streaming._iteration import EventSource, SyncOrAsyncIterable
from mellea.stdlib.streaming._outcome import StreamOutcome
from mellea.stdlib.streaming.events import ChunkEvent, CompletedEvent, ErrorEvent, RetryEvent, StreamEvent
from mellea.stdlib.streaming.partial import GrowingValue

if TYPE_CHECKING:
    from mellea.stdlib.streaming._told import ToldStream

__all__ = ["Streamer"]

S = TypeVar("S")


class Streamer(StreamOutcome[S], EventSource[StreamEvent]):
    """A text that is checked while it is written. Made by ``stream``.

    There are three ways to read it, each with ``async for`` or ``for``:

    - the streamer itself gives the text of each chunk. When an attempt fails after some of its chunks were
      given, they are withdrawn: the iteration raises ``StreamRestartedError``, and iterating again goes on
      with the next attempt::

          while True:
              try:
                  async for chunk in streamer:
                      show(chunk)
                  break
              except StreamRestartedError:
                  clear()

    - ``events()`` tells everything, restarts included, and never raises for them;
    - ``partials()`` gives a structured output as it grows.

    Each reading begins with what was said before it: ``events()`` with the first event, the streamer itself
    and ``partials()`` with the current attempt. One of them at a time waits for more. Checks, repairs and new
    attempts happen only while somebody reads; until then the model writes on unchecked. A reader who leaves
    before the end (``break``, cancellation, an error of its own) closes the stream, and the generation is
    stopped at the provider. ``acomplete()`` reads to the end, for whoever wants the outcome only.
    """

    def __init__(
        self, run: StreamAttempts, streaming_id: str | None = None, told: ToldStream | None = None
    ) -> None:
        super().__init__(run)
        self._told = told
        self._driver = run.events()
        self._over = False
        self.streaming_id = streaming_id or uuid.uuid4().hex
        """A name for this stream, for logs."""

    # Reading

    async def __aiter__(self) -> AsyncGenerator[str, None]:
        while True:
            retry, delivered = None, False
            async with aclosing(self._events_from(self._latest(), one_attempt=True)) as events:
                async for event in events:
                    if isinstance(event, ChunkEvent):
                        delivered = True
                        yield event.text
                    elif isinstance(event, RetryEvent):
                        retry = event
            if retry is None:
                return
            if delivered:
                why = retry.reason.rstrip(".")
                raise StreamRestartedError(
                    f"Attempt {retry.attempt} is withdrawn, and what was read of it: {why}.",
                    hint="Forget its chunks and iterate again for the next attempt, or read events().",
                )

    def __iter__(self) -> Iterator[str]:
        return iter(SyncOrAsyncIterable(self.__aiter__))

    def events(self) -> SyncOrAsyncIterable[StreamEvent]:
        """Return everything that happens, as typed events.

        An error is told by an ``ErrorEvent``, and then raised.

        Raises:
            ProviderError: The provider failed; no other attempt is made.
            GenerationCancelledError: The stream was closed.
        """
        return SyncOrAsyncIterable(lambda: self._events_from(0))

    def partials(self) -> SyncOrAsyncIterable[S]:
        """Return the structured output as it grows: instances of ``format`` so far, or JSON values.

        See ``partial_objects``.

        Each value stands alone, so that a restart only begins again with a small one. The last one is
        complete and valid JSON of the format; whether it meets the requirements, ``success`` says.

        Raises:
            OutputParseError: The last attempt came to its end and does not fit the format.
            RequirementsNotMetError: The last attempt was stopped by a check.
        """
        return SyncOrAsyncIterable(self._partials)

    async def _partials(self) -> AsyncGenerator[S, None]:
        growing: GrowingValue[S] = GrowingValue(self._run.plan.call.format)
        text = ""
        async with aclosing(self._events_from(self._latest())) as events:
            async for event in events:
                if isinstance(event, RetryEvent):
                    text = ""
                elif isinstance(event, ChunkEvent):
                    text += event.text
                    for value in growing.update(text):
                        yield value
        if self.failed_early:
            why = str(self.failure_reason).rstrip(".")
            raise RequirementsNotMetError(
                f"The stream was stopped before the object was complete: {why}.",
                hint="Ask again, or relax the requirement.",
            )
        for value in growing.complete(text):
            yield value

    async def acomplete(self) -> Self:
        """Read to the end, whatever is withdrawn on the way, and return this streamer.

        Raises:
            ProviderError: The provider failed.
            GenerationCancelledError: The stream was closed.
        """
        async with aclosing(self._events_from(len(self._history))) as events:
            async for _ in events:
                pass
        return self

    def complete(self) -> Self:
        """Synchronous face of ``acomplete``."""
        return run_sync(self.acomplete(), starts_only=True)

    async def aclose(self) -> None:
        """Stop the generation and close the stream. Does nothing to one that is over."""
        if self._over:
            return
        self._run.closed = True
        if self._told is not None:
            await self._told.failed(closed_error(), self._run)
        await self._run.mot.cancel_generation(closed_error())
        if not self._advancing:  # otherwise whoever waits for the next event gets the error
            self._over, self._error = True, closed_error()
            await self._driver.aclose()

    def __repr__(self) -> str:
        state = "success" if self.success else "failure" if self._over else "under way"
        return f"<Streamer {state}, attempt {self.attempt}: {self.full_text[-60:]!r}>"

    # Going on

    def _latest(self) -> int:
        """Return where the current attempt begins in the history."""
        retries = [index for index, event in enumerate(self._history) if isinstance(event, RetryEvent)]
        return retries[-1] + 1 if retries else 0

    def _events_from(self, index: int, *, one_attempt: bool = False) -> AsyncGenerator[StreamEvent, None]:
        """Iterate over the events from one on; of one attempt, to the event that withdraws it."""
        return self._read_events(
            index, "stream", last=lambda event: one_attempt and isinstance(event, RetryEvent)
        )

    async def _told_event(self, told: ToldStream) -> StreamEvent:
        """Return the next event, of which the handlers of hooks are told before the reader."""
        with within(told.scope), around(told.streaming_id):
            try:
                event = await anext(self._driver)
                await told.event(event)
                if isinstance(event, CompletedEvent):
                    await told.ended(self._run)
            except BaseException as error:
                await self._driver.aclose()  # which stops the generation
                await told.failed(error, self._run)
                raise
        return event

    async def _advance(self) -> bool:
        """Let the stream go on to its next event; tell whether there was one. One reader at a time does."""
        if self._over:
            if self._error is not None:
                raise self._error
            return False
        self._advancing = True
        try:
            event = await (anext(self._driver) if self._told is None else self._told_event(self._told))
        except Exception as error:  # noqa: BLE001  it is told first, and raised when the reader goes on
            self._over, self._error = True, error
            event = ErrorEvent(type(error).__name__, str(error))
        except BaseException:
            self._over, self._error = True, closed_error()
            raise
        finally:
            self._advancing = False
        self._over = self._over or isinstance(event, CompletedEvent)
        self._history.append(event)
        return True
