"""A scripted backend that takes the arguments of any backend and gives answers that fit."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

from mellea.core import Capability, ChatRequest
from mellea.testing import ScriptedBackend

__all__ = ["StandIn"]

_VALUES = {"string": "text", "integer": 1, "number": 1.0, "boolean": True}


class StandIn(ScriptedBackend):
    """Answers every question."""

    def __init__(self, model_id: str = "stand-in", *, strict_options: bool = False, **others: Any) -> None:
        capabilities = {Capability.STREAMING, Capability.RAW, Capability.SEED, Capability.JSON_SCHEMA}
        super().__init__(itertools.repeat(_answer), capabilities=capabilities, strict_options=strict_options)
        self.model_id = model_id


def _answer(request: ChatRequest) -> str:
    if request.schema is None:
        return "An answer."
    fields: Mapping[str, Any] = request.schema.json_schema["properties"]
    return json.dumps({name: _VALUES[field["type"]] for name, field in fields.items()})
