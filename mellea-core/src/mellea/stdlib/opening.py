"""From names and arguments to an open backend and a context."""

from __future__ import annotations

import difflib
import inspect
import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mellea.core.backend import Backend
from mellea.core.context import Context
from mellea.core.errors import MelleaError, PluginLoadError, UsageError
from mellea.stdlib.context.simple import SimpleContext

if TYPE_CHECKING:
    from mellea.plugins.discovery import Registration

__all__ = ["DEFAULT_BACKEND", "made", "open_backend", "open_context"]

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
    from mellea.plugins.discovery import registrations_of  # noqa: PLC0415  pluggy costs 20 ms, and only opening by name needs it
    from mellea.plugins.manifests import BackendManifest  # noqa: PLC0415
    from mellea.plugins.registry import registry  # noqa: PLC0415

    registration = registry().resolve("backend", name, registrations_of(plugins or ()))
    manifest = registration.manifest
    if model_id is None and isinstance(manifest, BackendManifest):
        model_id = manifest.default_model_id
    arguments = {
        key: value for key, value in kwargs.items() if not (key == "model_options" and value is None)
    }
    if model_id is not None:
        arguments["model_id"] = model_id
    opened: Backend = made(registration, arguments)
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
    from mellea.plugins.discovery import registrations_of  # noqa: PLC0415  pluggy costs 20 ms, and only opening by name needs it
    from mellea.plugins.registry import registry  # noqa: PLC0415

    context: Context = made(registry().resolve("context", chosen, registrations_of(plugins or ())), {})
    return context


def made(registration: Registration, arguments: Mapping[str, Any]) -> Any:
    """Import the factory that a plugin registers, and call it.

    Raises:
        UsageError: The factory takes no such argument, or needs another one.
        PluginLoadError: It cannot be imported, or raises.
    """
    from mellea.plugins.registry import load_factory  # noqa: PLC0415  pluggy costs 20 ms, and only opening by name needs it

    factory = load_factory(registration)
    name = registration.manifest.name
    _check_arguments(factory, arguments, name)
    try:
        return factory(**arguments)
    except MelleaError:
        raise
    except Exception as error:
        raise PluginLoadError(
            f"Plugin {name!r} of {registration.source} could not open: {type(error).__name__}: {error}.",
            hint=registration.manifest.install_hint or "The original error is chained to this one.",
            backend=name,
        ) from error


def _check_arguments(factory: Any, arguments: Mapping[str, Any], name: str) -> None:
    try:
        parameters = inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return
    missing = [
        p.name
        for p in parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    missing = [parameter for parameter in missing if parameter not in arguments]
    if missing:
        raise UsageError(
            f"{name!r} cannot be opened without {', '.join(missing)}.", hint="Pass it by name.", backend=name
        )
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for argument in arguments:
        if argument not in parameters:
            near = difflib.get_close_matches(argument, parameters, n=1)
            guess = f"Did you mean {near[0]!r}? " if near else ""
            raise UsageError(
                f"{name!r} takes no argument {argument!r}.",
                hint=f"{guess}It takes {', '.join(parameters)}.",
                backend=name,
            )
