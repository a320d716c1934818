"""The ways to open a session.

They import what carries them out when they are called, so that a program which imports them starts at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mellea._lazy import import_without_gc

if TYPE_CHECKING:
    from os import PathLike

    from mellea.core.backend import Backend
    from mellea.core.context import Context
    from mellea.core.judges import Judge
    from mellea.history import History
    from mellea.stdlib.session.session import MelleaSession

__all__ = ["start_backend", "start_session"]


def start_session(
    backend: str | Backend | None = None,
    model_id: Any = None,
    ctx: Context | str | None = None,
    *,
    context_type: str | None = None,
    model_options: Mapping[str, Any] | None = None,
    plugins: Iterable[Any] | None = None,
    strict: bool = False,
    steer: bool = True,
    judge: Backend | Judge | str | None = None,
    history: str | PathLike[str] | History | bool | None = None,
    backend_name: str | None = None,
    allow_context_type_change: bool = True,
    **backend_kwargs: Any,
) -> MelleaSession:
    """Open a session.

    Args:
        backend: Name of an installed backend (also ``distribution:name``), or an instance. By default
            ``MELLEA_BACKEND``, else ``ollama``.
        model_id: The model, as text or ``ModelIdentifier``. By default ``MELLEA_MODEL``, else the backend's
            own default.
        ctx: A context, or the name of a context type. By default a ``SimpleContext``.
        context_type: The name of a context type; another way to say ``ctx``.
        model_options: Options of every call of this session.
        plugins: What this session brings along: handlers of hooks (functions, plugin objects, sets, names of
            installed ones), and modules with manifests, which go before what is installed.
        strict: Whether it is an error that no attempt of an instruction meets every requirement.
        steer: Whether requirements that have a form steer the decoding, where the backend can.
        judge: Judges requirements that name no judge, where their strategy names none either: a backend, a
            ``Judge``, or ``score``, the word for ``ScoringJudge()``. By default the backend that writes. It
            stays open when the session closes.
        history: The SQLite file in which every request, answer, attempt and verdict is kept, or a
            ``History``; True for ``runs.db``. By default ``MELLEA_HISTORY``, else none; False for none.
        backend_name: Another name for ``backend``.
        allow_context_type_change: Kept for programs that pass it; any type of context may come back.
        backend_kwargs: Passed on to the backend.

    Raises:
        UnknownPluginError: No installed plugin has that name.
        BackendNotInstalledError: It is a well-known backend that is not installed; the message has the
            install command.
        PluginError: The plugin is ambiguous or broken.
        UsageError: The arguments contradict each other, or the history cannot be written.
        ProviderError: The backend checks its server or weights when it opens, and they are not there.
    """
    opened: MelleaSession = _opening().open_session(
        backend,
        model_id,
        ctx,
        context_type=context_type,
        model_options=model_options,
        plugins=plugins,
        strict=strict,
        steer=steer,
        judge=judge,
        backend_name=backend_name,
        history=history,
        backend_kwargs=backend_kwargs,
    )
    return opened


def start_backend(
    backend_name: str | None = None,
    model_id: Any = None,
    ctx: Context | str | None = None,
    *,
    context_type: str | None = None,
    model_options: Mapping[str, Any] | None = None,
    **backend_kwargs: Any,
) -> tuple[Context, Backend]:
    """Open a context and a backend, for programs that thread their state themselves.

    See ``start_session``.
    """
    opening = _opening()
    context = opening.open_context(ctx, context_type, None)
    return context, opening.open_backend(
        None, backend_name, model_id, None, {**backend_kwargs, "model_options": model_options}
    )


def _opening() -> Any:
    return import_without_gc("mellea.stdlib.session._open")
