"""Listings whose factories have been imported and looked at, so that what is called ok is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from mellea.core.backend import Backend
from mellea.core.capabilities import Capabilities
from mellea.core.context import Context
from mellea.core.errors import MelleaError
from mellea.core.sampling import SamplingStrategy
from mellea.plugins.base import Attachable
from mellea.plugins.contract import flaws_of, made_by
from mellea.plugins.discovery import Registration
from mellea.plugins.factory import check_arguments, load_factory, unusable
from mellea.plugins.manifests import Kind
from mellea.plugins.registry import PluginInfo, PluginRegistry

__all__ = ["checked_listing", "is_broken"]

_WANTED: Mapping[Kind, type] = {
    "backend": Backend,
    "context": Context,
    "strategy": SamplingStrategy,
    "hooks": Attachable,
}
"""What a factory of each kind makes."""


def checked_listing(registry: PluginRegistry, kind: Kind) -> list[PluginInfo]:
    """Return one line for each plugin of a kind, after importing each factory."""
    return [_checked(registry, kind, row) for row in registry.listing(kind)]


def is_broken(row: PluginInfo) -> bool:
    """Tell whether a plugin cannot be used until somebody mends or updates it."""
    return row.status in ("broken", "incompatible")


def _checked(registry: PluginRegistry, kind: Kind, row: PluginInfo) -> PluginInfo:
    if row.status not in ("ok", "ambiguous"):
        return row
    registration = registry.resolve(kind, f"{row.distribution}:{row.name}")
    try:
        is_known = _look_at(kind, registration)
    except MelleaError as error:
        return evolve(row, status="broken", problem=error.message, remedy=error.hint or "")
    if is_known or row.status == "ambiguous":
        return row
    problem = f"{row.factory!r} is imported; what it makes shows only when it is called."
    remedy = f"Annotate what it returns: -> {_WANTED[kind].__name__}."
    return evolve(row, status="unknown", problem=problem, remedy=remedy)


def _look_at(kind: Kind, registration: Registration) -> bool:
    """Import a factory and look at it.

    Returns:
        Whether what it makes is known without a call.

    Raises:
        PluginLoadError: It cannot be imported, or has a flaw.
        UsageError: It cannot be called with the arguments that the manifest gives it.
    """
    factory = load_factory(registration)
    for flaw in flaws_of(factory, _WANTED[kind]):
        raise unusable(registration, flaw.what, flaw.remedy)
    manifest = registration.manifest
    # Backends and strategies may need arguments that only the caller knows; contexts are opened without any.
    check_arguments(registration, factory, manifest.default_arguments, partly=kind != "context")
    made = made_by(factory)
    declared: Any = getattr(made, "capabilities", frozenset())
    promised: Capabilities = getattr(manifest, "capabilities", frozenset())
    if declared and not isinstance(declared, property) and (extra := sorted(promised - frozenset(declared))):
        raise unusable(
            registration,
            f"does not declare {', '.join(extra)}, although the manifest does",
            "Declare it in the class's capabilities, or take it out of the manifest.",
        )
    return made is not None
