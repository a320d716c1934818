"""Hook points: where others may look at a call, change it, or stop it.

Whatever fires a hook asks first whether anybody listens, which costs a fraction of a microsecond, and only
then says what happens::

    if listens("tool_pre_invoke"):
        changed = await fire("tool_pre_invoke", tool_invocation_id=name, model_tool_call=call)

Handlers are attached in layers: one for the process, one for each session, one for each ``with`` block. The
scope of a call is a context variable, so that it goes along into the tasks, loops and threads that the call
uses, and into no other call. What handlers and payloads are stands in ``hook_dispatch`` and
``hook_payloads``, which come with the first handler.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar, Token
from threading import RLock
from types import MethodType
from typing import Any, Protocol, cast
from weakref import WeakMethod, WeakValueDictionary

from mellea.core.hook_names import HookFamily, HookName
from mellea.core.setting import Setting

__all__ = [
    "AROUND",
    "AWAITED",
    "PROCESS",
    "SESSIONS",
    "HookLayer",
    "HookScope",
    "Listener",
    "around",
    "current_scope",
    "enter_around",
    "enter_scope",
    "fire",
    "fire_in",
    "leave_around",
    "leave_scope",
    "listens",
    "session_layer",
    "within",
]


class Listener(Protocol):
    """A handler, as far as it matters here."""

    @property
    def key(self) -> object:
        """What tells it from others."""
        ...

    def table(self, handlers: Sequence[Any]) -> Mapping[str, Sequence[Any]]:
        """Return handlers by the hooks, and the families of hooks, that they listen to."""
        ...

    async def dispatch(
        self,
        handlers: Sequence[Any],
        name: str,
        fields: Mapping[str, Any],
        session_id: str | None,
        request_id: str,
    ) -> Mapping[str, Any]:
        """Call the handlers of a hook, and return the fields that they change."""
        ...


class HookLayer:
    """Handlers that are attached and taken off together.

    Args:
        handlers: The handlers.
    """

    __slots__ = ("__weakref__", "_table", "handlers")

    def __init__(self, handlers: Sequence[Listener] = ()) -> None:
        self.handlers = tuple(handlers)
        self._table: Mapping[str, Sequence[Listener]] | None = None

    @property
    def table(self) -> Mapping[str, Sequence[Listener]]:
        """The handlers by what they listen to, where no other layer has any."""
        if self._table is None:
            self._table = self.handlers[0].table(self.handlers)
        return self._table

    def replace(self, handlers: Sequence[Listener]) -> None:
        """Attach others instead; calls under way see it at their next hook point."""
        global _changes  # noqa: PLW0603  scopes compare it with what they have seen
        self.handlers, self._table = tuple(handlers), None
        _changes = next(_counter)

    def add(self, handlers: Sequence[Listener]) -> None:
        """Attach more of them; those that are attached already stay as they are."""
        with _changing:
            known = {handler.key for handler in self.handlers}
            if more := [handler for handler in handlers if handler.key not in known]:
                self.replace((*self.handlers, *more))

    def remove(self, handlers: Sequence[Listener]) -> None:
        """Take some off."""
        gone = {handler.key for handler in handlers}
        with _changing:
            if any(handler.key in gone for handler in self.handlers):
                self.replace([handler for handler in self.handlers if handler.key not in gone])


PROCESS = HookLayer()
"""The handlers that listen to every call."""
_changing = RLock()  # of every layer: two threads that change one lose nothing
_counter = itertools.count(1)  # two threads at once get two numbers
_changes = 0
"""How often handlers were attached or taken off."""
SESSIONS: WeakValueDictionary[str, HookLayer] = WeakValueDictionary()
"""The handlers of each session that is open, by its id."""
AWAITED: dict[str, HookLayer] = {}
"""Handlers of sessions that are not open yet."""


def session_layer(session_id: str, handlers: Sequence[Listener] = ()) -> HookLayer:
    """Return the handlers of a session that opens.

    Args:
        session_id: The session.
        handlers: Those that it brings along.
    """
    layer = HookLayer(handlers)
    if AWAITED and (awaited := AWAITED.pop(session_id, None)) is not None:
        layer.add(awaited.handlers)
    SESSIONS[session_id] = layer
    return layer


class HookScope:
    """Who listens to a call: the process's handlers, its session's, and those of the blocks around it.

    Args:
        session_id: The session whose call it is.
        session: That session's handlers.
        blocks: Those of the ``with`` blocks, the outermost first.
        request_id: The call of a verb.
    """

    __slots__ = ("_seen", "blocks", "request_id", "session", "session_id", "table")

    def __init__(
        self,
        session_id: str | None = None,
        session: HookLayer | None = None,
        blocks: tuple[HookLayer, ...] = (),
        request_id: str = "",
    ) -> None:
        self.session_id, self.session, self.blocks, self.request_id = session_id, session, blocks, request_id
        self.table: Mapping[str, Sequence[Listener]] = {}
        self._seen = -1

    def listens(self, name: HookName | HookFamily) -> bool:
        """Tell whether anybody listens to a hook, or to one of a family."""
        if self._seen != _changes:
            self._look()
        return name in self.table

    def _look(self) -> None:
        self._seen = _changes
        layers = [
            layer for layer in (PROCESS, self.session, *self.blocks) if layer is not None and layer.handlers
        ]
        if len(layers) > 1:
            handlers = [handler for layer in layers for handler in layer.handlers]
            self.table = handlers[0].table(handlers)
        else:
            self.table = layers[0].table if layers else {}

    def of_session(self, session_id: str, session: HookLayer) -> HookScope:
        """Return the scope of a session's call within the same blocks."""
        return HookScope(session_id, session, self.blocks)

    def with_block(self, block: HookLayer) -> HookScope:
        """Return the scope within one more block."""
        return HookScope(self.session_id, self.session, (*self.blocks, block), self.request_id)

    def without_block(self, block: HookLayer) -> HookScope:
        """Return the scope outside of a block."""
        others = tuple(one for one in self.blocks if one is not block)
        return HookScope(self.session_id, self.session, others, self.request_id)

    def of_request(self, request_id: str) -> HookScope:
        """Return the scope of one call of a verb; of a verb within a verb, the outer one's."""
        if self.request_id:
            return self
        scope = HookScope(self.session_id, self.session, self.blocks, request_id)
        scope.table, scope._seen = self.table, self._seen  # the same listen
        return scope


