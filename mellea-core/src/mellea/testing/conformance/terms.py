"""The terms of the contract: what each test of the kit is about, and which of them apply to a plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, Literal, TypeAlias, TypeVar

import pytest
from attrs import frozen

from mellea.core.capabilities import Capability

__all__ = ["Level", "Play", "Term", "term", "term_of", "terms_of"]

Level: TypeAlias = Literal["manifest", "contract", "live"]
"""What a test needs: the manifest alone, a scripted provider, or a real model."""

Play: TypeAlias = Literal[
    "address",
    "bytes",
    "cut",
    "embeddings",
    "key",
    "options",
    "raw",
    "redirect",
    "refusal",
    "samples",
    "short",
    "status",
    "thinking",
    "tools",
    "usage",
]
"""What not every scripted provider can do."""

Test = TypeVar("Test", bound=Callable[..., None])


@frozen
class Term:
    """What a test of the kit is about.

    Args:
        name: The test's name.
        level: What it needs.
        since: The plugin interface that it judges; plugins made for an older one are not held to it.
        about: What holds where it passes, in one line.
        shows: The capability that it shows.
        plays: What the scripted provider must be able to do for it.
    """

    name: str
    level: Level
    since: int
    about: str
    shows: Capability | None = None
    plays: frozenset[Play] = frozenset()


def term(
    level: Level,
    *,
    since: int = 1,
    shows: Capability | None = None,
    plays: Iterable[Play] = (),
    tries: bool = True,
) -> Callable[[Test], Test]:
    """Make a method of a class of tests one of the kit's.

    Where it shows a capability that the backend does not declare, it is tried as if it did: that it fails is
    right, and that it passes is reported.

    Args:
        level: What it needs.
        since: The plugin interface that it judges.
        shows: The capability that it shows.
        plays: What the scripted provider must be able to do.
        tries: Whether it is tried where the backend does not declare the capability.
    """

    def mark(test: Test) -> Test:
        marked: Any = test if shows is None else _tried(test, shows, tries)
        about = (test.__doc__ or "").strip().partition("\n")[0]
        marked.conformance = Term(test.__name__, level, since, about, shows, frozenset(plays))
        return marked  # type: ignore[no-any-return]  # it takes what the test takes

    return mark


def _tried(test: Callable[..., None], capability: Capability, tries: bool) -> Callable[..., None]:
    @wraps(test)
    def judged(self: Any, **fixtures: Any) -> None:
        if self.declares(capability):
            test(self, **fixtures)
            return
        if not tries:
            self.note("not declared")
            return
        self.pretend(capability)
        try:
            test(self, **fixtures)
        except (Exception, pytest.fail.Exception):  # noqa: BLE001  whatever goes wrong, it was not promised
            self.note("not declared")
            return
        self.note("undeclared")
        if self.strict:
            pytest.fail(f"It has {capability.value}, and does not declare it.", pytrace=False)

    return judged


def term_of(test: object) -> Term | None:
    """Return what a test is about, or None where it is none of the kit's."""
    found = getattr(test, "conformance", None)
    return found if isinstance(found, Term) else None


def terms_of(kind: type) -> list[Term]:
    """Return the terms of a class of tests, in the order in which they are written."""
    found: dict[str, Term] = {}
    for base in reversed(kind.__mro__):
        found |= {name: known for name, test in vars(base).items() if (known := term_of(test))}
    return list(found.values())
