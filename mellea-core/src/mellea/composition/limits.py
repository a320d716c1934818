"""A backend that is asked no more often than its provider allows."""

from __future__ import annotations

import asyncio
import threading
from asyncio import sleep
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from time import monotonic
from typing import Any

from mellea.composition._wrapper import Asked, BackendWrapper
from mellea.core._chunk_stream import answer_of, chunks_of
from mellea.core._failures import translated
from mellea.core._tries import LONGEST_WAIT
from mellea.core.backend import Backend
from mellea.core.errors import RateLimitError, UsageError
from mellea.core.options import ModelOption, merge_options
from mellea.core.request import ChatRequest, CompletionRequest, EmbeddingRequest
from mellea.core.response import Chunk, Completion, EmbeddingResponse, Usage
from mellea.core.time_limits import waiting

__all__ = ["LimitedBackend", "limited"]

_MINUTE = 60.0
_LETTERS_OF_A_TOKEN = 4
"""About so many, where a backend cannot count."""


class _Rate:
    """So many units a minute, spread evenly after a burst; for all threads and event loops of the process.

    It is the generic cell rate algorithm (ITU-T I.371), a clock reading and a sum for each request.
    """

    def __init__(self, per_minute: float, burst: float) -> None:
        self._seconds = _MINUTE / per_minute
        self._slack = burst * self._seconds
        self._due = 0.0
        self._lock = threading.Lock()

    def spend(self, units: float) -> float:
        """Count units, and return when they may be spent; less than none are given back."""
        with self._lock:
            self._due = max(self._due, monotonic()) + units * self._seconds
            return self._due - self._slack


class _Pause:
    """The time for which the provider wants to be left alone: whatever is due is due so much later.

    So those that wait keep their order and their distances.
    """

    def __init__(self) -> None:
        self._until = 0.0
        self._shift = 0.0
        self._lock = threading.Lock()

    def begin(self, seconds: float) -> None:
        """Pause for some seconds from now on; what is said twice at a time counts once."""
        with self._lock:
            now = monotonic()
            end = max(self._until, now + seconds)
            self._shift += end - max(self._until, now)
            self._until = end

    async def wait_until(self, due: float) -> None:
        """Wait for a moment that later pauses move, and for the end of those."""
        before = self._shift
        while (wait := max(due + self._shift - before, self._until) - monotonic()) > 0:  # noqa: ASYNC110  no event
            await sleep(wait)


class _Turn:
    """What one request takes: the tokens set aside for it, and those that it is told to have taken.

    Args:
        estimate: The tokens set aside.
    """

    def __init__(self, estimate: int) -> None:
        self.estimate = estimate
        self.has_begun = False
        self._told: dict[int, Usage] = {}

    def take(self, usage: Usage | None, index: int = 0) -> None:
        """Note that a part of an answer came, and what it says of the tokens so far."""
        self.has_begun = True
        if usage is not None:
            self._told[index] = usage

    @contextmanager
    def setting_aside(self, rate: _Rate) -> Iterator[float]:
        """Set tokens aside for a block, which is told when they are there; correct that at its end.

        What the provider refuses has cost nothing. What is cut off, or not told, may have cost all.
        """
        taken = self.estimate
        try:
            yield rate.spend(self.estimate)
        except Exception:
            taken = taken if self.has_begun else 0
            raise
        finally:
            told = sum(usage.total_tokens for usage in self._told.values())
            rate.spend((told or taken) - self.estimate)


