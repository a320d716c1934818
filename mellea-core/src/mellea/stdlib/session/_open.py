"""What the ways to open a session are made of; ``start`` imports it when it is first needed."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mellea.core.backend import Backend
from mellea.core.context import Context
from mellea.core.errors import PluginError, UsageError
from mellea.core.event_loop import run_sync
from mellea.core.hooks import HookLayer, current_scope, fire_in, listens
from mellea.core.judges import Judge
from mellea.core.options import OptionTable
from mellea.core.requirement import judge_of
from mellea.plugins.factory import create
from mellea.stdlib.context.simple import SimpleContext
from mellea.stdlib.session.session import MelleaSession

__all__ = ["DEFAULT_BACKEND", "open_backend", "open_context", "open_session"]

DEFAULT_BACKEND = "ollama"


def open_session(
    backend: str | Backend | None,
    model_id: Any,
    ctx: Context | str | None,
    *,
    context_type: str | None,
    model_options: Mapping[str, Any] | None,
    plugins: Iterable[Any] | None,
    strict: bool,
    steer: bool,
    judge: Backend | Judge | str | None,
    backend_name: str | None,
    history: Any,
    backend_kwargs: Mapping[str, Any],
) -> MelleaSession:
    """Open a session, as ``start_session`` says."""
    options = OptionTable({}, {}).canonical(model_options)  # what is wrong shows before a backend opens
    judge = judge_of(judge)
    brought, modules = _opened(plugins) if plugins else ((), ())
    if history is None:
        history = os.environ.get("MELLEA_HISTORY")
    if history:
        brought = (*brought, _opened_history(history))
    context = open_context(ctx, context_type, modules)
    session_id = str(uuid.uuid4())
    if brought or listens("session_pre_init"):
        told = _tell_opening(session_id, brought, backend or backend_name, model_id, options, context)
        model_id = told.get("model_id", model_id)
        options = OptionTable({}, {}).canonical(told.get("model_options", options))
    opened = open_backend(backend, backend_name, model_id, modules, backend_kwargs)
    made_here = not any(opened is given for given in (backend, backend_name))
    try:
        return MelleaSession(
            opened,
            context,
            session_id=session_id,
            model_options=options,
            strict=strict,
            steer=steer,
            judge=judge,
            plugins=brought,
            owns_backend=made_here,
        )
    except (PluginError, UsageError):  # a handler of a hook does not let the session be, or the judge is none
        if made_here:
            run_sync(opened.aclose())
        raise


def _opened(plugins: Iterable[Any]) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return what a session brings along, and the modules with manifests among it."""
    from mellea.plugins.attaching import brings_hooks, opened  # noqa: PLC0415  few sessions bring any

    brought = opened(plugins)
    return brought, [item for item in brought if not brings_hooks(item)]


def _opened_history(given: Any) -> Any:
    from mellea.history.history import open_history  # noqa: PLC0415  few sessions keep one

    return open_history(given)


def _tell_opening(
    session_id: str,
    plugins: Sequence[Any],
    backend: str | Backend | None,
    model_id: Any,
    options: Mapping[str, Any],
    context: Context,
) -> Mapping[str, Any]:
    """Tell the handlers of hooks that a session is about to open, and return what they change."""
    from mellea.plugins.attaching import brings_hooks, implemented  # noqa: PLC0415  see above
    from mellea.plugins.base import handlers_of  # noqa: PLC0415

    own = HookLayer(
        [one for item in plugins for one in (handlers_of if brings_hooks(item) else implemented)(item)]
    )
    name = backend or os.environ.get("MELLEA_BACKEND") or DEFAULT_BACKEND
    return run_sync(
        fire_in(
            current_scope().of_session(session_id, own),
            "session_pre_init",
            backend_name=name if isinstance(name, str) else type(name).__name__,
            model_id=model_id,
            model_options=options,
            context_type=type(context).__name__,
        )
    )


def open_backend(
    backend: str | Backend | None,
    backend_name: str | None,
    model_id: Any,
    plugins: Iterable[Any] | None,
    kwargs: Mapping[str, Any],
) -> Backend:
    """Return the backend that the arguments of ``start_session`` name; see there."""
    if backend is not None and backend_name is not None:
        raise UsageError("Both backend and backend_name are given.", hint="Leave backend_name out.")
    chosen = backend if backend is not None else backend_name
    if isinstance(chosen, type):
        raise UsageError(
            f"{chosen.__name__} is a class, no backend yet.",
            hint=f"Pass an instance, {chosen.__name__}(...), or a name, such as {_name_of(chosen)!r}.",
        )
    if chosen is not None and not isinstance(chosen, str):
        if model_id is not None or kwargs:
            raise UsageError(
                "A backend instance is already open: model_id and backend arguments do not apply.",
                hint="Pass them to the backend's class, or name the backend instead.",
            )
        return chosen
    default = os.environ.get("MELLEA_BACKEND") or DEFAULT_BACKEND
    name = default if chosen is None else chosen
    if model_id is None and name == default:
        model_id = os.environ.get("MELLEA_MODEL") or None
    arguments = {
        key: value for key, value in kwargs.items() if not (key == "model_options" and value is None)
    }
    if model_id is not None:
        arguments["model_id"] = model_id

    def create_one(name: str, arguments: Mapping[str, Any]) -> Backend:
        created: Backend = create("backend", name, Backend, arguments=arguments, plugins=plugins)
        return created

    if ":" in name:  # of a composition, or of a plugin with its distribution
        from mellea.composition.names import is_composition, open_composition  # noqa: PLC0415  few names have one

        if is_composition(name):
            return open_composition(name, create_one, arguments)
    return create_one(name, arguments)


def _name_of(backend: type) -> str:
    return str(getattr(backend, "provider", DEFAULT_BACKEND))


def open_context(
    ctx: Context | str | None, context_type: str | None, plugins: Iterable[Any] | None
) -> Context:
    """Return the context that the arguments of ``start_session`` name; see there."""
    if ctx is not None and context_type is not None:
        raise UsageError("Both ctx and context_type are given.", hint="Leave one of them out.")
    chosen = ctx if ctx is not None else context_type
    if chosen is None:
        return SimpleContext()
    if isinstance(chosen, Context):
        return chosen
    if not isinstance(chosen, str):
        raise UsageError(
            f"{chosen!r} is no context.",
            hint='Pass an instance such as ChatContext(), or a name such as "chat".',
        )
    context: Context = create("context", chosen, Context, plugins=plugins)
    return context
