"""What belongs to one event loop: network clients, and what LiteLLM logs.

Providers get a client of the backend's own where LiteLLM takes one: it follows no redirect to another host.
For all others LiteLLM keeps clients in a cache of the process, by loop, and never closes them; several
backends and users may share one, so they are closed with the loop.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

from mellea.core.addresses import refuse_redirect_async
from mellea.core.event_loop import LoopLocal
from mellea_litellm.providers import HANDED_A_HANDLER
from mellea_litellm.route import Route
from mellea_litellm.wire import WireCheck

if TYPE_CHECKING:
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler
    from openai import AsyncOpenAI

__all__ = ["Clients", "LoopGuard", "close_stream", "http_response", "loop_guards", "result_of"]


class LoopGuard:
    """LiteLLM on one event loop: calls it, and cleans up behind it when the loop ends."""

    def __init__(self) -> None:
        self._suffix = f"-{id(asyncio.get_running_loop())}"
        self._logs: set[asyncio.Task[None]] = set()

    async def call(self, function: Callable[..., Awaitable[Any]], arguments: Mapping[str, Any]) -> Any:
        """Call LiteLLM for a whole answer, and log it, for whatever callbacks are registered, on this loop.

        LiteLLM would log in one task of the process, which it loses with the next loop, or at the end of this
        one, to warnings about coroutines and tasks that nobody awaited. Its proxy defers logging in the same
        way.
        """
        from litellm.utils import Rules, function_setup  # noqa: PLC0415  LiteLLM is loaded by now

        started = datetime.now()
        log, prepared = function_setup(
            function.__name__, Rules(), started, **{"litellm_call_id": str(uuid.uuid4()), **arguments}
        )
        vars(log)["_defer_async_logging"] = True  # LiteLLM has no public name for it
        answer = await function(**{**prepared, "litellm_logging_obj": log})
        if getattr(log, "_enqueue_deferred_logging", None) is not None:
            logging = log.async_success_handler(result=answer, start_time=started, end_time=datetime.now())
            task = asyncio.create_task(logging)
            self._logs.add(task)
            task.add_done_callback(self._logs.discard)
        return answer

    async def close(self) -> None:
        """Close the clients that LiteLLM made on this loop."""
        cache = sys.modules["litellm"].in_memory_llm_clients_cache
        for key in [key for key in cache.cache_dict if key.endswith(self._suffix)]:
            closing = cache.cache_dict[key].close()
            cache.delete_cache(key)
            if inspect.isawaitable(closing):
                await closing
        await asyncio.sleep(0)  # closed sockets are let go in the loop's next turn, which may be its last


loop_guards: LoopLocal[LoopGuard] = LoopLocal(LoopGuard, LoopGuard.close)


class Clients:
    """The clients of one backend, one for each event loop.

    Args:
        timeout: Seconds to wait for the provider.
        check: Looks at every answer before LiteLLM reads it.
    """

    def __init__(self, timeout: float, check: WireCheck) -> None:
        self._timeout = timeout
        self._hooks: dict[str, list[Callable[..., Any]]] = {"response": [refuse_redirect_async, check]}
        self._route: Route | None = None
        self._clients = LoopLocal(self._new_client, _close)
        self._handlers = LoopLocal(self._new_handler, _close)

    async def get(self, route: Route, *, raw: bool) -> AsyncOpenAI | AsyncHTTPHandler | None:
        """Return the running loop's client, or None where LiteLLM has to take its own.

        LiteLLM's own would follow redirects, and ask a proxy of the environment for a server on this machine.

        Args:
            route: Where the request goes.
            raw: Whether it is a plain completion.
        """
        self._route = route
        if route.api_key and (route.batches if raw else route.takes_client or route.is_behind_the_sdk):
            return await self._clients.get()
        takes_handler = route.provider in HANDED_A_HANDLER
        return await self._handlers.get() if takes_handler or (route.is_local and getproxies()) else None

    def _new_client(self) -> AsyncOpenAI:
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient  # noqa: PLC0415  LiteLLM has loaded it

        route = self._route
        key, address = (route.api_key, route.base_url) if route else (None, None)
        http_client = DefaultAsyncHttpxClient(
            event_hooks=self._hooks, trust_env=not (route and route.is_local)
        )
        return AsyncOpenAI(
            api_key=key, base_url=address, timeout=self._timeout, max_retries=0, http_client=http_client
        )

    def _new_handler(self) -> AsyncHTTPHandler:
        import httpx  # noqa: PLC0415  LiteLLM has loaded it
        from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler  # noqa: PLC0415

        handler = AsyncHTTPHandler(timeout=self._timeout, event_hooks=self._hooks)
        if self._route and self._route.is_local and getproxies():
            handler.client = httpx.AsyncClient(
                timeout=self._timeout, event_hooks=self._hooks, trust_env=False
            )
        return handler

    async def aclose(self) -> None:
        """Close the clients; a later call opens new ones."""
        await self._clients.aclose()
        await self._handlers.aclose()


async def _close(client: AsyncOpenAI | AsyncHTTPHandler) -> None:
    await client.close()


def http_response(stream: Any) -> Any:
    """Return the HTTP response behind an unread stream, or None if the stream closes it by itself.

    Over its own clients LiteLLM keeps of the response only the generator of its lines, so that closing the
    stream leaves the provider at work.
    """
    source = stream.completion_stream
    parts = [source, getattr(source, "streaming_response", None)]
    while parts:
        part = parts.pop()
        if hasattr(part, "aclose") and hasattr(part, "status_code"):
            return part
        frame = getattr(part, "ag_frame", None)
        parts.extend(frame.f_locals.values() if frame is not None else ())
    return None


async def close_stream(stream: Any, response: Any) -> None:
    """Close a stream and, if there is one, the response behind it."""
    await stream.aclose()
    if response is not None:
        await response.aclose()


async def result_of(call: Coroutine[Any, Any, Any]) -> Any:
    """Await a call of LiteLLM's so that cancelling it leaves nothing behind.

    LiteLLM builds a request in a thread, as a coroutine that nobody awaits if the caller is cancelled in
    these milliseconds; a cancellation waits them out.
    """
    task = asyncio.ensure_future(call)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while _is_in_thread(task):  # noqa: ASYNC110  LiteLLM tells nobody when the thread is done
            await asyncio.sleep(0.001)
        task.cancel()
        answers: Any = await asyncio.gather(task, return_exceptions=True)
        if hasattr(answers[0], "aclose"):
            await close_stream(answers[0], http_response(answers[0]))
        raise


def _is_in_thread(task: asyncio.Task[Any]) -> bool:
    """Tell whether LiteLLM's own function, and nothing that it awaits, is where a task stands."""
    inner: Any = task.get_coro()
    while inspect.iscoroutine(inner.cr_await):
        inner = inner.cr_await
    return inner.cr_frame is not None and inner.cr_frame.f_globals.get("__name__") == "litellm.main"
