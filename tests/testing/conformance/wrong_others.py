"""Context types and strategies that are wrong in one way each, and the tests of the kit that say so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mellea.core import Context, Span
from mellea.plugins import ContextManifest, StrategyManifest, hookimpl
from mellea.stdlib.context import ChatContext
from mellea.stdlib.sampling import RejectionSamplingStrategy


class ShowsTheNewestFirst(ChatContext):
    """Turns the conversation round."""

    def view_for_generation(self) -> list[Span]:
        return super().view_for_generation()[::-1]


class SharesItsSpans(ChatContext):
    """Keeps what was said in one list for all branches."""

    def __init__(self) -> None:
        super().__init__()
        self.spans: list[Span] = []

    def add(self, span: Span) -> Context:
        self.spans.append(span)
        return super().add(span)

    def view_for_generation(self) -> list[Span]:
        return list(self.spans)


class SpendsMore(RejectionSamplingStrategy):
    """Takes a budget for advice."""

    async def sample(self, *args: Any, budget: Any = None, **options: Any) -> Any:
        return await super().sample(*args, **options)


class ReturnsTheLast(RejectionSamplingStrategy):
    """Takes the newest attempt for the best."""

    async def choose(self, call: Any, attempts: Any, error: Any) -> Any:
        return len(attempts) - 1, "the last"


class Remembers(RejectionSamplingStrategy):
    """Tries less with every call."""

    async def sample(self, *args: Any, **options: Any) -> Any:
        self.loop_budget = max(self.loop_budget - 1, 1)
        return await super().sample(*args, **options)


WRONG: Mapping[type, set[str]] = {
    ShowsTheNewestFirst: {"view_is_in_the_order_of_the_conversation"},
    SharesItsSpans: {
        "adding_changes_nothing_that_was_there",
        "branches_know_nothing_of_each_other",
        "session_talks_through_it",
    },
    SpendsMore: {"budget_of_attempts_is_kept", "budget_of_time_is_kept"},
    ReturnsTheLast: {"best_attempt_is_returned"},
    Remembers: {"calls_leave_no_state"},
}
"""What fails for each of them."""


def plugin_of(made: type) -> Any:
    """Return a plugin that registers a class as ``wrong``."""
    known: Mapping[str, Any] = {
        "name": "wrong",
        "summary": "Wrong.",
        "factory": f"{made.__module__}:{made.__qualname__}",
    }

    class Plugin:
        @hookimpl
        def mellea_register_contexts(self, register: Any) -> None:
            if issubclass(made, Context):
                register(ContextManifest(**known))

        @hookimpl
        def mellea_register_strategies(self, register: Any) -> None:
            if not issubclass(made, Context):
                register(StrategyManifest(**known, defaults={"loop_budget": 3}))

    return Plugin()
