"""Where a call of a typed function goes: to a session, or to a context and a backend."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol, TypeGuard, TypeVar

from attrs import frozen

from mellea.core.backend import Backend
from mellea.core.context import Context
from mellea.core.errors import ClosedError, UsageError
from mellea.core.sampling import SamplingResult

__all__ = ["CallError", "SessionLike", "Target", "split_call"]

S = TypeVar("S")

OVERRIDES = ("requirements", "precondition_requirements", "strategy", "model_options")


class CallError(UsageError, TypeError):
    """A typed function was called with arguments that do not fit."""


class SessionLike(Protocol):
    """What a typed function asks of a session."""

    @property
    def ctx(self) -> Context:
        """What is remembered."""
        ...

    @property
    def backend(self) -> Backend:
        """What generates."""
        ...

    @property
    def plugins(self) -> Sequence[Any]:
        """Plugins of the session, among which strategies are named first."""
        ...

    async def run(
        self,
        call: Callable[[Context, Backend, Mapping[str, Any]], Coroutine[Any, Any, SamplingResult[S]]],
        /,
    ) -> SamplingResult[S]:
        """Carry out a sampling as one turn."""
        ...


@frozen
class Target:
    """What a call works on.

    Args:
        context: The conversation that led here.
        backend: What generates.
        session: The session that both come from; None for a call with explicit state.
    """

    context: Context
    backend: Backend
    session: SessionLike | None = None


def split_call(
    name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> tuple[Target, tuple[Any, ...], dict[str, Any], dict[str, Any]]:
    """Return the target of a call, the function's own arguments, and what the call overrides.

    Raises:
        UsageError: (also a TypeError) There is neither a session nor a context with a backend.
        ClosedError: The session is closed.
    """
    own = dict(kwargs)
    overrides = {key: own.pop(key) for key in OVERRIDES if key in own}
    session, context, backend = (own.pop(key, None) for key in ("m", "context", "backend"))
    if session is None and context is None and args:
        if isinstance(args[0], Context):
            context, args = args[0], args[1:]
        elif _is_session(args[0]):
            session, args = args[0], args[1:]
    if context is not None and backend is None and args and hasattr(args[0], "generate_from_context"):
        backend, args = args[0], args[1:]
    if session is not None:
        if context is not None or backend is not None or not _is_session(session):
            raise _target_error(name)
        if getattr(session, "closed", False):
            raise ClosedError("This session is closed.", hint="Start another one with start_session.")
        return Target(session.ctx, session.backend, session), args, own, overrides
    if not isinstance(context, Context) or not hasattr(backend, "generate_from_context"):
        raise _target_error(name)
    return Target(context, backend), args, own, overrides


def _is_session(value: object) -> TypeGuard[SessionLike]:
    return hasattr(value, "ctx") and hasattr(value, "backend")


def _target_error(name: str) -> CallError:
    return CallError(
        f"{name} needs either a session or a context with a backend before its own arguments.",
        hint=f"Call {name}(m, ...) or {name}(context, backend, ...).",
    )
