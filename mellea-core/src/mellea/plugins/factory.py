"""From a name to what a plugin makes: backends, contexts and strategies alike.

Importing this module loads no plugin machinery; the first call does.
"""

from __future__ import annotations

import difflib
import functools
import inspect
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mellea._lazy import import_without_gc
from mellea.core.errors import MelleaError, PluginLoadError, UsageError
from mellea.core.model_api import ModelAPI
from mellea.core.options import merge_options

if TYPE_CHECKING:
    from mellea.plugins.discovery import Registration
    from mellea.plugins.manifests import Kind

__all__ = ["check_arguments", "create", "load_factory", "unusable"]

_UNEXPECTED = re.compile(r"unexpected keyword argument '(\w+)'")


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
        PluginLoadError: The plugin that provides it is broken, makes something else, or its factory raises;
            the cause is chained.
        UsageError: The factory takes no such argument, or needs another one.
    """
    from mellea.plugins.contract import flaws_of  # noqa: PLC0415  see below
    from mellea.plugins.discovery import registrations_of  # noqa: PLC0415  pluggy costs 20 ms, and only a name needs it
    from mellea.plugins.registry import registry  # noqa: PLC0415

    registration = registry().resolve(kind, name, registrations_of(plugins or ()))
    factory = load_factory(registration)
    for flaw in flaws_of(factory, wanted):
        if flaw.fatal:
            raise unusable(registration, flaw.what, flaw.remedy)
    created = _call(registration, factory, merge_options(registration.manifest.default_arguments, arguments))
    if not isinstance(created, wanted):
        raise unusable(registration, f"made a {type(created).__name__}", f"Let it make a {wanted.__name__}.")
    if isinstance(created, ModelAPI):
        _sign(created, registration)
    return created


def load_factory(registration: Registration) -> Any:
    """Import what a manifest names as its factory.

    Raises:
        PluginLoadError: The import fails; the cause is chained.
    """
    manifest = registration.manifest
    name, _, attribute = manifest.factory.partition(":")
    try:
        module = import_without_gc(name)
    except (Exception, SystemExit) as error:
        raise _not_loaded(registration, error, _import_remedy(registration, name, error)) from error
    try:
        return functools.reduce(getattr, attribute.split("."), module)
    except AttributeError as error:
        near = difflib.get_close_matches(attribute, vars(module), n=1)
        guess = f"Did you mean {near[0]!r}? " if near else ""
        raise _not_loaded(registration, error, f"{guess}{_correct_manifest(registration)}") from error


def unusable(registration: Registration, what: str, remedy: str) -> PluginLoadError:
    """Return the error for a factory that can be imported, and cannot be used.

    Args:
        registration: The plugin.
        what: What is wrong, as the end of a sentence that begins with the factory.
        remedy: What to do.
    """
    manifest = registration.manifest
    return PluginLoadError(
        f"Plugin {manifest.name!r} of {registration.source} cannot be used: "
        f"its factory {manifest.factory!r} {what}.",
        hint=remedy,
        backend=manifest.name,
    )


def _not_loaded(registration: Registration, error: BaseException, remedy: str) -> PluginLoadError:
    from mellea.plugins.discovery import PluginProblem  # noqa: PLC0415  see above

    told = PluginProblem(registration.source, "factory", error, remedy)
    name = registration.manifest.name
    return PluginLoadError(
        f"Plugin {name!r} of {registration.source} failed at the stage 'factory': {told.reason}",
        hint=remedy,
        backend=name,
    )


def _import_remedy(registration: Registration, module: str, error: BaseException) -> str:
    """Return what to do about a factory's module that cannot be imported."""
    manifest, distribution = registration.manifest, registration.source.distribution
    if isinstance(error, ModuleNotFoundError) and f"{module}.".startswith(f"{error.name}."):
        elsewhere = error.name == module.partition(".")[0]  # it may come with another distribution
        return (elsewhere and manifest.install_hint) or _correct_manifest(registration)
    if isinstance(error, ImportError) and manifest.install_hint:
        return manifest.install_hint
    return f"Reinstall or update {distribution}."


