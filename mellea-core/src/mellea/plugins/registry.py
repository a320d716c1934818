"""Resolving a name to what provides it, at run time.

A name is looked up among the session's own plugins, then among the entry points of that name, of which only
the manifest is imported. Only when there is none are the other plugins' manifests read, for aliases. A plugin
that fails is kept as a problem and takes no other down.
"""

from __future__ import annotations

import difflib
import functools
import importlib
import os
import threading
from collections.abc import Iterable, Mapping
from typing import Literal

from attrs import evolve, frozen

from mellea._lazy import lazy_names
from mellea.core.errors import (
    AmbiguousPluginError,
    PluginError,
    UnknownPluginError,
    UsageError,
)
from mellea.plugins.discovery import (
    PluginProblem,
    PluginSource,
    Policy,
    Registration,
    load,
    new_pluggy_manager,
    normalise,
    plugin_sources,
)
from mellea.plugins.manifests import KINDS, BackendManifest, Kind
from mellea.plugins.wellknown import WELL_KNOWN, not_installed

__getattr__, _ = lazy_names(
    __name__,
    {  # of the 0.8 line, where this module attaches handlers
        "block": "mellea.core.hook_handlers",
        "modify": "mellea.core.hook_handlers",
        "plugin_scope": "mellea.plugins.attaching",
        "register": "mellea.plugins.attaching",
        "unregister": "mellea.plugins.attaching",
    },
)

__all__ = ["Kind", "PluginInfo", "PluginRegistry", "registry"]

Status = Literal["ok", "broken", "incompatible", "ambiguous", "denied", "unknown"]
_LISTING: Mapping[Kind, str] = {
    "backend": "List what is installed with: mellea backends",
    "context": "List what is installed with: mellea contexts",
    "strategy": 'Pass a name such as "rejection" or "best-of-n", or a strategy itself.',
    "hooks": "List what is installed with: mellea hooks",
}


@frozen
class PluginInfo:
    """One line of a listing.

    Args:
        name: Name of what it provides; of the entry point, when the plugin cannot be read.
        distribution: The distribution that provides it.
        version: Its version.
        status: ``ok``, ``broken``, ``incompatible``, ``ambiguous`` or ``denied``; after a check also
            ``unknown``, where only a call would tell what the factory makes.
        summary: Its own words.
        aliases: Its other names.
        capabilities: What it says it can do.
        default_model_id: The model that runs when none is named.
        factory: Where its class is.
        problem: Why it is not ok.
        remedy: What to do then.
    """

    name: str
    distribution: str
    version: str
    status: Status
    summary: str = ""
    aliases: tuple[str, ...] = ()
    capabilities: tuple[str, ...] = ()
    default_model_id: str | None = None
    factory: str = ""
    problem: str = ""
    remedy: str = ""


