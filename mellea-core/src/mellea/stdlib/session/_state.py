"""Sessions: a backend and a context, with the verbs threaded through them.

A session adds no semantics of its own. A call that fails leaves its context as it was; calls that overlap are
added in the order in which they end, and none is lost.
"""

from __future__ import annotations

import copy
import functools
import inspect
import os
import uuid
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from mellea._lazy import import_without_gc
from mellea.core.backend import Backend
from mellea.core.context import Context
from mellea.core.errors import ClosedError, UsageError
from mellea.core.event_loop import Closeable, run_sync
from mellea.core.foreign_backend import as_backend
from mellea.core.generate_config import GenerateConfig
from mellea.core.hooks import (
    HookScope,
    current_scope,
    enter_scope,
    fire_in,
    session_layer,
    within,
)
from mellea.core.judges import Judge, backend_of, judging
from mellea.core.options import ModelOption, OptionTable
from mellea.core.requirement import judge_of
from mellea.core.sampling import SamplingResult
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.context.chat import ChatContext
from mellea.stdlib.context.simple import SimpleContext
from mellea.stdlib.sampling._default_strategy import as_strategy
from mellea.stdlib.session._history import History
from mellea.stdlib.session._ownership import Ownership

if TYPE_CHECKING:
    from mellea.stdlib.frameworks.agent_run import AgentRun

__all__ = ["SessionState", "open_blocks"]

S = TypeVar("S")
K = TypeVar("K", bound=Closeable)

_SWITCHES = ("MELLEA_TRACES_ENABLED", "MELLEA_METRICS_ENABLED")
_NO_TABLE = OptionTable({}, {})
open_blocks: ContextVar[tuple[tuple[SessionState, HookScope], ...]] = ContextVar("mellea_session", default=())
"""The sessions whose ``with`` blocks this code is in, the innermost last, each with who listened outside."""


def _check_context(ctx: object) -> Context:
    if not isinstance(ctx, Context):
        raise UsageError(f"{ctx!r} is no context.", hint="Pass an instance such as ChatContext().")
    return ctx