def _correct_manifest(registration: Registration) -> str:
    update = f", or update {registration.source.distribution}" if registration.source.entry_point else ""
    return f"Correct the factory in the manifest{update}."


def _call(registration: Registration, factory: Any, arguments: Mapping[str, Any]) -> Any:
    """Call a factory; what it raises that is not our own error is an error of the plugin."""
    check_arguments(registration, factory, arguments)
    try:
        return factory(**arguments)
    except MelleaError:
        raise
    except (Exception, SystemExit) as error:
        found = _UNEXPECTED.search(str(error)) if isinstance(error, TypeError) else None
        if found and found[1] in arguments and found[1] not in (_parameters(factory) or ()):
            raise _no_such_argument(registration, found[1], _handed_on(factory)) from error
        name, source = registration.manifest.name, registration.source
        hint = "The original error is chained to this one; if the arguments are right, the plugin is wrong."
        if isinstance(error, ImportError):
            hint = registration.manifest.install_hint or hint
        raise PluginLoadError(
            f"Plugin {name!r} of {source} could not open: {type(error).__name__}: {error}.",
            hint=hint,
            backend=name,
        ) from error


def check_arguments(
    registration: Registration, factory: Any, arguments: Mapping[str, Any], *, partly: bool = False
) -> None:
    """Compare arguments with what a factory takes.

    Args:
        registration: The plugin.
        factory: Its factory.
        arguments: The arguments.
        partly: Whether others will come, so that none is missing yet.

    Raises:
        UsageError: One is missing, or is not known.
    """
    parameters = _parameters(factory)
    if parameters is None:
        return
    missing = [
        p.name
        for p in parameters.values()
        if p.default is p.empty and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
    ]
    missing = [parameter for parameter in missing if parameter not in arguments]
    if missing and not partly:
        name, source = registration.manifest.name, registration.source
        raise UsageError(
            f"{name!r} of {source} cannot be opened without {', '.join(missing)}.",
            hint="Pass it by name.",
            backend=name,
        )
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        for argument in arguments:
            if argument not in parameters:
                raise _no_such_argument(registration, argument, list(parameters))


def _parameters(factory: Any) -> Mapping[str, inspect.Parameter] | None:
    """Return the parameters of a factory, or None if it does not tell."""
    try:
        return inspect.signature(factory).parameters
    except (TypeError, ValueError):
        return None


def _handed_on(factory: Any) -> list[str]:
    """Return the names of the arguments that a class takes, with those that it hands on to its bases."""
    bases = factory.__mro__ if isinstance(factory, type) else ()
    names: dict[str, None] = {}
    for function in [factory, *(vars(base)["__init__"] for base in bases if "__init__" in vars(base))]:
        parameters = (_parameters(function) or {}).values()
        names |= {p.name: None for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    names.pop("self", None)
    return list(names)


def _no_such_argument(registration: Registration, argument: str, known: list[str]) -> UsageError:
    name = registration.manifest.name
    near = difflib.get_close_matches(argument, known, n=1)
    guess = f"Did you mean {near[0]!r}? " if near else ""
    return UsageError(
        f"{name!r} of {registration.source} takes no argument {argument!r}.",
        hint=f"{guess}It takes {', '.join(known) or 'none'}.",
        backend=name,
    )


def _sign(backend: ModelAPI, registration: Registration) -> None:
    """Note on a backend which plugin it comes from, for its errors."""
    manifest = registration.manifest
    # A stranger's class may forbid that its attributes are set.
    object.__setattr__(backend, "origin", f"plugin {manifest.name!r} of {registration.source}")
    object.__setattr__(backend, "promised", getattr(manifest, "capabilities", frozenset()))
    if backend.provider == ModelAPI.provider:
        object.__setattr__(backend, "provider", manifest.name)
