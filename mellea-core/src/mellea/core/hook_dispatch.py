"""Handlers of hooks: calling them, and carrying out what they decide."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, get_args

from attrs import field, frozen

from mellea.core._error_words import words_of
from mellea.core.errors import HookFailedError, MelleaError, PluginViolationError
from mellea.core.event_loop import gather_or_cancel, in_thread
from mellea.core.hook_handlers import (
    HookContext,
    HookType,
    PluginMode,
    PluginResult,
    PluginViolation,
)
from mellea.core.hook_names import HookFamily
from mellea.core.hook_payloads import PAYLOADS, MelleaBasePayload
from mellea.core.hook_tasks import start_background_task

__all__ = ["DEFAULT_PRIORITY", "DEFAULT_TIMEOUT", "Handler"]

DEFAULT_PRIORITY = 50
DEFAULT_TIMEOUT = 5.0
"""Seconds that a coroutine may take, unless its handler says so."""
_ORDER = {mode: place for place, mode in enumerate(PluginMode)}

_log = logging.getLogger("mellea.hooks")
_running: ContextVar[tuple[Handler, ...]] = ContextVar("mellea_running_handlers", default=())
"""The handlers at work here: what they ask of a model does not call them again."""
_TRANSFORM, _AUDIT, _CONCURRENT = PluginMode.TRANSFORM, PluginMode.AUDIT, PluginMode.CONCURRENT
_FIRE_AND_FORGET = PluginMode.FIRE_AND_FORGET


@frozen(eq=False)
class Handler:
    """A function that listens to one hook.

    Args:
        function: Takes a payload and a ``HookContext``; plain or asynchronous.
        hook: The hook.
        mode: What it may do.
        priority: Those with lower ones are called first.
        name: What errors and logs call it.
        timeout: Seconds that it may take; None for ``DEFAULT_TIMEOUT``, which holds for coroutines alone. A
            plain function with one of its own runs in a thread.
    """

    function: Callable[..., Any]
    hook: HookType = field(converter=HookType)
    mode: PluginMode = field(default=PluginMode.SEQUENTIAL, converter=PluginMode)
    priority: int = DEFAULT_PRIORITY
    name: str = ""
    timeout: float | None = None
    is_async: bool = field(init=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "is_async", inspect.iscoroutinefunction(self.function))
        if not self.name:
            named = getattr(self.function, "__name__", type(self.function).__name__)
            object.__setattr__(self, "name", named)

    @property
    def key(self) -> tuple[str, object]:
        """What tells it from others: attached twice, it is called once."""
        return self.hook, self.function

    def table(self, handlers: Sequence[Handler]) -> Mapping[str, Sequence[Handler]]:
        """Return handlers by their hook, in the order in which they are called; each once.

        The families that somebody listens to are keys, too.
        """
        return _by_hook(handlers)

    async def dispatch(
        self,
        handlers: Sequence[Handler],
        name: str,
        fields: Mapping[str, Any],
        session_id: str | None,
        request_id: str,
    ) -> Mapping[str, Any]:
        """Call the handlers of a hook, and carry out what they decide; see ``hooks.fire_in``."""
        return await _dispatch(handlers, name, fields, session_id, request_id)


def _by_hook(handlers: Sequence[Handler]) -> dict[str, tuple[Handler, ...]]:
    distinct: dict[object, Handler] = {}
    for handler in handlers:
        distinct.setdefault(handler.key, handler)
    table: dict[str, list[Handler]] = {}
    for handler in sorted(distinct.values(), key=lambda one: (_ORDER[one.mode], one.priority)):
        table.setdefault(handler.hook.value, []).append(handler)
    families: dict[str, tuple[Handler, ...]] = {
        family: ()
        for family in get_args(HookFamily)
        if family == "any" or any(hook.partition("_")[0] == family for hook in table)
    }
    return {**families, **{hook: tuple(found) for hook, found in table.items()}}


async def _dispatch(
    handlers: Sequence[Handler],
    name: str,
    fields: Mapping[str, Any],
    session_id: str | None,
    request_id: str,
) -> Mapping[str, Any]:
    payload = PAYLOADS[name](session_id=session_id, request_id=request_id, **fields)
    ctx = HookContext(name, session_id, request_id)
    changes: dict[str, Any] = {}
    stopped: MelleaError | None = None
    beside: list[Handler] = []
    busy = _running.get()
    for handler in handlers:
        if busy and any(handler.function == one.function for one in busy):
            continue
        if handler.mode is _FIRE_AND_FORGET:
            start_background_task(_observed(handler, payload, ctx), session_id)
        elif handler.mode is _CONCURRENT:
            beside.append(handler)
        elif handler.mode is _AUDIT:
            await _observed(handler, payload, ctx)
        elif stopped is None:
            stopped, taken = await _decided(handler, payload, ctx)
            if taken:
                changes |= taken
                payload = payload.model_copy(update=taken)
    if beside and stopped is None:
        said = await gather_or_cancel(_decided(handler, payload, ctx) for handler in beside)
        stopped = next((error for error, _ in said if error is not None), None)
    if stopped is not None:
        raise stopped
    return changes


async def _decided(
    handler: Handler, payload: MelleaBasePayload, ctx: HookContext
) -> tuple[MelleaError | None, Mapping[str, Any]]:
    """Return what stops the call, or None, and the fields that the handler changes."""
    try:
        result = await _result_of(handler, payload, ctx)
    except _HandlerFailed as failed:
        failure = HookFailedError(
            f"Handler {handler.name!r} of {payload.hook} {failed}; the call does not go on without it.",
            hint="Mend the handler, or attach it as an observer (mode audit), whose failures are logged.",
        )
        failure.__cause__ = failed.__cause__
        return failure, {}
    if result is None:
        return None, {}
    if not result.continue_processing:
        if handler.mode is _TRANSFORM:
            _log.warning(
                "Handler %r of %s would stop the call, which its mode does not allow.",
                handler.name,
                payload.hook,
            )
            return None, {}
        return _violation(handler, payload, result.violation), {}
    modified = result.modified_payload
    if modified is None or handler.mode is _CONCURRENT:
        return None, {}
    return None, {
        field: value
        for field in payload.writable
        if (value := getattr(modified, field)) is not getattr(payload, field)
    }


def _violation(
    handler: Handler, payload: MelleaBasePayload, said: PluginViolation | None
) -> PluginViolationError:
    said = said or PluginViolation("it gives no reason")
    return PluginViolationError(
        payload.hook,
        said.reason,
        said.code,
        handler.name,
        description=said.description,
        details=said.details,
    )


async def _observed(handler: Handler, payload: MelleaBasePayload, ctx: HookContext) -> None:
    """Call a handler that only looks on; what is wrong with it is logged."""
    try:
        result = await _result_of(handler, payload, ctx)
    except _HandlerFailed as failed:
        _log.warning(
            "Handler %r of %s %s; the call goes on.",
            handler.name,
            payload.hook,
            failed,
            exc_info=failed.__cause__,
        )
        return
    if result is not None and not result.continue_processing:
        said = result.violation
        _log.warning(
            "Handler %r of %s would stop the call: %s",
            handler.name,
            payload.hook,
            said.reason if said else "",
        )


class _HandlerFailed(Exception):  # noqa: N818  it never leaves this module
    """What is wrong with a handler, as the end of a sentence; the cause is chained."""


async def _result_of(handler: Handler, payload: MelleaBasePayload, ctx: HookContext) -> PluginResult | None:
    """Return what a handler decides.

    Raises:
        _HandlerFailed: It raised, took too long, or returned something else.
    """
    token = _running.set((*_running.get(), handler))
    try:
        result = await _called(handler, payload, ctx)
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise _HandlerFailed("was cancelled") from error
    except Exception as error:
        raise _HandlerFailed(_in_words(handler, error)) from error
    finally:
        _running.reset(token)
    if result is None:
        return None
    if isinstance(result, PluginResult):
        return _checked(result, payload)
    raise _HandlerFailed(f"returned {type(result).__name__} instead of None, modify(...) or block(...)")


class _TooLong(Exception):  # noqa: N818  it never leaves this module
    pass


async def _called(handler: Handler, payload: MelleaBasePayload, ctx: HookContext) -> Any:
    if not handler.is_async and handler.timeout is None:
        result = handler.function(payload, ctx)
        if result is None or not inspect.isawaitable(result):
            return result
        return await _in_time(handler, result)
    if handler.is_async:
        return await _in_time(handler, handler.function(payload, ctx))
    return await _in_time(handler, in_thread(handler.function, payload, ctx))


async def _in_time(handler: Handler, work: Any) -> Any:
    try:
        async with asyncio.timeout(_limit(handler)) as clock:
            return await work
    except TimeoutError as error:
        if clock.expired():
            raise _TooLong from error
        raise


def _limit(handler: Handler) -> float:
    return DEFAULT_TIMEOUT if handler.timeout is None else handler.timeout


def _in_words(handler: Handler, error: Exception) -> str:
    if isinstance(error, _TooLong):
        return f"took longer than {_limit(handler):g} s"
    return f"raised {type(error).__name__}: {words_of(error)}".rstrip(": .")


def _checked(result: PluginResult, payload: MelleaBasePayload) -> PluginResult:
    modified = result.modified_payload
    if modified is not None and type(modified) is not type(payload):
        raise _HandlerFailed(f"changed the payload into {type(modified).__name__}")
    return result
