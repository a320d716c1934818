"""How many tokens of a prompt are those of the prompt before it, and need not be computed again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from mellea import MelleaSession, generative
from mellea.core import Requirement
from mellea.core.request import ChatRequest
from mellea.stdlib.context import ChatContext
from mellea.stdlib.requirements import req, simple_validate
from mellea.stdlib.sampling import (
    ModelFriendlyRepairStrategy,
    MultiTurnStrategy,
    RejectionSamplingStrategy,
    RepairTemplateStrategy,
)
from mellea.testing import ScriptedBackend
from mellea_hf import LocalHFBackend

pytestmark = pytest.mark.filterwarnings("ignore::mellea.core.call_site.RequirementsNotMetWarning")

_TASK = "Write a text about a town by a river."
_LONG = "The river runs through the town and past the old mill, where people meet on Sundays. " * 4
_YES = '{"reason": "It says so.", "met": true}'
_HEAD_OF_ANSWER = 6
"""Tokens of a chat template that end a message and begin the answer."""


@generative
def mood(text: str) -> str:  # type: ignore[empty-body]
    """Say the mood of the text in one word."""


def _failing() -> list[Requirement]:
    return [req("Name the harbour.", simple_validate(lambda _: (False, "There is no harbour.")))]


def _shared(backend: LocalHFBackend, requests: Sequence[Any]) -> list[tuple[int, int]]:
    """Return how many tokens each prompt has in common with the one before it, and how many that one has."""
    assert all(isinstance(request, ChatRequest) for request in requests)
    encoder = backend._holder.now().loaded.encoder  # noqa: SLF001  the tokens that the model would see
    prompts = [encoder.chat(request.messages) for request in requests]
    return [
        (next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), len(old)), len(old))
        for old, new in pairwise(prompts)
    ]


@pytest.mark.parametrize("answer", ["A town.", _LONG], ids=["short", "long"])
@pytest.mark.parametrize(
    "strategy",
    [RejectionSamplingStrategy, RepairTemplateStrategy, ModelFriendlyRepairStrategy, MultiTurnStrategy],
)
def test_a_second_attempt_begins_with_the_whole_first_prompt(
    backend: LocalHFBackend, strategy: Any, answer: str
) -> None:
    scripted = ScriptedBackend([answer, answer])
    MelleaSession(scripted).instruct(_TASK, requirements=_failing(), strategy=strategy(loop_budget=2))
    ((same, before),) = _shared(backend, scripted.requests)
    assert same >= before - _HEAD_OF_ANSWER


def test_a_second_attempt_at_a_typed_function_begins_with_the_task(backend: LocalHFBackend) -> None:
    """What is wrong stands before the schema in words, which a model follows best when it reads it last."""
    scripted = ScriptedBackend(['{"result": "calm"}'] * 2)
    mood(
        MelleaSession(scripted),
        text=_LONG,
        requirements=_failing(),
        strategy=RepairTemplateStrategy(loop_budget=2),
    )
    ((same, before),) = _shared(backend, scripted.requests)
    assert same >= 0.6 * before


def test_a_turn_begins_with_the_whole_conversation(backend: LocalHFBackend) -> None:
    scripted = ScriptedBackend(["Paris is in France.", "Two million.", "Rome is in Italy."])
    session = MelleaSession(scripted, ChatContext())
    for asked in ("Where is Paris?", "How many people live there?", "And Rome?"):
        session.chat(asked)
    assert all(same == before for same, before in _shared(backend, scripted.requests))


def test_the_judges_of_an_output_share_all_but_their_question(backend: LocalHFBackend) -> None:
    scripted = ScriptedBackend([_LONG, _YES, _YES, _YES])
    MelleaSession(scripted).instruct(
        _TASK,
        requirements=["It is friendly.", "It is about a river.", "It is short."],
        strategy=RejectionSamplingStrategy(loop_budget=1),
    )
    shared = _shared(backend, scripted.requests[1:])
    assert len(shared) == 2
    assert all(same >= before - 40 for same, before in shared)