_current: ContextVar[HookScope] = ContextVar("mellea_hooks", default=HookScope())  # noqa: B039  it only caches


def listens(name: HookName | HookFamily) -> bool:
    """Tell whether anybody listens to a hook here, or to one of a family."""
    scope = _current.get()
    if scope._seen != _changes:  # noqa: SLF001  a call less on the way of every call
        scope._look()  # noqa: SLF001
    return name in scope.table


def current_scope() -> HookScope:
    """Return who listens here."""
    return _current.get()


def enter_scope(scope: HookScope) -> Token[HookScope]:
    """Let others listen from here on, and return what ends it."""
    return _current.set(scope)


def leave_scope(token: Token[HookScope]) -> None:
    """Let those listen who did before."""
    _current.reset(token)


def within(scope: HookScope) -> AbstractContextManager[None]:
    """Let others listen in a block."""
    return Setting(_current, scope)


AROUND: dict[int, WeakMethod[Callable[[str], AbstractContextManager[object]]]] = {}
"""What handlers want entered around the work that they were told the id of, as a tracer its current span.

By the ids of their objects, and changed by single operations of the dictionary: threads enter and leave, and
the garbage collector takes out what is gone, while others look through it.
"""


def enter_around(method: Callable[[str], AbstractContextManager[object]]) -> None:
    """Let a method of a handler say what is entered around each call, as long as there is the handler."""
    number = _of_object(method)
    AROUND[number] = WeakMethod(method, lambda _: AROUND.pop(number, None))


def leave_around(method: Callable[[str], AbstractContextManager[object]]) -> None:
    """Enter no more around calls what a method says."""
    AROUND.pop(_of_object(method), None)


def _of_object(method: Callable[..., object]) -> int:
    return id(cast("MethodType", method).__self__)


def around(call_id: str) -> AbstractContextManager[None]:
    """Enter what handlers want entered around a call, in the task that carries it out."""
    return _around(call_id) if AROUND else nullcontext()


@contextmanager
def _around(call_id: str) -> Iterator[None]:
    with ExitStack() as stack:
        for kept in AROUND.copy().values():
            if (method := kept()) is not None:
                stack.enter_context(method(call_id))
        yield


async def fire(name: HookName, /, **fields: Any) -> Mapping[str, Any]:
    """Tell everybody who listens here what happens; see ``fire_in``."""
    return await fire_in(_current.get(), name, **fields)


async def fire_in(scope: HookScope, name: HookName, /, **fields: Any) -> Mapping[str, Any]:
    """Tell everybody who listens in a scope what happens.

    Args:
        scope: Who listens.
        name: The hook.
        fields: What its payload says.

    Returns:
        The fields that handlers have changed, with their new values.

    Raises:
        PluginViolationError: A handler stops the call.
        HookFailedError: A handler that may stop it has failed.
    """
    if not scope.listens(name):
        return {}
    handlers = scope.table[name]
    return await handlers[0].dispatch(handlers, name, fields, scope.session_id, scope.request_id)
