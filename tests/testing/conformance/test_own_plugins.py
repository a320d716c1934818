"""The core's own context types and strategies, judged by the kit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from mellea.core import Backend
from mellea.stdlib.context import plugin as contexts
from mellea.stdlib.sampling import plugin as strategies
from mellea.testing.conformance import ContextConformance, StrategyConformance


class TestSimple(ContextConformance):
    name = "simple"
    turns = 2000
    plugins = (contexts,)


class TestChat(ContextConformance):
    name = "chat"
    plugins = (contexts,)


class TestChatWindow(ContextConformance):
    name = "chat"
    label = "chat, with a window"
    turns = 2000
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


class TestMBR(TestRejection):
    name = "mbr"

    @pytest.fixture
    def arguments(self) -> Mapping[str, Any]:
        return {"similarity": lambda one, other: float(one == other)}


class TestMajorityMath(TestRejection):
    name = "majority-math"


class TestCascade(TestRejection):
    name = "cascade"

    @pytest.fixture
    def arguments(self, stand_in: Backend) -> Mapping[str, Any]:
        return {"backends": [stand_in, stand_in]}


class TestSOFAI(TestRejection):
    name = "sofai"

    @pytest.fixture
    def arguments(self, stand_in: Backend) -> Mapping[str, Any]:
        return {"s1_solver_backend": stand_in, "s2_solver_backend": stand_in}


class TestBudgetForcing(TestRejection):
    name = "budget-forcing"
    exceptions: ClassVar = {"test_budget_of_attempts_is_kept": "one answer takes two requests"}
