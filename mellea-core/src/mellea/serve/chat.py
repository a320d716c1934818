"""``/v1/chat/completions``: one request from its body to the end of its answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Coroutine, Mapping
from typing import Any

from mellea.core.backend import Backend
from mellea.core.errors import RefusalError
from mellea.core.redaction import redacted
from mellea.core.thunk import ModelOutputThunk
from mellea.serve.answers import Answer, Envelope, Tally, answer_of
from mellea.serve.chat_request import ChatCompletionRequest, read_request
from mellea.serve.failures import STOPPING, TIMED_OUT, TOO_BUSY, Failure, RequestError, failure_of
from mellea.serve.limits import BusyError, Gate, Limits, Slot
from mellea.serve.metrics import Metrics
from mellea.serve.programs import Served
from mellea.serve.replies import GoneError, Receive, Reply, Scope, Send, read_body

__all__ = ["Chat"]

_log = logging.getLogger("mellea.serve")


class Chat:
    """Answers chat completions.

    Args:
        programs: What is served, by its name.
        limits: What is allowed.
        gate: Where requests wait for their turn.
        metrics: What counts them.
    """

    def __init__(self, programs: Mapping[str, Served], limits: Limits, gate: Gate, metrics: Metrics) -> None:
        self._programs, self._limits, self._gate, self._metrics = programs, limits, gate, metrics
        self.backend: Backend | None = None
        self.stopping = False
        self._under_way = dict[asyncio.Task[Any], Failure | None]()

    def stop(self) -> None:
        """Take no more requests, and end those under way when the grace is over."""
        self.stopping = True
        asyncio.get_running_loop().call_later(self._limits.grace_seconds, self._end_all)

    def _end_all(self) -> None:
        for work in list(self._under_way):
            self._end(work, STOPPING)

    def _end(self, work: asyncio.Task[Any], why: Failure | None) -> None:
        """Cancel a request, for the first reason that there is."""
        if not work.done() and work in self._under_way and not work.cancelling():
            self._under_way[work] = why
            work.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI says."""
        started, call = time.perf_counter(), _Call(Reply(send))
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        told: int | str = "gone"
        try:
            told = await self._carried_out(call, headers, receive)
        finally:
            seconds = time.perf_counter() - started
            self._metrics.count(call.name, told, seconds)
            _log.info("POST /v1/chat/completions %s %s %.3f s", call.name or "-", told, seconds)
        if told == "gone" and (abort := (scope.get("state") or {}).get("abort")) is not None:
            abort()

    async def _carried_out(self, call: _Call, headers: Mapping[str, str], receive: Receive) -> int | str:
        """Return the status that the client was told."""
        try:
            if self.stopping:
                return await _failed(call.reply, STOPPING)
            kind = headers.get("content-type", "").partition(";")[0].strip().lower()
            if kind != "application/json":
                more = "Send the header Content-Type: application/json."
                raise RequestError(f"The body is not declared as JSON. {more}", status=415, code="no_json")
            body = await read_body(receive, headers.get("content-length"), self._limits)
            call.ask(read_request(body))
            self._find(call)
        except GoneError:
            return "gone"
        except RequestError as error:
            return await _failed(call.reply, error.failure)
        return await self._watched(self._answered(call), call.reply, receive)

    async def _watched(
        self, answering: Coroutine[Any, Any, None], reply: Reply, receive: Receive
    ) -> int | str:
        """Answer until that is done, the client goes away, the time is over, or the server stops."""
        work = asyncio.ensure_future(answering)
        self._under_way[work] = None
        watching = asyncio.ensure_future(_gone(receive))
        watching.add_done_callback(lambda _: None if reply.ended else self._end(work, None))
        timer = asyncio.get_running_loop().call_later(self._limits.seconds, self._end, work, TIMED_OUT)
        try:
            await asyncio.wait([work])
        finally:
            timer.cancel()
            watching.cancel()
            work.cancel()
            why = self._under_way.pop(work)
        if work.cancelled():
            return "gone" if why is None else await _failed(reply, why)
        error = work.exception()
        if error is None:
            return reply.status or 200
        return await _failed(reply, _logged(error))

    def _find(self, call: _Call) -> None:
        """Find the program that a request names.

        Raises:
            RequestError: There are several, and none of that name.
        """
        name = call.asked.model or ""
        found = next(iter(self._programs.values())) if len(self._programs) == 1 else self._programs.get(name)
        if found is None:
            raise RequestError(self.unknown(name).message, status=404, code="model_not_found", param="model")
        call.program = found
        call.name = found.name

    def unknown(self, name: str) -> Failure:
        """Return what is told of a model that is not there."""
        there = ", ".join(self._programs)
        return Failure(
            404, f"There is no model {name[:100]!r}. There are: {there}.", "model_not_found", "model"
        )

    async def _answered(self, call: _Call) -> None:
        """Wait for a turn, let the program answer, and send what it says."""
        try:
            async with self._gate.turn() as slot:
                tally = Tally()
                with tally.paying():
                    answer = await self._told(call, tally, slot)
            self._metrics.count_answer(call.name, tally.usage, answer.verdicts)
        except BusyError:
            await call.reply.fail(TOO_BUSY)

    async def _told(self, call: _Call, tally: Tally, slot: Slot) -> Answer:
        asked, reply = call.asked, call.reply
        envelope = Envelope(asked.model or call.name)
        value = await call.program.answer(asked, self.backend, slot)
        with _ended(value):
            if not asked.stream:
                answer = value if isinstance(value, Answer) else await answer_of(value, asked.schema_asked)
                await reply.whole(200, envelope.whole(answer, tally.usage))
                return answer
            return await _streamed(value, asked, reply, envelope, tally)


