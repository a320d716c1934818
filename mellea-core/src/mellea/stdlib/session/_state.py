"""Sessions: a backend and a context, with the verbs threaded through them.

A session adds no semantics of its own. A call that fails leaves its context as it was; calls that overlap are added in the
order in which they end, and none is lost.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Self, TypeVar

from mellea.core.backend import Backend
from mellea.core.component import Span
from mellea.core.context import Context
from mellea.core.errors import ClosedError, UsageError
from mellea.core.event_loop import run_sync
from mellea.core.options import OptionTable, merge_options
from mellea.core.requirement import Requirement, ValidationResult
from mellea.core.sampling import SamplingResult
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib import functional
from mellea.stdlib.context.simple import SimpleContext
from mellea.stdlib.lease import Ownership
from mellea.stdlib.opening import open_backend, open_context
from mellea.stdlib.turns import History
from mellea.stdlib.verbs import Verbs

__all__ = ["MelleaSession", "get_session", "start_backend", "start_session"]

S = TypeVar("S")

_NO_TABLE = OptionTable({}, {})
_current: ContextVar[MelleaSession | None] = ContextVar("mellea_session", default=None)


def get_session() -> MelleaSession:
    """Return the session whose ``with`` block this code runs in.

    Raises:
        UsageError: (also a RuntimeError) There is none.
    """
    session = _current.get()
    if session is None:
        raise _NoSessionError("No session is open here.", hint="Call it inside `with start_session(...):`.")
    return session


class _NoSessionError(UsageError, RuntimeError):
    pass


def _checked(ctx: object) -> Context:
    if not isinstance(ctx, Context):
        raise UsageError(f"{ctx!r} is no context.", hint="Pass an instance such as ChatContext().")
    return ctx


class MelleaSession(Verbs):
    """A backend and a context.

    Use it as a context manager, synchronous or asynchronous; leaving the block closes it. Subclasses keep their class and
    attributes when they are cloned.

    Args:
        backend: What generates.
        ctx: What is remembered; by default a ``SimpleContext``.
        session_id: A name for logs; by default a new UUID.
        model_options: Options of every call of this session, over the backend's and under the call's own.
        strict: Whether it is an error that no attempt of an instruction meets every requirement.
        plugins: Plugins of this session; strategies are named among them before the installed ones.
        owns_backend: Whether closing the session closes the backend. ``start_session`` says True for a backend that it made.
    """

    def __init__(
        self,
        backend: Backend,
        ctx: Context | None = None,
        *,
        session_id: str | None = None,
        model_options: Mapping[str, Any] | None = None,
        strict: bool = False,
        plugins: Iterable[Any] | None = None,
        owns_backend: bool = False,
    ) -> None:
        if not hasattr(backend, "generate_from_context"):
            raise UsageError(
                f"{type(backend).__name__} is no backend.",
                hint="Pass an instance of a Backend, or use start_session.",
            )
        self.id = session_id or str(uuid.uuid4())
        self.backend = backend
        self.model_options = self._canonical(model_options)
        self.strict = strict
        self._plugins = tuple(plugins or ())
        self._turns = History(_checked(ctx) if ctx is not None else SimpleContext())
        self._lease = Ownership(owns_backend=owns_backend)
        self._lease.take(self)
        self._closed = False
        self._outer: list[MelleaSession | None] = []

    # State

    @property
    def ctx(self) -> Context:
        """What is remembered. Setting it replaces it; calls under way are then not added."""
        return self._turns.ctx

    @ctx.setter
    def ctx(self, ctx: Context) -> None:
        self._turns.replace(_checked(ctx))

    @property
    def closed(self) -> bool:
        """Whether the session was closed."""
        return self._closed

    def reset(self) -> None:
        """Forget everything; the context's settings stay."""
        self._turns.replace(self.ctx.new_instance())

    def clone(self) -> Self:
        """Return a session of the same class that shares the backend and begins with the same context."""
        self._check_open()
        return copy.copy(self)

    def __copy__(self) -> Self:
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin.id = str(uuid.uuid4())
        twin.model_options = dict(self.model_options)
        twin._turns = History(self.ctx)
        twin._outer = []
        if not self._closed:
            self._lease.take(twin)
        return twin

    def last_prompt(self) -> list[dict[str, Any]] | None:
        """Return the messages of the last request as they were sent, or None before the first."""
        last = self._turns.last
        log = last.generate_log if last is not None else None
        return log.prompt if log is not None else None

    # Life

    def close(self) -> None:
        """Cancel what is under way and release what the session owns. Closing again does nothing."""
        if not self._closed:
            run_sync(self.aclose())

    cleanup = close

    async def aclose(self) -> None:
        """Asynchronous twin of ``close``."""
        if self._closed:
            return
        self._closed = True
        for thunk in self._turns.pending():
            await thunk.cancel_generation()
        self._turns.cancel_running()
        if self._lease.give_back(self):
            await self.backend.aclose()

    def __enter__(self) -> Self:
        self._check_open()
        self._outer.append(_current.get())
        _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.set(self._outer.pop())
        self.close()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _current.set(self._outer.pop())
        await self.aclose()

    def _check_open(self) -> None:
        if self._closed:
            raise ClosedError("This session is closed.", hint="Start another one with start_session.")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.backend!r}, {self.ctx!r}{', closed' if self._closed else ''}>"

    def _canonical(self, options: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return options under common names: a call's native spelling overrides the session's common one, and the reverse."""
        table: OptionTable = getattr(self.backend, "options", _NO_TABLE)
        return table.canonical(options)

    # Verbs

    async def _turn(
        self,
        action: Span | str,
        *,
        model_options: Mapping[str, Any] | None,
        await_result: bool,
        **kwargs: Any,
    ) -> ModelOutputThunk[Any]:
        """Carry out one turn: start it, wait for it if asked to, and remember it."""
        self._check_open()
        begun = self._turns.begin()
        options = merge_options(self._canonical(self.model_options), self._canonical(model_options))
        thunk, after = await functional.start(
            action, begun.ctx, self.backend, model_options=options, **kwargs
        )
        if self._closed:
            await thunk.cancel_generation()
            self._check_open()
        if await_result:
            with self._turns.watching(thunk):
                await functional.finished(thunk)
        self._turns.commit(begun, after, thunk)
        return thunk

    async def _sampled_turn(
        self,
        action: Span | str,
        *,
        model_options: Mapping[str, Any] | None,
        strict: bool | None,
        **kwargs: Any,
    ) -> SamplingResult[Any]:
        """Carry out one turn as a strategy says, and remember the attempt that it chose."""
        firm = self.strict if strict is None else strict

        def sampling(
            ctx: Context, backend: Backend, options: Mapping[str, Any]
        ) -> Coroutine[Any, Any, SamplingResult[Any]]:
            merged = merge_options(options, self._canonical(model_options))
            return functional.sample(
                action, ctx, backend, model_options=merged, strict=firm, plugins=self._plugins, **kwargs
            )

        return await self.run(sampling)

    async def run(
        self, call: Callable[[Context, Backend, Mapping[str, Any]], Coroutine[Any, Any, SamplingResult[S]]]
    ) -> SamplingResult[S]:
        """Carry out a sampling of one's own as one turn of this session, and remember the attempt that it chose.

        Args:
            call: Takes the context, the backend and the session's options, and makes the attempts.

        Raises:
            ClosedError: The session is closed.
            GenerationCancelledError: The session was closed meanwhile.
        """
        self._check_open()
        begun = self._turns.begin()
        result = await self._turns.run(call(begun.ctx, self.backend, self._canonical(self.model_options)))
        self._turns.commit(begun, result.result_ctx, result.result)
        return result

    async def avalidate(
        self,
        reqs: str | Requirement | Iterable[str | Requirement],
        *,
        output: ModelOutputThunk[Any] | str | None = None,
        input: Span | str | None = None,
        format: Any = None,
        model_options: Mapping[str, Any] | None = None,
    ) -> list[ValidationResult]:
        """Return what each requirement says of the last output, or of another one. See ``Verbs.avalidate``."""
        self._check_open()
        options = merge_options(self._canonical(self.model_options), self._canonical(model_options))
        validating = functional.avalidate(
            reqs, self.ctx, self.backend, output=output, input=input, format=format, model_options=options
        )
        return await self._turns.run(validating)


def start_session(
    backend: str | Backend | None = None,
    model_id: Any = None,
    ctx: Context | str | None = None,
    *,
    context_type: str | None = None,
    model_options: Mapping[str, Any] | None = None,
    plugins: Iterable[Any] | None = None,
    strict: bool = False,
    backend_name: str | None = None,
    **backend_kwargs: Any,
) -> MelleaSession:
    """Open a session.

    Args:
        backend: Name of an installed backend (also ``distribution:name``), or an instance. By default ``MELLEA_BACKEND``, else
            ``ollama``.
        model_id: The model, as text or ``ModelIdentifier``. By default ``MELLEA_MODEL``, else the backend's own default.
        ctx: A context, or the name of a context type. By default a ``SimpleContext``.
        context_type: The name of a context type; another way to say ``ctx``.
        model_options: Options of every call of this session.
        plugins: Modules or objects with hook implementations, for this session only; they go before what is installed.
        strict: Whether it is an error that no attempt of an instruction meets every requirement.
        backend_name: Another name for ``backend``.
        backend_kwargs: Passed on to the backend.

    Raises:
        UnknownPluginError: No installed plugin has that name.
        BackendNotInstalledError: It is a well-known backend that is not installed; the message has the install command.
        PluginError: The plugin is ambiguous or broken.
        UsageError: The arguments contradict each other.
        ProviderError: The backend checks its server or weights when it opens, and they are not there.
    """
    options = _NO_TABLE.canonical(model_options)  # what is wrong shows before a backend opens
    brought = tuple(plugins or ())
    context = open_context(ctx, context_type, brought)
    opened = open_backend(backend, backend_name, model_id, brought, backend_kwargs)
    made_here = not any(opened is given for given in (backend, backend_name))
    return MelleaSession(
        opened, context, model_options=options, strict=strict, plugins=brought, owns_backend=made_here
    )


def start_backend(
    backend_name: str | None = None,
    model_id: Any = None,
    ctx: Context | str | None = None,
    *,
    context_type: str | None = None,
    model_options: Mapping[str, Any] | None = None,
    **backend_kwargs: Any,
) -> tuple[Context, Backend]:
    """Open a context and a backend, for programs that thread their state themselves. See ``start_session``."""
    context = open_context(ctx, context_type, None)
    return context, open_backend(
        None, backend_name, model_id, None, {**backend_kwargs, "model_options": model_options}
    )
