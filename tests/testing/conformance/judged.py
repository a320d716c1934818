"""What is judged by itself, in a run of pytest of its own: a right backend, and what is wrong."""

from __future__ import annotations

from collections.abc import Callable

from mellea.core import Context, Requirement
from mellea.testing.conformance import (
    BackendConformance,
    ContextConformance,
    RequirementConformance,
    StrategyConformance,
)
from mellea.testing.conformance.terms import terms_of
from tests.testing.conformance import wrong_others, wrong_requirements
from tests.testing.conformance.scripted_provider import RightBackend, ScriptedProvider, manifest_of
from tests.testing.conformance.wrong_backends import WRONG

LEVELS = {known.name: known.level for known in terms_of(BackendConformance)}


def judging(made: type[RightBackend]) -> type[BackendConformance]:
    """Return the class of tests that judges a backend."""
    named = {
        "label": made.__name__,
        "name": "scripted",
        "plugins": (manifest_of(made),),
        "provider_type": ScriptedProvider,
        "patience": 0.2,
        "silence": 0.05,
    }
    levels = {LEVELS[f"test_{name}"] for name in WRONG.get(made, ())}
    if levels - {"manifest"}:  # the right backend shows that the other levels let through what is right
        named["levels"] = {"manifest", *levels}
    return type(f"Test{made.__name__}", (BackendConformance,), {"__module__": __name__, **named})


def judging_other(made: type) -> type:
    """Return the class of tests that judges a context type or a strategy."""
    named = {
        "label": made.__name__,
        "name": "wrong",
        "plugins": (wrong_others.plugin_of(made),),
        "turns": 2000,
        "patience": 1.0,
    }
    tests = ContextConformance if issubclass(made, Context) else StrategyConformance
    return type(f"Test{made.__name__}", (tests,), {"__module__": __name__, **named})


def judging_requirement(make: Callable[[], Requirement]) -> type[RequirementConformance]:
    """Return the class of tests that judges a requirement."""
    known = {
        "label": make.__name__,
        "good": (wrong_requirements.GOOD,),
        "bad": (wrong_requirements.BAD,),
        "requirement": lambda self: make(),
    }
    return type(f"Test_{make.__name__}", (RequirementConformance,), {"__module__": __name__, **known})


globals().update({f"Test{made.__name__}": judging(made) for made in (RightBackend, *WRONG)})
globals().update({f"Test{made.__name__}": judging_other(made) for made in wrong_others.WRONG})
globals().update({f"Test_{make.__name__}": judging_requirement(make) for make in wrong_requirements.WRONG})
