"""The local backend, judged by the kit: on a model that writes what it says, and on the real one."""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest

from mellea.testing.conformance import BackendConformance
from mellea_hf import LocalHFBackend
from tests.hf.scripted_model import ScriptedModel


class TestHF(BackendConformance):
    name = "hf"
    provider_type = ScriptedModel
    exceptions: ClassVar = {"test_thinking_is_apart_from_the_answer": "the embedded model does not reason"}

    @pytest.fixture
    def arguments(self, backend: LocalHFBackend) -> Mapping[str, Any]:
        # The model is the one in memory; knobs of its own give it an engine whose cache is empty each time.
        return {"model_id": backend.model_id, "cache_bytes": 2**26}