class LimitedBackend(BackendWrapper):
    """Keeps to a rate, and to a number of requests at the same time. See ``limited``."""

    def __init__(
        self,
        backend: Backend,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        concurrency: int | None = None,
    ) -> None:
        limits = {
            "requests_per_minute": requests_per_minute,
            "tokens_per_minute": tokens_per_minute,
            "concurrency": concurrency,
        }
        for name, limit in limits.items():
            if limit is not None and (isinstance(limit, bool) or not limit > 0):
                raise UsageError(f"{name} is {limit!r}.", hint="Pass a number above zero.")
        if all(limit is None for limit in limits.values()):
            raise UsageError("There is no limit.", hint=f"Pass one of {', '.join(limits)}.")
        super().__init__(backend)
        vars(self).update(provider=backend.provider)
        self._backend = backend
        self._requests = requests_per_minute and _Rate(requests_per_minute, 1)
        self._tokens_per_minute = tokens_per_minute
        self._tokens = tokens_per_minute and _Rate(tokens_per_minute, tokens_per_minute)
        self._places = concurrency and _Places(concurrency)
        self._pause = _Pause()

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """Hand on the backend's chunks once it is this request's turn; each try has a turn of its own."""
        async with aclosing(chunks_of(self._backend, lambda: self._chunks(request))) as chunks:
            async for chunk in chunks:
                yield chunk

    async def _chunks(self, request: ChatRequest) -> AsyncGenerator[Chunk, None]:
        asked = self.passed_on(self._backend, request)
        async with self._turn(request) as turn:
            chunks: Any = self._backend.stream_chat(asked)
            async with aclosing(chunks):
                async for chunk in chunks:
                    turn.take(chunk.usage, chunk.index)
                    yield chunk

    async def complete(self, request: CompletionRequest) -> Sequence[Completion]:
        """Return the backend's completions once it is this request's turn."""
        asked = self.passed_on(self._backend, request)

        async def ask() -> Sequence[Completion]:
            async with self._turn(request) as turn:
                completions = await self._backend.complete(asked)
                for index, completion in enumerate(completions):
                    turn.take(completion.usage, index)
                return completions

        return await answer_of(self._backend, ask)

    async def embed_texts(self, request: EmbeddingRequest) -> EmbeddingResponse:
        """Return the backend's vectors once it is this request's turn."""
        asked = self.passed_on(self._backend, request)

        async def ask() -> EmbeddingResponse:
            async with self._turn(request) as turn:
                response = await self._backend.embed_texts(asked)
                turn.take(response.usage)
                return response

        return await answer_of(self._backend, ask)

    @asynccontextmanager
    async def _turn(self, request: Asked) -> AsyncGenerator[_Turn, None]:
        """Wait until a request may be sent, and count what it is told to have spent."""
        turn = _Turn(await self._estimate(request) if self._tokens else 0)
        async with AsyncExitStack() as stack:
            with waiting():
                if self._places:
                    await self._places.take()
                    stack.callback(self._places.give_back)
                await self._pause.wait_until(self._requests.spend(1) if self._requests else 0.0)
                if self._tokens:
                    await self._pause.wait_until(stack.enter_context(turn.setting_aside(self._tokens)))
            try:
                yield turn
            except Exception as error:
                self._heed(error)
                raise

    def _heed(self, error: Exception) -> None:
        """Let all requests wait where the provider says to one of them when it wants the next.

        Not where that is later than any request waits: each then fails with the provider's own words.
        """
        ours = translated(self._backend, error)
        if isinstance(ours, RateLimitError) and ours.retry_after and ours.retry_after <= LONGEST_WAIT:
            self._pause.begin(ours.retry_after)

    async def _estimate(self, request: Asked) -> int:
        """Return the tokens that a request is likely to take: those of its prompts, and those it may write.

        Raises:
            UsageError: They are more than a minute's worth: it would never have its turn.
        """
        if isinstance(request, ChatRequest):
            counted = await self._backend.count_tokens(request.messages)
            texts, answers = [message.content for message in request.messages], request.n
        else:
            counted, texts, answers = None, list(request.prompts), len(request.prompts)
        if counted is None:
            counted = sum(map(len, texts)) // _LETTERS_OF_A_TOKEN
        written = 0 if isinstance(request, EmbeddingRequest) else self._most_written(request)
        tokens = counted + written * answers
        if self._tokens_per_minute is not None and tokens > self._tokens_per_minute:
            raise UsageError(
                f"A request may take about {tokens} tokens, and tokens_per_minute is "
                f"{self._tokens_per_minute:g}; nothing was sent.",
                hint="Lower ModelOption.MAX_NEW_TOKENS, shorten the prompt, or raise the limit.",
                backend=self.provider,
                model_id=self.model_id,
            )
        return tokens

    def _most_written(self, request: ChatRequest | CompletionRequest) -> int:
        inner = self._backend
        most = merge_options(inner.options.canonical(inner.model_options), request.options).get(
            ModelOption.MAX_NEW_TOKENS, inner.default_max_new_tokens
        )
        return most if isinstance(most, int) else 0


class _Places:
    """A number of places, which the tasks of any event loops take in the order in which they came."""

    def __init__(self, number: int) -> None:
        self._free = number
        self._waiting: list[asyncio.Future[None]] = []
        self._lock = threading.Lock()

    async def take(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
        try:
            await turn
        except BaseException:
            with self._lock:
                was_waiting = turn in self._waiting
                if was_waiting:
                    self._waiting.remove(turn)
            if not was_waiting:  # its turn had come
                self.give_back()
            raise

    def give_back(self) -> None:
        with self._lock:
            while self._waiting:
                turn = self._waiting.pop(0)
                try:
                    turn.get_loop().call_soon_threadsafe(_wake, turn)
                except RuntimeError:  # its loop is closed: nobody waits there any more
                    continue
                return
            self._free += 1


def _wake(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)


def limited(backend: Backend, **limits: Any) -> LimitedBackend:
    """Return a backend that is asked no more often than its provider allows.

    Requests wait for their turn, in the order in which they came; so does every try of one that is sent
    again. Where the provider answers one of them that it wants to be left alone for some seconds, all wait.
    It can do what the backend can. By name:
    ``start_session(backend="limited:openai", requests_per_minute=60)``.

    Args:
        backend: The backend.
        limits: ``requests_per_minute``, spread evenly; ``tokens_per_minute``, read and written, of which a
            minute's may come at once (set aside before a request by an estimate: the tokens of its prompt,
            and ``MAX_NEW_TOKENS``; corrected by what its answer says); ``concurrency``, the requests at the
            same time. At least one of them.

    Raises:
        UsageError: There is no limit, or one is no number above zero.
    """
    return LimitedBackend(backend, **limits)
