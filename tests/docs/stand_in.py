"""A scripted backend that takes the arguments of any backend and gives answers that fit."""

from __future__ import annotations

import itertools
import json
from typing import Any

from mellea.core import Capability, TokenLogprob
from mellea.testing import ScriptedBackend, minimal_instance
from mellea.testing.instances import schema_of
from mellea.testing.replies import Reply, Request

__all__ = ["StandIn"]

_TABLE = "| item | pieces |\n| --- | --- |\n| lamp | 3 |"


class StandIn(ScriptedBackend):
    """Answers every question."""

    def __init__(self, model_id: str = "stand-in", *, strict_options: bool = False, **others: Any) -> None:
        capabilities = {
            *(Capability.STREAMING, Capability.RAW, Capability.SEED, Capability.JSON_SCHEMA),
            *(Capability.IMAGES, Capability.AUDIO, Capability.THINKING, Capability.LOGPROBS),
        }
        super().__init__(itertools.repeat(_answer), capabilities=capabilities, strict_options=strict_options)
        self.model_id = model_id


def _answer(request: Request) -> str | Reply:
    schema = schema_of(request)
    if schema is not None:
        return json.dumps(minimal_instance(schema)).replace('""', '"text"')
    if "logprobs" in request.options:
        return Reply("Yes", logprobs=[TokenLogprob("Yes", -0.1, b"Yes", [TokenLogprob("No", -2.3, b"No")])])
    return _TABLE if "new table in markdown" in str(request) else "An answer."
