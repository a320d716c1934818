"""The local backend, judged by the kit: on a model that writes what it says, and on the real one."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from mellea.testing.conformance import BackendConformance
from tests.hf.scripted_model import ScriptedModel


class TestHF(BackendConformance):
    name = "hf"
    provider_type = ScriptedModel
    exceptions: ClassVar = {"test_thinking_is_apart_from_the_answer": "the embedded model does not reason"}

    @pytest.fixture
    def arguments(self, loaded: Any) -> Mapping[str, Any]:
        return {"custom_config": loaded}
