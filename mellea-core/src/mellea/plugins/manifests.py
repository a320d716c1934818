"""Manifests: what a plugin says of what it provides, before any of it is imported."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from attrs import field, frozen

from mellea.core.capabilities import Capabilities, Capability
from mellea.core.errors import UsageError

__all__ = [
    "API_VERSION",
    "KINDS",
    "BackendManifest",
    "ContextManifest",
    "HooksManifest",
    "Kind",
    "Manifest",
    "StrategyManifest",
]

API_VERSION = 1
"""Number of the plugin interface that this core implements."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def _plain_name(_: object, attribute: Any, value: Any) -> None:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise UsageError(f"{value!r} is no plugin name.", hint="Use lower-case letters, digits, '-' and '_'.")


def _names(values: Iterable[str]) -> tuple[str, ...]:
    if isinstance(values, str):
        raise UsageError(f"Aliases are several names, not the text {values!r}.", hint=f"Write ({values!r},).")
    return tuple(values)


def _plain_names(_: object, attribute: Any, values: Iterable[Any]) -> None:
    for value in values:
        _plain_name(_, attribute, value)


def _import_path(_: object, attribute: Any, value: Any) -> None:
    if not isinstance(value, str) or not _FACTORY.fullmatch(value):
        raise UsageError(
            f"{value!r} is no factory.",
            hint="Write it as 'package.module:Class', so that it is imported only when used.",
        )


def _capabilities(values: Iterable[str]) -> Capabilities:
    if isinstance(values, str):
        raise UsageError(f"Capabilities are a set, not the text {values!r}.", hint=f"Write {{{values!r}}}.")
    try:
        return frozenset(Capability(value) for value in values)
    except ValueError as error:
        raise UsageError(f"{error}.", hint=f"Capabilities are {', '.join(sorted(Capability))}.") from None


@frozen(kw_only=True)
class Manifest:
    """What every manifest says.

    Args:
        name: The name by which sessions ask for it.
        summary: One line for listings.
        factory: Where the class is, as ``package.module:Class``.
        aliases: Other names; a name always beats an alias.
        api_version: The plugin interface it was made for.
        install_hint: What to do when the factory cannot be imported.

    Raises:
        UsageError: A name, an alias or the factory is not well formed.
    """

    name: str = field(validator=_plain_name)
    summary: str
    factory: str = field(validator=_import_path)
    aliases: tuple[str, ...] = field(default=(), converter=_names, validator=_plain_names)
    api_version: int = 1
    install_hint: str = ""

    @property
    def default_arguments(self) -> Mapping[str, Any]:
        """Arguments of the factory that apply when they are not given."""
        return {}


@frozen(kw_only=True)
class BackendManifest(Manifest):
    """What a plugin says of a backend.

    Args:
        capabilities: What it can do, for listings; the class's own declaration counts at run time.
        default_model_id: The model that runs when none is named.
    """

    capabilities: Capabilities = field(default=frozenset(), converter=_capabilities)
    default_model_id: str | None = None

    @property
    def default_arguments(self) -> Mapping[str, Any]:
        """The model, if one is named."""
        return {} if self.default_model_id is None else {"model_id": self.default_model_id}


@frozen(kw_only=True)
class ContextManifest(Manifest):
    """What a plugin says of a context type."""


@frozen(kw_only=True)
class StrategyManifest(Manifest):
    """What a plugin says of a sampling strategy.

    Args:
        defaults: Arguments of the factory that apply when the strategy is asked for by name and they are not
            given.
    """

    defaults: Mapping[str, Any] = field(factory=dict, hash=False)

    @property
    def default_arguments(self) -> Mapping[str, Any]:
        """The defaults."""
        return self.defaults


@frozen(kw_only=True)
class HooksManifest(Manifest):
    """What a plugin says of handlers of hooks; its factory makes a ``Plugin`` or a ``PluginSet``.

    They listen to the calls of a session that names them, ``start_session(plugins=["NAME"])``, and to no
    others.
    """


Kind = Literal["backend", "context", "strategy", "hooks"]
"""What a plugin may provide."""

KINDS: Mapping[Kind, type[Manifest]] = {
    "backend": BackendManifest,
    "context": ContextManifest,
    "strategy": StrategyManifest,
    "hooks": HooksManifest,
}
"""The manifest of each kind."""
