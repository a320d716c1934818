"""Reading the installed entry points, and loading one plugin at a time, each under guard."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, get_args

import pluggy
from attrs import field, frozen

from mellea.core.errors import PluginApiError, PluginError, PluginLoadError
from mellea.core.hook_names import HookName
from mellea.plugins import hookspecs
from mellea.plugins.manifests import API_VERSION, KINDS, Manifest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = [
    "PluginProblem",
    "PluginSource",
    "Policy",
    "Registration",
    "collect",
    "hook_implementations",
    "hook_points_of",
    "new_pluggy_manager",
    "plugin_sources",
]


@frozen
class PluginSource:
    """Where a plugin comes from.

    Args:
        name: Name of the entry point.
        distribution: The distribution that carries it, normalised.
        version: That distribution's version.
        entry_point: The entry point itself; None for a plugin that a session brought along.
    """

    name: str
    distribution: str
    version: str = ""
    entry_point: EntryPoint | None = field(default=None, repr=False, eq=False)

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}".strip()


@frozen
class PluginProblem:
    """A plugin that cannot be used, and why.

    Args:
        source: The plugin.
        stage: Where it failed: ``import``, ``register``, ``api`` or ``factory``.
        cause: What it raised.
        remedy: What to do.
    """

    source: PluginSource
    stage: str
    cause: BaseException
    remedy: str

    @property
    def reason(self) -> str:
        """What it raised, in one line."""
        if isinstance(self.cause, PluginApiError):
            return self.cause.message
        return f"{type(self.cause).__name__}: {self.cause}".rstrip(".: ") + "."

    def error(self) -> PluginError:
        """Return the error to raise when this plugin is the one asked for."""
        if isinstance(self.cause, PluginApiError):
            return self.cause
        return PluginLoadError(
            f"Plugin {self.source.name!r} of {self.source} failed at the stage {self.stage!r}: {self.reason}",
            hint=self.remedy,
            backend=self.source.name,
        )


@frozen
class Registration:
    """A manifest and where it comes from."""

    manifest: Manifest
    source: PluginSource


@frozen
class Policy:
    """Which plugins may be imported, from ``MELLEA_PLUGINS``: names to allow, or names after ``-`` to deny.

    Empty allows none.

    A name is an entry point's, a distribution's, or both as ``distribution:name``; case, ``-``, ``_`` and
    ``.`` do not matter.
    """

    allowed: frozenset[str] | None = None
    denied: frozenset[str] = frozenset()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Policy:
        """Read the policy; without the variable everything is allowed."""
        text = environ.get("MELLEA_PLUGINS")
        if text is None:
            return cls()
        words = [word.strip() for word in text.split(",")]
        denied = frozenset(normalise(word[1:].strip()) for word in words if word.startswith("-")) - {""}
        allowed = frozenset(normalise(word) for word in words if not word.startswith("-")) - {""}
        return cls(allowed if allowed or not denied else None, denied)

    def permits(self, source: PluginSource) -> bool:
        """Tell whether a plugin may be imported."""
        name = normalise(source.name)
        names = {name, source.distribution, f"{source.distribution}:{name}"}
        return not names & self.denied and (self.allowed is None or bool(names & self.allowed))


def normalise(name: str) -> str:
    """Return a distribution's normalised name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _metadata(entry: EntryPoint) -> Mapping[str, str]:
    """Return a distribution's metadata; an interrupted installation leaves a folder that has none."""
    try:
        return entry.dist.metadata if entry.dist else {}  # type: ignore[return-value]  # an email message
    except (
        FileNotFoundError
    ):  # the backport that other libraries put in the place of importlib.metadata raises it
        return {}


def plugin_sources() -> tuple[PluginSource, ...]:
    """Return every installed plugin, sorted, so that nothing depends on the order of installation."""
    from importlib.metadata import entry_points  # noqa: PLC0415  costs 20 ms, and a program that names no plugin never asks

    found = []
    for entry in entry_points(group=hookspecs.GROUP):
        # Remains of an interrupted installation have entry points, and neither a name nor a version.
        metadata = _metadata(entry)
        name, version = metadata.get("Name") or "unknown", metadata.get("Version") or ""
        found.append(PluginSource(entry.name, normalise(name), version, entry))
    return tuple(sorted(found, key=lambda source: (source.name, source.distribution)))


def new_pluggy_manager() -> pluggy.PluginManager:
    """Return a pluggy manager that knows our hooks."""
    manager = pluggy.PluginManager(hookspecs.GROUP)
    manager.add_hookspecs(hookspecs)
    return manager


