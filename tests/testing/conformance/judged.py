"""Backends that are judged by themselves, in a run of pytest of its own: a right one, and wrong ones."""

from __future__ import annotations

from mellea.testing.conformance import BackendConformance
from tests.testing.conformance.scripted_provider import RightBackend, ScriptedProvider, manifest_of
from tests.testing.conformance.wrong_backends import WRONG


def judging(made: type[RightBackend]) -> type[BackendConformance]:
    """Return the class of tests that judges a backend."""
    named = {
        "__module__": __name__,
        "label": made.__name__,
        "name": "scripted",
        "plugins": (manifest_of(made),),
        "provider_type": ScriptedProvider,
        "patience": 0.2,
        "silence": 0.05,
    }
    return type(f"Test{made.__name__}", (BackendConformance,), named)


globals().update({f"Test{made.__name__}": judging(made) for made in (RightBackend, *WRONG)})