class SessionState:
    """What a session holds and how it lives; ``MelleaSession`` adds the verbs and documents the arguments."""

    def __init__(
        self,
        backend: Backend,
        ctx: Context | None = None,
        *,
        session_id: str | None = None,
        model_options: Mapping[str, Any] | None = None,
        strict: bool = False,
        steer: bool = True,
        judge: Backend | Judge | str | None = None,
        plugins: Iterable[Any] | None = None,
        owns_backend: bool = False,
        allow_context_type_change: bool = True,
    ) -> None:
        as_backend(backend)  # what is none is told here
        self.id = session_id or str(uuid.uuid4())
        self.backend = backend
        self.model_options = self._table.canonical(model_options)
        if not steer:
            self.model_options = {ModelOption.STEER: False, **self.model_options}
        self.strict = strict
        self.judge = judge_of(judge)
        backend_of(self.judge, backend)  # what is none is told here
        if any(os.environ.get(variable) for variable in _SWITCHES):
            plugins = _with_telemetry(plugins or ())
        self.plugins, handlers, attached = _sorted(plugins) if plugins else ((), (), ())
        self._hooks = session_layer(self.id, handlers)
        self._scope = HookScope(self.id, self._hooks)
        self._history = History(self._bound(_check_context(ctx)) if ctx is not None else SimpleContext())
        self._ownership = Ownership()
        if owns_backend:
            self._ownership.owned.push_async_callback(backend.aclose)
        self._ownership.add(self)
        self._closed = False
        self._ended_by: BaseException | None = None
        if attached:
            self._start_plugins(attached)
        self._tell_opened()

    # State

    @property
    def ctx(self) -> Context:
        """What is remembered. Setting it replaces it; calls under way are then not added."""
        return self._history.ctx

    @ctx.setter
    def ctx(self, ctx: Context) -> None:
        self._history.replace(_check_context(ctx))

    @property
    def closed(self) -> bool:
        """Whether the session was closed."""
        return self._closed

    def reset(self) -> None:
        """Forget everything; the context's settings stay."""
        if self._told_scope.listens("session_reset"):
            run_sync(fire_in(self._told_scope, "session_reset", previous_context=self.ctx))
        self._history.replace(self._bound(self.ctx.new_instance()))

    def _bound(self, ctx: Context) -> Context:
        """Return an empty conversation that names no model as one with this backend's."""
        named = getattr(self.backend, "model_id", None)
        if not named or not isinstance(ctx, ChatContext) or not ctx.is_root_node or ctx.model_id is not None:
            return ctx
        return ctx.with_model(named)

    def clone(self) -> Self:
        """Return a session of the same class that shares the backend and begins with the same context."""
        self._check_open()
        return copy.copy(self)

    def __copy__(self) -> Self:
        twin = type(self).__new__(type(self))
        name = str(uuid.uuid4())
        hooks = session_layer(name, self._hooks.handlers)
        own = {
            "id": name,
            "_history": History(self.ctx),
            "_hooks": hooks,
            "_scope": HookScope(name, hooks),
        }
        vars(twin).update({**vars(self), **own})
        twin.model_options = dict(self.model_options)
        if not self._closed:
            self._ownership.add(twin)
            twin._tell_opened()  # noqa: SLF001  the twin's own
        return twin

    def last_prompt(self) -> str | list[dict[str, Any]] | None:
        """Return the messages of the last request as they were sent, or None before the first."""
        last = self._history.last
        log = last.generate_log if last is not None else None
        return log.prompt if log is not None else None

    # Life

    def keep(self, resource: K) -> K:
        """Return something that is closed with the session, and with the last of its clones.

        Args:
            resource: What has ``aclose``, such as the client of an MCP server.

        Raises:
            ClosedError: The session is closed.
        """
        self._check_open()
        self._ownership.owned.push_async_callback(resource.aclose)
        return resource

    def close(self) -> None:
        """Cancel what is under way and release what the session owns. Closing again does nothing."""
        if not self._closed:
            run_sync(self.aclose())

    def cleanup(self, *, exception: BaseException | None = None) -> None:
        """Close the session.

        Args:
            exception: What has happened in it, for the handlers of hooks.
        """
        self._ended_by = exception
        self.close()

    @classmethod
    def powerup(cls, powerup_cls: type) -> None:
        """Make every function of a class a method of this class of sessions."""
        for name, member in vars(powerup_cls).items():
            if inspect.isfunction(member):
                setattr(cls, name, member)

    async def aclose(self) -> None:
        """Asynchronous twin of ``close``."""
        if self._closed:
            return
        self._closed = True
        for thunk in self._history.pending():
            await thunk.cancel_generation()
        self._history.interrupt()
        try:
            if self._told_scope.listens("any"):
                await self._tell_closed()
        finally:
            await self._ownership.release(self)

    async def _tell_closed(self) -> None:
        from mellea.core.hook_tasks import drain_background_tasks  # noqa: PLC0415  only where somebody listens

        try:
            await fire_in(
                self._told_scope,
                "session_cleanup",
                context=self.ctx,
                interaction_count=self._history.turns,
                exception=self._ended_by,
            )
        finally:
            await drain_background_tasks(self.id)

    def _tell_opened(self) -> None:
        scope = self._told_scope
        if scope.listens("session_post_init"):
            model = getattr(self.backend, "model_id", None)
            run_sync(fire_in(scope, "session_post_init", model_id=model, context=self.ctx))

    def _start_plugins(self, plugins: Sequence[Any]) -> None:
        """Let plugin objects begin, and end with the last clone."""
        from mellea.plugins.base import start_plugins, stop_plugins  # noqa: PLC0415  few sessions have any

        run_sync(start_plugins(plugins))
        self._ownership.owned.push_async_callback(stop_plugins, plugins)

    @property
    def _told_scope(self) -> HookScope:
        """Who listens to a call of this session: its own handlers, and those of the blocks around it."""
        blocks, scope = current_scope().blocks, self._scope
        if scope.blocks is not blocks or scope.session_id != self.id:
            scope = self._scope = HookScope(self.id, self._hooks, blocks)
        return scope

    def __enter__(self) -> Self:
        self._check_open()
        open_blocks.set((*open_blocks.get(), (self, current_scope())))
        enter_scope(self._told_scope)
        return self

    def _leave(self) -> None:
        """Leave the innermost block of this session, around which others may still be open."""
        blocks = open_blocks.get()
        at = max((at for at, (session, _) in enumerate(blocks) if session is self), default=None)
        if at is None:  # another task entered it
            return
        outside, within = blocks[at][1], blocks[at + 1 :]
        if within:
            within = ((within[0][0], outside), *within[1:])
        else:
            enter_scope(outside)
        open_blocks.set((*blocks[:at], *within))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()
        self._ended_by = error
        self.close()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()
        self._ended_by = error
        await self.aclose()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError(
                "This session is closed: its with block has ended, or it was closed.",
                hint="Ask within the block; or write m = start_session(...), and m.close() at the end.",
            )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.backend!r}, {self.ctx!r}{', closed' if self._closed else ''}>"

    @property
    def _table(self) -> OptionTable:
        table = getattr(self.backend, "options", None)
        return table if isinstance(table, OptionTable) else _NO_TABLE

    # Turns

    async def _turn(
        self,
        verb: Callable[..., Coroutine[Any, Any, tuple[Any, Context]]],
        *asked: Any,
        waits: bool = False,
        **options: Any,
    ) -> Any:
        """Carry out a functional verb on what is remembered, and remember what it adds.

        Closing the session ends it.

        Args:
            verb: The verb.
            asked: What it is asked for.
            waits: Whether to wait for an output that the verb returns on its way.
            options: The call's options; the session's go below them.
        """
        self._check_open()
        begun = self._history.begin()
        with self._at_work():
            unchecked = getattr(verb, "__wrapped__", verb)  # this session's own has looked at the options
            result, after = await unchecked(*asked, begun.ctx, self.backend, **self._with_defaults(options))
        output = _output(result, after)
        if self._closed and not output.is_computed():
            await output.cancel_generation()
            self._check_open()
        if waits and not output.is_computed():
            await self._history.wait(output)
        self._history.commit(begun, after, output)
        return result

    def _with_defaults(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of a call with what the session says where the call says nothing."""
        strategy = options.get("strategy")
        if strategy is not None:
            strict = options.get("strict")
            options = {
                **options,
                "strategy": as_strategy(strategy, self.plugins),
                "strict": self.strict if strict is None else strict,
            }
        return {**options, "model_options": self._over_own(options.get("model_options"))}

    def _over_own(self, options: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """Return the options of a call over the session's.

        A native spelling overrides a common one, and the reverse.
        """
        if not options or not self.model_options:
            return options or self.model_options
        return GenerateConfig(options=options).over(self.model_options, table=self._table).options

    async def run(
        self, call: Callable[[Context, Backend, Mapping[str, Any]], Coroutine[Any, Any, SamplingResult[S]]]
    ) -> SamplingResult[S]:
        """Carry out one's own sampling as one turn of this session, and remember the attempt that it chose.

        Args:
            call: Takes the context, the backend and the session's options, and makes the attempts.

        Raises:
            ClosedError: The session is closed.
            GenerationCancelledError: The session was closed meanwhile.
        """
        self._check_open()
        begun = self._history.begin()
        with self._at_work():
            result = await call(begun.ctx, self.backend, self._over_own(None))
        self._history.commit(begun, result.result_ctx, result.result)
        return result

    async def _begin(
        self, verb: Callable[..., Coroutine[Any, Any, AgentRun[Any]]], *asked: Any, **options: Any
    ) -> AgentRun[Any]:
        """Return a run on what is remembered that is read step by step; its answer is then remembered."""
        self._check_open()
        begun = self._history.begin()
        with within(self._told_scope), judging(self.judge):
            run = await verb(*asked, begun.ctx, self.backend, **self._with_defaults(options))
        return run.within(self._step, functools.partial(self._history.commit, begun))

    def _at_work(self) -> AbstractContextManager[None]:
        """Let closing the session end what runs in a block, its handlers listen, and its judge judge."""
        return _All(self._history.interruptible(), within(self._told_scope), judging(self.judge))

    @contextmanager
    def _step(self) -> Iterator[None]:
        """Let closing the session end what runs in a block."""
        self._check_open()
        with self._at_work():
            yield

    async def _look(self, verb: Callable[..., Coroutine[Any, Any, S]], *asked: Any, **options: Any) -> S:
        """Carry out a functional verb on what is remembered; nothing is added.

        Closing the session ends it.
        """
        self._check_open()
        with self._at_work():
            return await verb(*asked, self.ctx, self.backend, **self._with_defaults(options))


class _All:
    """Several blocks as one; entering and leaving them costs less than a generator.

    Args:
        blocks: The blocks, of which only the first may raise an error.
    """

    __slots__ = ("_blocks",)

    def __init__(self, *blocks: AbstractContextManager[None]) -> None:
        self._blocks = blocks

    def __enter__(self) -> None:
        for block in self._blocks:
            block.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for block in reversed(self._blocks):
            block.__exit__(kind, error, trace)


def _with_telemetry(plugins: Iterable[Any]) -> Sequence[Any]:
    """Return what a session brings along, with the handler of traces that the environment switches on."""
    given = list(plugins)
    telemetry = import_without_gc("mellea.telemetry.switched_on")
    found: Any = telemetry.switched_on(given)
    return given if found is None else [*given, found]


def _sorted(plugins: Iterable[Any]) -> tuple[tuple[Any, ...], Sequence[Any], Sequence[Any]]:
    """Return the modules with manifests that a session brings along, its handlers, and its plugin objects."""
    from mellea.plugins.attaching import brings_hooks, implemented, opened  # noqa: PLC0415  few bring any
    from mellea.plugins.base import handlers_of, plugins_in  # noqa: PLC0415

    given = opened(plugins)
    attached = [item for item in given if brings_hooks(item)]
    modules = tuple(item for item in given if not brings_hooks(item))
    handlers = handlers_of(attached) + [handler for module in modules for handler in implemented(module)]
    return modules, handlers, plugins_in(attached)


def _output(result: Any, after: Context) -> ModelOutputThunk[Any]:
    """Return the output that a turn came to: what a verb returns may be made of it."""
    if isinstance(result, SamplingResult):
        result = result.result
    output = result if isinstance(result, ModelOutputThunk) else after.last_output()
    return output if output is not None else ModelOutputThunk("")
