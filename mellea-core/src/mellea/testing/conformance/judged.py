"""What the kit judges, of whatever kind: what its author says of it, and which tests apply."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

import pytest

from mellea.testing.conformance.terms import Level, Term, terms_of

__all__ = ["Judged"]


class Judged:
    """Something that the kit judges; the tests come with the subclasses."""

    kind: ClassVar[str]
    """What it is."""
    label: ClassVar[str] = ""
    """What reports call it."""
    levels: ClassVar[frozenset[Level]] = frozenset({"manifest", "contract", "live"})
    """What to judge it by."""
    exceptions: ClassVar[Mapping[str, str]] = {}
    """Tests that do not hold for it, and why; reports show them."""
    strict: ClassVar[bool] = False
    """Whether it is a failure that it can do what it does not declare."""

    note: Callable[[str], None]
    """Notes what came of a test, where that is more than pass or fail."""

    @classmethod
    def subject(cls) -> str:
        """Return what reports call it."""
        return cls.label or cls.__name__.removeprefix("Test")

    @classmethod
    @abstractmethod
    def made_for(cls) -> int:
        """Return the number of the plugin interface that it was made for."""

    @classmethod
    def follow(cls, config: pytest.Config) -> None:
        """Take from the command line what is judged, if that is where it stands."""

    @pytest.fixture(autouse=True)
    def _judged(self, request: pytest.FixtureRequest, record_property: Callable[..., None]) -> None:
        known: Term | None = getattr(request.function, "conformance", None)
        if known is not None:
            about = {"subject": self.subject(), "kind": self.kind, "level": known.level}
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
        if known.since > (made_for := cls.made_for()):
            return f"it was made for plugin interface {made_for}"
        return None

    @classmethod
    def overridden(cls) -> list[str]:
        """Return the kit's tests that the class of tests has replaced by others."""
        own = "mellea.testing.conformance."
        names = {known.name for base in cls.__mro__ for known in terms_of(base)}
        return sorted(name for name in names if not getattr(cls, name).__module__.startswith(own))