class _Call:
    """One request as far as it is known."""

    program: Served
    asked: ChatCompletionRequest

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.name = ""

    def ask(self, asked: ChatCompletionRequest) -> None:
        """Note what is asked."""
        self.asked = asked


async def _streamed(
    value: Any, asked: ChatCompletionRequest, reply: Reply, envelope: Envelope, tally: Tally
) -> Answer:
    """Send an answer in pieces, as they come; one that is there already in one."""
    usage = {"usage": None} if asked.includes_usage else {}

    async def say(delta: Mapping[str, Any], finish_reason: str | None = None, **more: Any) -> None:
        await reply.event(envelope.piece(delta, finish_reason, **usage, **more))

    role = {"role": "assistant", "content": ""}
    is_on_its_way = isinstance(value, ModelOutputThunk) and not value.is_computed() and value.error is None
    if is_on_its_way:
        with contextlib.suppress(RefusalError):  # which is an answer, too
            async for piece in value:
                if reply.status is None:
                    await say(role)
                await say({"content": piece})
    answer = value if isinstance(value, Answer) else await answer_of(value, asked.schema_asked)
    if reply.status is None:
        await say(role)
    if not is_on_its_way and answer.text:
        await say({"content": answer.text})
    if answer.rest:
        await say(answer.rest)
    more = {} if answer.verdicts is None else {"mellea": answer.verdicts}
    await say({}, answer.finish_reason, **more)
    if asked.includes_usage:
        await reply.event(envelope.usage(tally.usage))
    await reply.end()
    return answer


@contextlib.contextmanager
def _ended(value: Any) -> Any:
    """End with a block the generation of an output that nobody will read any more."""
    try:
        yield
    finally:
        if isinstance(value, ModelOutputThunk) and not value.is_computed() and value.error is None:
            value.cancel()


async def _gone(receive: Receive) -> None:
    """Wait until the client has gone away."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _failed(reply: Reply, failure: Failure) -> int | str:
    """Tell a client of a failure, and return the status that is counted."""
    return failure.status if await reply.fail(failure) else "gone"


def _logged(error: BaseException) -> Failure:
    """Return what a client is told of an error; what it is not told goes to the log."""
    failure = failure_of(error)
    if failure.status >= 500 or failure.code == "provider_rejected":
        _log.error("%s", redacted(f"{type(error).__name__}: {error}"), exc_info=error)
    return failure
