"""Each request goes to the backend that suits it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from mellea import MelleaSession
from mellea.composition import router
from mellea.core import Capability, CBlock, ModelOption, UsageError
from mellea.core.event_loop import run_sync
from mellea.testing import ScriptedBackend


class Pet(BaseModel):
    name: str


def _backends() -> tuple[ScriptedBackend, ScriptedBackend]:
    plain = ScriptedBackend('{"name": "Plain"}', capabilities=[])
    able = ScriptedBackend(
        '{"name": "Able"}',
        capabilities=[
            Capability.STREAMING,
            Capability.JSON_SCHEMA,
            Capability.LOGPROBS,
            Capability.SEED,
            Capability.RAW,
        ],
    )
    return plain, able


@pytest.mark.parametrize(
    ("options", "by"),
    [
        ({}, "Plain"),
        ({"format": Pet}, "Able"),
        ({"model_options": {ModelOption.LOGPROBS: True}}, "Able"),
        ({"model_options": {ModelOption.SEED: 1}}, "Able"),
        ({"model_options": {ModelOption.TEMPERATURE: 0}}, "Plain"),
    ],
)
@pytest.mark.filterwarnings("ignore::mellea.core.OptionNotSupportedWarning")
def test_a_request_goes_to_the_first_that_can_do_it(options: Any, by: str) -> None:
    session = MelleaSession(router(*_backends()))
    assert by in str(session.instruct("Name a pet.", **options))


def test_it_can_do_what_any_can() -> None:
    plain, able = _backends()
    both = router(plain, able)
    assert both.capabilities == able.capabilities
    assert "Able" in str(run_sync(both.generate_from_raw([CBlock("A pet:")]))[0])
    assert "Plain" in str(MelleaSession(both).instruct("Hi.", model_options={ModelOption.STREAM: True}))
    assert not plain.requests[-1].stream


def test_a_program_may_choose() -> None:
    plain, able = _backends()

    async def by_length(request: Any) -> Any:
        return able if len(request.messages[-1].content) > 20 else plain

    session = MelleaSession(router(plain, able, choose=by_length))
    assert "Plain" in str(session.instruct("Hi."))
    assert "Able" in str(session.instruct("A task that takes many more words than that."))

    lost = MelleaSession(router(plain, choose=lambda _: able))
    with pytest.raises(UsageError, match="none of its backends"):
        lost.instruct("Hi.")
