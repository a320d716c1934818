"""The core's own context types and strategies, judged by the kit."""

from __future__ import annotations

from typing import ClassVar

from mellea.stdlib.context import plugin as contexts
from mellea.stdlib.sampling import plugin as strategies
from mellea.testing.conformance import ContextConformance, StrategyConformance


class TestSimple(ContextConformance):
    name = "simple"
    plugins = (contexts,)


class TestChat(ContextConformance):
    name = "chat"
    plugins = (contexts,)


class TestChatWindow(ContextConformance):
    name = "chat"
    label = "chat, with a window"
    plugins = (contexts,)
    options = {"window_size": 4}  # noqa: RUF012  nothing changes it


class TestRejection(StrategyConformance):
    name = "rejection"
    plugins = (strategies,)


class TestRepair(TestRejection):
    name = "repair"


class TestModelFriendlyRepair(TestRejection):
    name = "model-friendly-repair"


class TestMultiTurn(TestRejection):
    name = "multi-turn"


class TestBestOfN(TestRejection):
    name = "best-of-n"


class TestMajority(TestRejection):
    name = "majority"


class TestMBRRouge(TestRejection):
    name = "mbr-rouge"


class TestBudgetForcing(TestRejection):
    name = "budget-forcing"
    exceptions: ClassVar = {"test_budget_of_attempts_is_kept": "one answer takes two requests"}