class PluginRegistry:
    """What is installed, as far as it has been looked at.

    Args:
        environ: Where ``MELLEA_PLUGINS``, ``MELLEA_STRICT_PLUGINS`` and the choices ``MELLEA_BACKEND_<NAME>``
            are read.
    """

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._pluggy = new_pluggy_manager()
        self._loaded: dict[PluginSource, tuple[Registration, ...] | PluginProblem] = {}
        self._sources: tuple[PluginSource, ...] | None = None
        self._lock = threading.RLock()

    def resolve(self, kind: Kind, name: str, extra: Iterable[Registration] = ()) -> Registration:
        """Return the one registration of a name.

        Args:
            kind: What is looked for.
            name: A name, an alias, or ``distribution:name``.
            extra: The session's own registrations, which go first.

        Raises:
            UnknownPluginError: Nothing has this name; the nearest names are given.
            BackendNotInstalledError: It is a well-known backend that is not installed.
            AmbiguousPluginError: Several distributions provide it.
            PluginLoadError: The plugin that provides it is broken; the cause is chained.
            PluginApiError: The plugin was made for another plugin interface.
        """
        if not isinstance(name, str) or not name.strip():
            raise UsageError(f"{name!r} is no name of a {kind}.", hint=_LISTING[kind])
        for registration in extra:
            if isinstance(registration.manifest, KINDS[kind]) and name in _names(registration):
                return registration
        distribution, _, bare = name.rpartition(":")
        distribution = distribution or self._environ.get(
            f"MELLEA_{kind.upper()}_{bare.upper().replace('-', '_')}", ""
        )
        found = self._claims(kind, bare, distribution) or self._claims_after_refresh(kind, bare, distribution)
        if not found:
            raise self._unknown_plugin(kind, bare, distribution)
        if len(found) > 1:
            raise _ambiguous(kind, bare, found)
        claim = found[0]
        if isinstance(claim, PluginProblem):
            error = claim.error()
            raise error from (None if error is claim.cause else claim.cause)
        return claim

    def listing(self, kind: Kind) -> list[PluginInfo]:
        """Return one line for each plugin of a kind, and for each that cannot be read, by name.

        Imports no factory.
        """
        rows: list[PluginInfo] = []
        for source in self.sources():
            if not self._policy.permits(source):
                rows.append(
                    _unusable(
                        source, "denied", "MELLEA_PLUGINS leaves it out.", "Change that variable to use it."
                    )
                )
                continue
            loaded = self._load(source)
            if isinstance(loaded, PluginProblem):
                status: Status = "incompatible" if loaded.stage == "api" else "broken"
                rows.append(_unusable(source, status, loaded.reason, loaded.remedy))
            else:
                rows += [_info(entry) for entry in loaded if isinstance(entry.manifest, KINDS[kind])]
        rows = sorted(dict.fromkeys(rows), key=lambda row: (row.name, row.distribution))
        return _with_ambiguous(kind, rows)

    def sources(self) -> tuple[PluginSource, ...]:
        """Return every installed plugin; read once."""
        if self._sources is None:
            self._sources = plugin_sources()
        return self._sources

    def problems(self) -> list[PluginProblem]:
        """Return the problems of the plugins looked at so far."""
        return [entry for entry in self._loaded.values() if isinstance(entry, PluginProblem)]

    @property
    def _policy(self) -> Policy:
        return Policy.from_environment(self._environ)

    def _load(self, source: PluginSource) -> tuple[Registration, ...] | PluginProblem:
        with self._lock:  # two threads must not register one plugin twice
            if source not in self._loaded:
                self._loaded[source] = load(source, self._pluggy)
        found = self._loaded[source]
        if isinstance(found, PluginProblem) and self._environ.get("MELLEA_STRICT_PLUGINS", "") not in (
            "",
            "0",
        ):
            raise found.error() from found.cause
        return found

    def _claims(self, kind: Kind, name: str, distribution: str) -> list[Registration | PluginProblem]:
        """Return everything that claims a name.

        By entry point and manifest name, else by manifest name, else by alias.
        """
        wanted = normalise(distribution) if distribution else None
        permitted = [
            source
            for source in self.sources()
            if self._policy.permits(source) and wanted in (None, source.distribution)
        ]
        named: list[Registration | PluginProblem] = []
        for source in permitted:
            if source.name == name:
                found = self._load(source)
                named += [found] if isinstance(found, PluginProblem) else _match(found, kind, name)
        if named:
            return _distinct(named)
        loaded = [self._load(source) for source in permitted]
        others = [entry for found in loaded if not isinstance(found, PluginProblem) for entry in found]
        by_name = [entry for entry in _match(others, kind, name) if entry.manifest.name == name]
        return _distinct(by_name or _match(others, kind, name))

    def _claims_after_refresh(
        self, kind: Kind, name: str, distribution: str
    ) -> list[Registration | PluginProblem]:
        """Look once more at what is installed: something may have been, since the last look."""
        importlib.invalidate_caches()
        self._sources = None
        return self._claims(kind, name, distribution)

    def _unknown_plugin(self, kind: Kind, name: str, distribution: str) -> PluginError:
        where = f" in distribution {distribution!r}" if distribution else ""
        denied = [
            source for source in self.sources() if source.name == name and not self._policy.permits(source)
        ]
        if denied:
            return UnknownPluginError(
                f"{kind.capitalize()} {name!r} is left out by MELLEA_PLUGINS.", hint="Change that variable."
            )
        if kind == "backend" and name in WELL_KNOWN and not where:
            return not_installed(name)
        usable = [row for row in self.listing(kind) if row.status == "ok"]
        known = sorted({row.name for row in usable})
        words = {
            *known,
            *(alias for row in usable for alias in row.aliases),
            *(WELL_KNOWN if kind == "backend" else ()),
        }
        near = difflib.get_close_matches(name.lower().strip(), sorted(words), n=2, cutoff=0.5)
        guess = f"Did you mean {' or '.join(repr(other) for other in near)}? " if near else ""
        return UnknownPluginError(
            f"No installed plugin provides {kind} {name!r}{where}.",
            hint=f"{guess}Installed: {', '.join(known) or 'none'}.",
            backend=name,
        )


