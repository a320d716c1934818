"""What sessions keep: calls, attempts, verdicts and requests, without secrets."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mellea import MelleaSession, generative, mfuncs, start_session
from mellea.core import Message, RequirementsNotMetError, UsageError
from mellea.core.errors import ProviderError
from mellea.history import History, schema
from mellea.stdlib.requirements import check, contains, req, simple_validate
from mellea.stdlib.sampling import RejectionSamplingStrategy
from mellea.testing import Reply, ScriptedBackend

THREE = RejectionSamplingStrategy(loop_budget=3)
KEY = "sk-abcdefgh12345678"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs.db"


def test_call_is_kept_with_its_attempts_verdicts_and_requests(path):
    backend = ScriptedBackend(["A lake.", "The sea is wide.", "Yes."])
    with start_session(backend, history=path) as m:
        result = m.instruct(
            "Write one sentence.",
            requirements=[contains("sea"), req("It is calm.")],
            strategy=THREE,
            return_sampling_results=True,
        )
        history = History(path)
        (call,) = history.calls()  # it is there before the session is closed

    assert (call.asked, call.kind, call.outcome) == ("Write one sentence.", "Instruction", "met")
    assert (call.answer, call.why, call.attempts, call.requests) == ("The sea is wide.", result.why, 2, 3)
    assert call.strategy == "RejectionSamplingStrategy(loop_budget=3)"
    assert call.total_tokens == result.usage.total_tokens
    trace = history.trace(call.number)
    told = result.to_dict()
    assert trace == {**told, "attempts": [{**each} for each in told["attempts"]]}
    (session,) = history.sessions()
    assert (session.id, session.backend, session.model, session.calls) == (m.id, "scripted", "script", 1)
    assert session.process == os.getpid()
    assert session.ended is not None


def test_every_verb_is_a_call(path):
    @generative
    def shout(text: str) -> str:
        """Shout."""

    backend = ScriptedBackend({"Shout": '{"result": "HI"}', "": "Hello."})
    with start_session(backend, history=path) as m:
        m.chat("Hi.")
        m.act(Message("user", "Ho."))
        shout(m, text="hi")
        str(m.stream_chat("Slowly."))

    assert [(call.asked, call.outcome) for call in reversed(History(path).calls())] == [
        ("Hi.", "answered"),
        ("Ho.", "answered"),
        ('def shout(text: str) -> str:\n    """Shout."""', "answered"),
        ("Slowly.", "answered"),
    ]


def test_failures_are_kept(path):
    backend = ScriptedBackend([ProviderError(f"No, not with {KEY}."), "A lake.", "A lake."])
    with start_session(backend, history=path) as m:
        with pytest.raises(ProviderError):
            m.instruct("Hi.")
        with pytest.raises(RequirementsNotMetError):
            m.instruct("Ho.", requirements=[contains("sea")], strategy="rejection", strict=True)

    history = History(path)
    unmet, failed = history.calls()
    assert (failed.outcome, failed.error, failed.answer) == (
        "error",
        "ProviderError: No, not with [hidden].",
        None,
    )
    (request,) = history.requests(failed.number)
    assert (request.answer, request.sample) == (None, None)
    assert request.error == {"type": "ProviderError", "message": "No, not with [hidden]."}
    assert unmet.outcome == "not met"
    assert unmet.error.startswith("RequirementsNotMetError: ")


async def test_call_that_is_cancelled_is_kept(path):
    async with start_session(ScriptedBackend("Late.", latency=60), history=path) as m:
        call = asyncio.create_task(m.ainstruct("Hi."))
        while not m.backend.calls:
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    assert [call.outcome for call in History(path).calls()] == ["cancelled"]


async def test_verb_within_a_verb_belongs_to_it(path):
    async def as_polite(ctx):
        answer, _ = await mfuncs.ainstruct("Polite?", ctx, m.backend)
        return "yes" in str(answer)

    async with start_session(ScriptedBackend({"Polite": "yes", "": "Hello."}), history=path) as m:
        await m.ainstruct("Greet.", requirements=[check("It is polite.", as_polite)])

    history = History(path)
    (call,) = history.calls()
    assert (call.asked, call.outcome, call.answer) == ("Greet.", "met", "Hello.")
    assert (call.attempts, call.requests) == (1, 2)
    assert [one["text"] for one in history.trace(call.number)["attempts"]] == ["Hello."]


def test_texts_are_kept_once(path):
    with start_session(ScriptedBackend("Hello."), history=path, ctx="chat") as m:
        for _ in range(20):
            m.chat("Hi.")

    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT role, text FROM texts").fetchall() == [
            ("user", "Hi."),
            ("assistant", "Hello."),
        ]
        assert file.execute("SELECT count(*) FROM requests").fetchone() == (20,)


async def test_texts_that_are_in_the_file_by_now_are_kept_once_beside_new_ones(path):
    for told in ("Hi.", f"Hi {KEY}."):
        with start_session(ScriptedBackend("Hello."), history=path) as m:
            m.chat(told)
    with start_session(ScriptedBackend("Hello."), history=path) as m:
        asked = ["new", "Hi.", f"Hi {KEY[:-1]}0.", f"Hi {KEY[:-1]}1.", "Hi.", "newer"]
        await asyncio.gather(*(m.clone().achat(each) for each in asked))

    with closing(sqlite3.connect(path)) as file:
        texts = dict(file.execute("SELECT id, text FROM texts"))
        calls = file.execute("SELECT request, answer FROM requests ORDER BY id").fetchall()
    said = [
        (texts[json.loads(request)["messages"][0]], texts[json.loads(answer)[0]["text"]])
        for request, answer in calls
    ]
    assert sorted(texts.values()) == ["Hello.", "Hi [hidden].", "Hi.", "new", "newer"]
    expected = ["Hi.", "Hi [hidden].", "new", "Hi.", "Hi [hidden].", "Hi [hidden].", "Hi.", "newer"]
    assert sorted(said) == sorted((each, "Hello.") for each in expected)


def test_secrets_are_in_no_byte_of_the_file(path, monkeypatch):
    monkeypatch.setenv("WEATHER_API_KEY", "rainbow-in-march")
    backend = ScriptedBackend([f"I say {KEY}.", f"Rain, by rainbow-in-march and {KEY}."])
    with start_session(backend, history=path, model_options={"api_key": "hidden-away"}) as m:
        m.instruct(
            f"Ask with {KEY} and rainbow-in-march.",
            requirements=[check("Rain.", lambda ctx: ("Rain" in str(ctx.last_output()), f"not with {KEY}"))],
            strategy=THREE,
        )

    content = path.read_bytes()
    assert [secret for secret in (KEY, "rainbow-in-march", "hidden-away") if secret.encode() in content] == []
    assert History(path).search("Ask with")[0].text.startswith("Ask with [hidden] and [hidden].")


def test_words_are_found_in_prompts_and_answers(path, monkeypatch):
    answers = ["The café is open.", "A lake."]
    with start_session(ScriptedBackend(answers), history=path) as m:
        m.chat("Is the house open?")
        m.chat('Say "lake".')

    history = History(path)
    found = [(hit.call, hit.role, hit.text) for hit in history.search("open")]
    assert found == [(1, "assistant", "The café is open."), (1, "user", "Is the house open?")]
    assert [hit.text for hit in history.search("CAFE open")] == ["The café is open."]
    assert len(history.search("hous*")) == 1
    assert [hit.role for hit in history.search('"lake')] == ["assistant", "user"]
    assert history.search("NOT OR NEAR(") == []
    with pytest.raises(UsageError, match="nothing to search for"):
        history.search(" ")
    monkeypatch.setattr(schema, "_SEARCH", ("CREATE VIRTUAL TABLE others USING fts99 (text)",))
    assert [hit.text for hit in history.search("OPEN house")] == ["Is the house open?"]
    assert history.search("%") == []


def test_export_is_all_that_is_known(path):
    backend = ScriptedBackend(["A lake.", "The sea."])
    with start_session(backend, history=path) as m:
        result = m.instruct(
            "Sea.", requirements=[contains("sea")], strategy=THREE, return_sampling_results=True
        )

    history = History(path)
    (told,) = history.export()
    assert told["trace"] == result.to_dict()
    assert told["session"]["id"] == m.id
    assert [each["answer"][0]["text"] for each in told["requests"]] == ["A lake.", "The sea."]
    assert [each["request"]["messages"][0]["role"] for each in told["requests"]] == ["user", "user"]
    assert list(history.export("another")) == []
    assert list(history.export(call=1)) == [told]


def test_a_history_is_a_plugin_and_a_context_manager_too(path):
    session = MelleaSession(ScriptedBackend("a"))
    with History(path) as history:
        session.chat("In a block.")
    MelleaSession(ScriptedBackend("b")).chat("Outside.")
    with MelleaSession(ScriptedBackend("c"), plugins=[history]) as m:
        m.chat("As a plugin.")
        m.clone().chat("In a clone.")

    assert [call.asked for call in history.calls()] == ["In a clone.", "As a plugin.", "In a block."]
    assert [each.calls for each in history.sessions()] == [1, 1, 1]


@pytest.mark.parametrize(("given", "kept"), [(None, True), (False, False), (True, True)])
def test_environment_names_the_history(path, monkeypatch, given, kept):
    monkeypatch.setenv("MELLEA_HISTORY", str(path))
    with start_session(ScriptedBackend("a"), history=given) as m:
        m.chat("Hi.")

    assert path.exists() is kept


def test_nothing_is_sent_where_the_history_cannot_be_written(tmp_path):
    backend = ScriptedBackend("a")
    with pytest.raises(UsageError, match="there is no folder"):
        start_session(backend, history=tmp_path / "nowhere" / "runs.db")
    with pytest.raises(UsageError, match="3 is no history"):
        start_session(backend, history=3)
    assert backend.calls == 0


@pytest.fixture
def no_room(path: Path) -> Iterator[None]:
    """No file may become larger than the history is now."""
    with start_session(ScriptedBackend(), history=path):
        pass
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_disk_that_is_full_costs_no_answer(path, no_room, caplog):
    long = "word " * 50_000
    with (
        caplog.at_level(logging.ERROR, "mellea.history"),
        start_session(ScriptedBackend([long, "b"]), history=path) as m,
    ):
        answers = [str(m.chat("Hi.").content), str(m.chat("Ho.").content)]

    assert answers == [long, "b"]
    said = " ".join(record.getMessage() for record in caplog.records)
    assert "missing in the history, and the program goes on" in said
    assert "lacks" in said


def test_any_text_is_kept(path):
    text = "half \ud83d and nul \x00 and \u2028"
    with start_session(ScriptedBackend(Reply(text)), history=path) as m:
        m.instruct("Hi.", requirements=[check("Half \ud83d.", simple_validate(lambda _: (True, "\ud83d")))])

    (call,) = History(path).calls()
    assert call.answer == text.replace("\ud83d", "?")
