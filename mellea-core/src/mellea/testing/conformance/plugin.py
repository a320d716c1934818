"""What is judged: a plugin by its name, and what its author says of it."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest

from mellea.plugins.discovery import Registration, registrations_of
from mellea.plugins.manifests import Kind
from mellea.plugins.registry import registry
from mellea.testing.conformance.terms import Level, Term, terms_of

__all__ = ["PluginUnderTest"]


class PluginUnderTest:
    """A plugin that the kit judges; the tests come with the subclasses."""

    kind: ClassVar[Kind]
    """What it provides."""
    name: ClassVar[str] = ""
    """Its name."""
    label: ClassVar[str] = ""
    """What reports call it; by default its name."""
    plugins: ClassVar[tuple[Any, ...]] = ()
    """The plugin itself, where it is not installed."""
    options: ClassVar[Mapping[str, Any]] = {}
    """Arguments of its factory."""
    levels: ClassVar[frozenset[Level]] = frozenset({"manifest", "contract", "live"})
    """What to judge it by."""
    exceptions: ClassVar[Mapping[str, str]] = {}
    """Tests that do not hold for it, and why; reports show them."""
    strict: ClassVar[bool] = False
    """Whether it is a failure that it can do what it does not declare."""

    follows_options: ClassVar[bool] = False
    """Whether the command line says what is judged."""

    note: Callable[[str], None]
    """Notes what came of a test, where that is more than pass or fail."""

    @pytest.fixture(autouse=True)
    def _judged(self, request: pytest.FixtureRequest, record_property: Callable[..., None]) -> None:
        known: Term | None = getattr(request.function, "conformance", None)
        if known is not None:
            about = {"subject": self.label or self.name, "kind": self.kind, "level": known.level}
            shows = known.shows.value if known.shows is not None else None
            told = {
                **about,
                "test": request.node.name,
                "since": known.since,
                "shows": shows,
                "about": known.about,
            }
            record_property("conformance", told)
            self.note = lambda outcome: told.update(outcome=outcome)
            if known.name == "test_what_is_promised_is_tested":
                told["left_out"] = self.left_out()

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
    def left_out(cls) -> dict[str, str]:
        """Return the tests of the kit that do not apply, and why."""
        reasons = {known.name: cls.reason_against(known) for known in terms_of(cls)}
        return {name: reason for name, reason in reasons.items() if reason is not None}

    @classmethod
    def reason_against(cls, known: Term) -> str | None:
        """Return why a test does not apply, or None where it does."""
        if known.name in cls.exceptions:
            return cls.exceptions[known.name]
        if known.level not in cls.levels:
            return f"the level {known.level} was not asked for"
        if known.since > (made_for := cls.registration().manifest.api_version):
            return f"it was made for plugin interface {made_for}"
        return None


def _option(given: str) -> tuple[str, Any]:
    """Return the name and the value of an argument that is given as ``name=value``."""
    name, _, value = given.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