def _names(entry: Registration) -> tuple[str, ...]:
    return (entry.manifest.name, *entry.manifest.aliases)


def _match(entries: Iterable[Registration], kind: Kind, name: str) -> list[Registration]:
    return [entry for entry in entries if isinstance(entry.manifest, KINDS[kind]) and name in _names(entry)]


def _distinct(claims: Iterable[Registration | PluginProblem]) -> list[Registration | PluginProblem]:
    """Return the claims once each: two entry points of a distribution may name the same manifest module."""
    return list({_identity(claim): claim for claim in claims}.values())


def _identity(claim: Registration | PluginProblem) -> object:
    return (claim.source.distribution, claim.manifest) if isinstance(claim, Registration) else claim


def _unusable(source: PluginSource, status: Status, problem: str, remedy: str) -> PluginInfo:
    return PluginInfo(
        source.name, source.distribution, source.version, status, problem=problem, remedy=remedy
    )


def _info(entry: Registration) -> PluginInfo:
    manifest = entry.manifest
    capabilities = manifest.capabilities if isinstance(manifest, BackendManifest) else frozenset()
    return PluginInfo(
        manifest.name,
        entry.source.distribution,
        entry.source.version,
        "ok",
        summary=manifest.summary,
        aliases=manifest.aliases,
        capabilities=tuple(sorted(capabilities)),
        default_model_id=manifest.default_model_id if isinstance(manifest, BackendManifest) else None,
        factory=manifest.factory,
    )


def _with_ambiguous(kind: Kind, rows: list[PluginInfo]) -> list[PluginInfo]:
    """Mark the rows whose name another row has too."""
    names = [row.name for row in rows]
    return [
        evolve(
            row,
            status="ambiguous",
            problem="Another distribution provides this name too.",
            remedy=_how_to_choose(kind, row.name, row.distribution),
        )
        if row.status == "ok" and names.count(row.name) > 1
        else row
        for row in rows
    ]


def _how_to_choose(kind: Kind, name: str, distribution: str) -> str:
    variable = f"MELLEA_{kind.upper()}_{name.upper().replace('-', '_')}"
    return f'Choose with {kind}="{distribution}:{name}" or {variable}={distribution}.'


def _ambiguous(kind: Kind, name: str, claims: Iterable[Registration | PluginProblem]) -> AmbiguousPluginError:
    sources = [claim.source for claim in claims]
    named = ", ".join(str(source) for source in sources)
    return AmbiguousPluginError(
        f"{len(sources)} distributions provide {kind} {name!r}: {named}.",
        hint=_how_to_choose(kind, name, sources[0].distribution),
        backend=name,
    )


@functools.cache
def registry() -> PluginRegistry:
    """Return the process's registry of plugins."""
    return PluginRegistry()