def load(source: PluginSource, manager: pluggy.PluginManager) -> tuple[Registration, ...] | PluginProblem:
    """Import a plugin's manifest module and return what it registers, or the problem it has.

    Never raises for the plugin.
    """
    if source.entry_point is None:
        return ()
    stage = "import"
    try:
        plugin = source.entry_point.load()
        stage = "register"
        return collect(plugin, source, manager)
    except PluginApiError as error:
        return PluginProblem(source, "api", error, error.hint or "")
    except (Exception, SystemExit) as error:  # noqa: BLE001  whatever a stranger's module raises must not take others down
        remedy = (
            f"Update or uninstall {source.distribution}, or leave it out with MELLEA_PLUGINS=-{source.name}."
        )
        return PluginProblem(source, stage, error, remedy)


def collect(plugin: Any, source: PluginSource, manager: pluggy.PluginManager) -> tuple[Registration, ...]:
    """Register a plugin with pluggy, call its hooks, and return the manifests.

    Raises:
        PluginApiError: A manifest was made for another plugin interface; nothing stays registered.
        TypeError: The plugin implements no hook, or registers something else than a manifest; nothing stays
            registered.
        Exception: Whatever the plugin's hook raises, or pluggy's validation of it; nothing stays registered.
    """
    try:
        if not manager.is_registered(plugin):
            manager.register(plugin, name=f"{source.distribution}:{source.name}")
        if hook_points_of(plugin):
            _know_hook_points(manager)
        manager.check_pending()
        callers = [
            caller
            for caller in manager.get_hookcallers(plugin) or ()
            if caller.name.startswith("mellea_register_") or source.entry_point is None
        ]
        if not callers:
            raise TypeError("it implements no hook; mark its functions with mellea.plugins.hookimpl")
        manifests: list[Manifest] = []
        for caller in callers:
            for implementation in caller.get_hookimpls():
                if implementation.plugin is plugin and caller.name.startswith("mellea_register_"):
                    implementation.function(manifests.append)
        return tuple(Registration(_check_manifest(manifest, source), source) for manifest in manifests)
    except BaseException:
        if manager.is_registered(
            plugin
        ):  # pluggy leaves a plugin registered when one of its hooks is not well formed
            manager.unregister(plugin)
        raise


def hook_points_of(plugin: Any) -> list[str]:
    """Return the hook points that a plugin implements with ``hookimpl``, which only a session attaches."""
    return [name for name in get_args(HookName) if hasattr(getattr(plugin, name, None), "mellea_impl")]


def _know_hook_points(manager: pluggy.PluginManager) -> None:
    """Add the hook points to a manager; most need none of them, and they take a millisecond."""
    from mellea.plugins import hookpoints  # noqa: PLC0415  see above

    if not hasattr(manager.hook, "generation_pre_call") or not manager.hook.generation_pre_call.has_spec():
        manager.add_hookspecs(hookpoints)


def hook_implementations(plugin: Any) -> list[pluggy.HookImpl]:
    """Return a plugin's implementations of hook points, held to their specifications.

    Raises:
        PluginLoadError: One takes other arguments than its specification.
    """
    points = hook_points_of(plugin)
    if not points:
        return []
    manager = new_pluggy_manager()
    source = PluginSource(getattr(plugin, "__name__", type(plugin).__name__), "this session")
    try:
        manager.register(plugin)
        _know_hook_points(manager)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginProblem(source, "register", error, "Correct the plugin's hook.").error() from error
    return [found for name in points for found in getattr(manager.hook, name).get_hookimpls()]


def _check_manifest(manifest: object, source: PluginSource) -> Manifest:
    if not (isinstance(manifest, Manifest) and isinstance(manifest, tuple(KINDS.values()))):
        wanted = " or ".join(kind.__name__ for kind in KINDS.values())
        raise TypeError(f"registered {type(manifest).__name__} instead of a {wanted}")
    if manifest.api_version != API_VERSION:
        which = "mellea-core" if manifest.api_version > API_VERSION else source.distribution
        raise PluginApiError(
            f"Plugin {manifest.name!r} of {source} was made for plugin interface {manifest.api_version}; "
            f"this core has {API_VERSION}.",
            hint=f"Update {which}.",
            backend=manifest.name,
        )
    return manifest


def registrations_of(plugins: Iterable[Any]) -> tuple[Registration, ...]:
    """Return what the plugins that a session brings along register.

    Raises:
        PluginApiError: A manifest was made for another plugin interface.
        PluginLoadError: A plugin's hook raised.
    """
    found: list[Registration] = []
    for plugin in plugins:
        name = getattr(plugin, "__name__", type(plugin).__name__)
        source = PluginSource(name, "this session")
        try:
            found += collect(plugin, source, new_pluggy_manager())
        except PluginApiError:
            raise
        except Exception as error:
            raise PluginProblem(source, "register", error, "Correct the plugin's hook.").error() from error
    return tuple(found)
