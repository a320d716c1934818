"""Answers that are kept are not paid for twice."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from mellea import MelleaSession
from mellea.composition import cached
from mellea.core import Capability, CBlock, ModelOption, UsageError
from mellea.core.errors import ProviderError
from mellea.core.event_loop import run_sync
from mellea.core.request import ChatRequest
from mellea.core.request_key import request_key
from mellea.core.response import Usage
from mellea.core.tool import Tool
from mellea.stdlib.requirements import check, simple_validate
from mellea.testing import Fault, Reply, ScriptedBackend

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SAME = {ModelOption.SEED: 1}


@pytest.fixture(params=["memory", "file"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "answers.db" if request.param == "file" else None


def test_what_draws_the_same_is_asked_once(path: Path | None) -> None:
    inner = ScriptedBackend(["one", "two", "three"])
    with MelleaSession(cached(inner, path)) as session:
        first = session.instruct("Hi.", model_options=SAME)
        again = session.instruct("Hi.", model_options=SAME)
        greedy = [str(session.instruct("Hi.", model_options={ModelOption.TEMPERATURE: 0})) for _ in range(2)]
        raw = [
            run_sync(session.backend.generate_from_raw([CBlock("Hi.")], model_options=SAME)) for _ in range(2)
        ]

        assert (str(first), str(again), greedy) == ("one", "one", ["two", "two"])
        assert [str(each[0]) for each in raw] == ["three", "three"]
        assert (session.backend.hits, session.backend.misses, inner.calls) == (3, 3, 3)  # type: ignore[attr-defined]
        assert again.generation.usage == Usage(0, 0)


def test_what_is_drawn_anew_is_so_again_and_the_same_in_the_next_run(tmp_path: Path) -> None:
    """Else no second attempt would ever differ from the first."""
    wanted = [check("Two.", simple_validate(lambda text: text == "two"))]
    for answers in (["one", "two"], []):
        inner = ScriptedBackend(answers)
        with MelleaSession(cached(inner, tmp_path / "answers.db"), owns_backend=True) as session:
            assert str(session.instruct("Hi.", requirements=wanted)) == "two"
            assert inner.calls == len(answers)


@pytest.mark.parametrize(
    "changed",
    [
        {"model_options": {ModelOption.SEED: 2}},
        {"model_options": {ModelOption.SEED: 1, ModelOption.MAX_NEW_TOKENS: 3}},
        {"description": "Ho."},
        {"images": [base64.b64decode(PIXEL)]},
    ],
    ids=["seed", "options", "text", "image"],
)
def test_another_request_is_asked(changed: dict[str, Any]) -> None:
    inner = ScriptedBackend(["one", "two"], capabilities=[Capability.IMAGES, Capability.SEED])
    session = MelleaSession(cached(inner))
    asked: dict[str, Any] = {"description": "Hi.", "model_options": SAME}
    session.instruct(**asked)
    assert str(session.instruct(**{**asked, **changed})) == "two"


def test_tools_of_one_name_that_take_something_else_make_another_request() -> None:
    backend = ScriptedBackend()
    taking = [{"properties": {name: {"type": "integer"}}} for name in ("x", "y")]
    tools = [Tool("add", print, {"function": {"name": "add", "parameters": each}}) for each in taking]
    keys = {request_key(backend, ChatRequest("m", (), tools=(tool,))) for tool in tools}
    assert len(keys) == 2


def test_a_model_by_other_settings_is_another(tmp_path: Path) -> None:
    for options in ({}, {"seed": 5}):
        inner = ScriptedBackend("There.", model_options=options)
        with MelleaSession(cached(inner, tmp_path / "answers.db"), owns_backend=True) as session:
            session.instruct("Hi.", model_options={ModelOption.TEMPERATURE: 0})
        assert inner.calls == 1


def test_only_complete_answers_are_kept(path: Path | None) -> None:
    inner = ScriptedBackend([Fault.cut_stream(after=1), ProviderError("Down."), Reply("There.")])
    with MelleaSession(cached(inner, path)) as session:
        for _ in range(2):
            with pytest.raises(ProviderError):
                session.instruct("Hi.", model_options=SAME)
        assert str(session.instruct("Hi.", model_options=SAME)) == "There."


def test_those_used_last_stay(path: Path | None) -> None:
    inner = ScriptedBackend("There.")
    with MelleaSession(cached(inner, path, max_entries=2)) as session:
        for text in ("a", "b", "a", "c", "a", "b"):
            session.instruct(text, model_options=SAME)
    assert inner.prompts == ["a", "b", "c", "b"]


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("These are notes, and no database of answers at all. " * 30)
    with pytest.raises(UsageError, match=r"notes\.txt is no file to keep answers in"):
        cached(ScriptedBackend(), tmp_path / "notes.txt")
    with pytest.raises(UsageError, match="max_entries is 0"):
        cached(ScriptedBackend(), max_entries=0)
