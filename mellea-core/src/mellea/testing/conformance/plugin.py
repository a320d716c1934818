"""What is judged by its name: an installed plugin, or one that its tests bring along."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from mellea.plugins.discovery import Registration, registrations_of
from mellea.plugins.manifests import Kind
from mellea.plugins.registry import registry
from mellea.testing.conformance.judged import Judged

__all__ = ["PluginUnderTest"]


class PluginUnderTest(Judged):
    """A plugin that the kit judges; the tests come with the subclasses."""

    kind: ClassVar[Kind]
    """What it provides."""
    name: ClassVar[str] = ""
    """Its name."""
    plugins: ClassVar[tuple[Any, ...]] = ()
    """The plugin itself, where it is not installed."""
    options: ClassVar[Mapping[str, Any]] = {}
    """Arguments of its factory."""

    follows_options: ClassVar[bool] = False
    """Whether the command line says what is judged."""

    @classmethod
    def subject(cls) -> str:
        """Return what reports call it: its label, by default its name."""
        return cls.label or cls.name

    @classmethod
    def follow(cls, config: pytest.Config) -> None:
        """Take from the command line what is judged, if that is where it stands."""
        if cls.follows_options:
            cls.name = config.getoption(f"--mellea-{cls.kind}")
            cls.options = dict(map(_option, config.getoption("--mellea-option")))
            cls.levels = frozenset(config.getoption("--mellea-levels").split(","))

    @classmethod
    @functools.cache
    def registration(cls) -> Registration:
        """Return the plugin's manifest and where it comes from.

        Raises:
            PluginError: There is no such plugin, or it is broken.
        """
        return registry().resolve(cls.kind, cls.name, registrations_of(cls.plugins))

    @classmethod
    def made_for(cls) -> int:
        """Return the number of the plugin interface that its manifest says."""
        return cls.registration().manifest.api_version


def _option(given: str) -> tuple[str, Any]:
    """Return the name and the value of an argument that is given as ``name=value``."""
    name, _, value = given.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
