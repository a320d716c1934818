"""From a name to what a plugin makes: backends, contexts and strategies alike.

Importing this module loads no plugin machinery; the first call does.
"""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mellea._lazy import import_without_gc
from mellea.core.errors import MelleaError, PluginLoadError, UsageError
from mellea.core.options import merge_options

if TYPE_CHECKING:
    from mellea.plugins.discovery import Registration
    from mellea.plugins.manifests import Kind

__all__ = ["create", "load_factory"]


def create(
    kind: Kind,
    name: str,
    wanted: type,
    *,
    arguments: Mapping[str, Any] | None = None,
    plugins: Iterable[Any] | None = None,
) -> Any:
    """Return what a plugin makes under a name.

    Args:
        kind: What is looked for.
        name: A name, an alias, or ``distribution:name``.
        wanted: The class of which it has to be an instance.
        arguments: Arguments of the factory; they override the manifest's own.
        plugins: Plugins of the session, which go before the installed ones.

    Raises:
        UnknownPluginError: No installed plugin has this name; the nearest names are given.
        AmbiguousPluginError: Several distributions provide it.
        PluginLoadError: The plugin that provides it is broken, or its factory raises; the cause is chained.
        UsageError: The factory takes no such argument, needs another one, or makes something else.
    """
    from mellea.plugins.discovery import registrations_of  # noqa: PLC0415  pluggy costs 20 ms, and only a name needs it
    from mellea.plugins.registry import registry  # noqa: PLC0415

    registration = registry().resolve(kind, name, registrations_of(plugins or ()))
    created = _call(
        registration,
        load_factory(registration),
        merge_options(registration.manifest.default_arguments, arguments),
    )
    if not isinstance(created, wanted):
        raise UsageError(
            f"The factory of {registration.manifest.name!r} made a {type(created).__name__}.",
            hint=f"Let it make a {wanted.__name__}.",
        )
    return created


def load_factory(registration: Registration) -> Any:
    """Import what a manifest names as its factory.

    Raises:
        PluginLoadError: The import fails; the cause is chained.
    """
    from mellea.plugins.discovery import PluginProblem  # noqa: PLC0415  see above

    manifest = registration.manifest
    module, _, attribute = manifest.factory.partition(":")
    try:
        return functools.reduce(getattr, attribute.split("."), import_without_gc(module))
    except (Exception, SystemExit) as error:
        remedy = manifest.install_hint or f"Reinstall or update {registration.source.distribution}."
        problem = PluginProblem(registration.source, "factory", error, remedy)
        raise PluginLoadError(str(problem.error()), backend=manifest.name) from error


def _call(registration: Registration, factory: Any, arguments: Mapping[str, Any]) -> Any:
    """Call a factory; what it raises that is not our own error is an error of the plugin."""
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
