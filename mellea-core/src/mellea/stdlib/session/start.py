"""From names and arguments to an open backend and a context."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from mellea.core.backend import Backend
from mellea.core.context import Context
from mellea.core.errors import UsageError
from mellea.plugins.factory import create
from mellea.stdlib.context.simple import SimpleContext

__all__ = ["DEFAULT_BACKEND", "open_backend", "open_context"]

DEFAULT_BACKEND = "ollama"


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
    opened: Backend = create("backend", name, Backend, arguments=arguments, plugins=plugins)
    return opened


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
