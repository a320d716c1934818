"""Recording a session into a cassette, and playing it again without the backend."""

import asyncio
import json
import re
import subprocess
import sys
from typing import ClassVar

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from mellea import MelleaSession
from mellea.core import (
    AudioUrlBlock,
    Backend,
    Capability,
    Chunk,
    ImageBlock,
    Message,
    ModelOption,
    ModelToolCall,
    OptionTable,
    RateLimitError,
    TokenLogprob,
    Usage,
    UsageError,
)
from mellea.core.capabilities import SchemaDialect
from mellea.core.errors import CapabilityError, MelleaError, ProviderError
from mellea.core.request import ChatRequest
from mellea.formatters import TemplateFormatter
from mellea.stdlib.components import Instruction
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements import req, simple_validate
from mellea.stdlib.sampling import BestOfNSamplingStrategy, RejectionSamplingStrategy
from mellea.testing import Fault, RecordingBackend, ReplayBackend, Reply, ScriptedBackend, recorded

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SHORT = req("Short.", simple_validate(lambda text: (len(text) < 6, f"{len(text)} characters")))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "session.json"


async def ask(backend, text="hi", **kwargs):
    thunk, _ = await backend.generate_from_context(text, SimpleContext(), **kwargs)
    await thunk.avalue()
    return thunk


async def record(path, answers, *prompts, **kwargs):
    backend = RecordingBackend(ScriptedBackend(answers), path)
    for prompt in prompts:
        await ask(backend, prompt, **kwargs)


def requests_in(path):
    return [call["request"] for call in json.loads(path.read_text())["calls"]]


async def pieces_of(backend, text="hi"):
    request = ChatRequest(backend.model_id, (Message("user", text),), stream=True)
    return [
        (chunk.text, chunk.thinking, chunk.finish_reason, chunk.usage)
        async for chunk in backend.stream_chat(request)
    ]


def test_session_plays_again_without_its_backend(path):
    with MelleaSession(RecordingBackend(ScriptedBackend(["one", "two"]), path)) as m:
        first = [str(m.chat("a")), str(m.chat("b"))]

    with MelleaSession(ReplayBackend(path)) as m:
        again = [str(m.chat("a")), str(m.chat("b"))]

    assert first == again == ["one", "two"]


async def test_equal_requests_get_their_samples_in_order(path):
    await record(path, ["a", "b", "c"], "hi", "hi", "hi")
    replay = ReplayBackend(path)

    assert [str(await ask(replay)) for _ in range(3)] == ["a", "b", "c"]
    assert replay.remaining == 0


async def test_equal_requests_at_one_time_get_one_sample_each(path):
    backend = RecordingBackend(ScriptedBackend([Reply("slow", latency=0.01), "b", "c"]), path)
    await asyncio.gather(*(ask(backend) for _ in range(3)))
    replay = ReplayBackend(path)

    said = await asyncio.gather(*(ask(replay) for _ in range(3)))

    assert [str(thunk) for thunk in said] == ["slow", "b", "c"]


async def test_best_of_n_replays(path):
    strategy = BestOfNSamplingStrategy(n=4, loop_budget=1)
    backend = RecordingBackend(ScriptedBackend(["much too long", "fine", "too long, again", "ok"]), path)
    first = await strategy.sample(Instruction("Say."), SimpleContext(), backend, [SHORT])

    again = await strategy.sample(Instruction("Say."), SimpleContext(), ReplayBackend(path), [SHORT])

    assert [str(attempt.output) for attempt in again.attempts] == [
        str(attempt.output) for attempt in first.attempts
    ]
    assert (again.value, again.success) == (first.value, True)


async def test_lanes_that_were_stopped_stop_again(path):
    strategy = RejectionSamplingStrategy(loop_budget=2, concurrency_budget=2)
    await strategy.sample(
        Instruction("Say."),
        SimpleContext(),
        RecordingBackend(ScriptedBackend([Fault.stall(), "fine"]), path),
        [SHORT],
    )

    again = await strategy.sample(Instruction("Say."), SimpleContext(), ReplayBackend(path), [SHORT])

    assert (again.value, again.success) == ("fine", True)


async def test_stream_replays_in_the_same_pieces_with_usage_and_reason(path):
    reply = Reply(["o", "ne ", "two"], thinking="hm", finish_reason="length", usage=Usage(3, 4, 1, 2))
    first = await pieces_of(RecordingBackend(ScriptedBackend([reply]), path))

    assert await pieces_of(ReplayBackend(path)) == first
    assert first[-1] == ("", "", "length", Usage(3, 4, 1, 2))


async def test_recorded_stream_answers_a_request_that_does_not_stream(path):
    await record(path, [["a", "b"]], "hi", model_options={ModelOption.STREAM: True})

    assert str(await ask(ReplayBackend(path))) == "ab"


@pytest.mark.parametrize(
    "fault", [Fault.rate_limit(3), Fault.timeout(), Fault.context_window(), Fault.cut_stream(2)]
)
async def test_error_comes_again_where_it_came(path, fault):
    with pytest.raises(MelleaError) as first:
        await ask(RecordingBackend(ScriptedBackend([fault]), path))

    with pytest.raises(type(first.value)) as again:
        await ask(ReplayBackend(path))

    assert str(again.value) == str(first.value)
    assert (again.value.status, again.value.retry_after) == (first.value.status, first.value.retry_after)
    assert len(json.loads(path.read_text())["calls"][0]["chunks"]) == fault.after


async def test_error_of_a_capability_that_is_missing_comes_again(path):
    with pytest.raises(CapabilityError):
        await ask(RecordingBackend(Backend("none"), path))

    with pytest.raises(CapabilityError) as again:
        await ask(ReplayBackend(path))

    assert (again.value.missing, again.value.model_id) == ("chat", "none")


async def test_foreign_error_comes_again_as_the_error_that_callers_saw(path):
    with pytest.raises(ProviderError, match="KeyError: 'gone'"):
        await ask(RecordingBackend(ScriptedBackend([KeyError("gone")]), path))

    with pytest.raises(ProviderError, match="KeyError: 'gone'"):
        await ask(ReplayBackend(path))


async def test_plain_completion_replays(path):
    await RecordingBackend(ScriptedBackend(["a", "b"]), path).generate_from_raw(["x", "y"])
    replay = ReplayBackend(path)

    assert [str(thunk) for thunk in await replay.generate_from_raw(["x", "y"])] == ["a", "b"]
    with pytest.raises(UsageError, match="1 answer to this completion request"):
        await replay.generate_from_raw(["x", "y"])


class Provider(ScriptedBackend):
    """Has option names of its own, defaults and a key, and counts tokens."""

    provider = "acme"
    options = OptionTable({ModelOption.SEED: lambda seed: {"random": seed}}, {"acme_seed": ModelOption.SEED})
    capabilities = frozenset({Capability.STREAMING, Capability.TOKEN_COUNT})
    concurrent: ClassVar[bool] = False

    async def count_tokens(self, messages):
        return sum(len(message.content) for message in messages)


async def test_count_of_tokens_replays_as_often_as_it_is_asked(path):
    messages = [Message("user", "abc")]
    await RecordingBackend(Provider(), path).count_tokens(messages)
    replay = ReplayBackend(path)

    assert [await replay.count_tokens(messages) for _ in range(3)] == [3, 3, 3]
    assert replay.remaining == 0


async def test_replay_looks_like_the_recorded_backend(path):
    inner = Provider("x", model_options={"temperature": 0.5}, strict_options=True)
    backend = RecordingBackend(inner, path)
    await backend.aclose()

    for stand_in in (backend, ReplayBackend(path)):
        assert (stand_in.provider, stand_in.model_id, stand_in.concurrent) == ("acme", "script", False)
        assert (stand_in.capabilities, stand_in.model_options) == (inner.capabilities, inner.model_options)
        assert stand_in.strict_options


async def test_options_reach_the_inner_backend_under_its_own_names_and_are_recorded_under_the_common_ones(
    path,
):
    inner = Provider("x")
    await ask(RecordingBackend(inner, path), model_options={"acme_seed": 3})

    assert inner.requests[0].options == {"random": 3}
    assert requests_in(path)[0]["options"] == {ModelOption.SEED: 3}
    assert str(await ask(ReplayBackend(path), model_options={ModelOption.SEED: 3})) == "x"


async def test_formatter_of_the_inner_backend_makes_the_prompts(path):
    class Shouting(TemplateFormatter):
        def to_chat_messages(self, spans):
            return [Message("user", "".join(map(str, spans)).upper())]

    class ShoutingBackend(ScriptedBackend):
        formatter = Shouting()

    await ask(RecordingBackend(ShoutingBackend("x"), path))

    assert requests_in(path)[0]["messages"][0]["content"] == "HI"
    assert str(await ask(ReplayBackend(path, formatter=Shouting()))) == "x"


async def test_schema_is_part_of_the_request(path):
    class User(BaseModel):
        name: str

    answer = '{"name": "Ada"}'
    inner = ScriptedBackend([answer, "plain"], capabilities=[Capability.JSON_SCHEMA])
    backend = RecordingBackend(inner, path)
    await ask(backend, format=User)
    await ask(backend)
    replay = ReplayBackend(path)

    assert str(await ask(replay)) == "plain"
    assert (await ask(replay, format=User)).parsed == User(name="Ada")
    with pytest.raises(UsageError, match="schema"):
        await ask(replay, format={"type": "integer"})


async def test_image_is_told_by_its_digest(path):
    inner = ScriptedBackend("x", capabilities=[Capability.IMAGES, Capability.AUDIO])
    message = Message(
        "user", "see", images=[ImageBlock(PNG)], audio=[AudioUrlBlock("https://a.example/x", format="wav")]
    )
    await ask(RecordingBackend(inner, path), message)

    assert PNG not in path.read_text()
    assert str(await ask(ReplayBackend(path), message)) == "x"


@pytest.mark.parametrize(
    "change",
    [
        {"tool_calls": [ModelToolCall("add", None, {"a": 2}, "1")]},
        {"tool_calls": ()},
        {"thinking": "hm"},
        {"tool_call_id": "2"},
    ],
)
async def test_everything_that_a_message_says_is_part_of_the_request(path, change):
    message = Message(
        "assistant",
        "x",
        tool_calls=[ModelToolCall("add", None, {"a": 1}, "1")],
        tool_call_id="1",
        thinking="so",
    )
    request = ChatRequest("script", (message,))
    backend = RecordingBackend(ScriptedBackend("x"), path)
    _ = [chunk async for chunk in backend.stream_chat(request)]
    replay = ReplayBackend(path)

    with pytest.raises(UsageError, match=r"differs in messages\[0\]\."):
        await anext(replay.stream_chat(evolve(request, messages=(evolve(message, **change),))))

    assert "".join([chunk.text async for chunk in replay.stream_chat(request)]) == "x"


async def test_temperature_of_zero_is_the_same_as_whole_and_as_broken_number(path):
    await record(path, ["x"], "hi", model_options={"temperature": 0.0})

    assert str(await ask(ReplayBackend(path), model_options={"temperature": 0})) == "x"


async def test_option_that_is_no_json_is_told_by_its_name(path):
    await record(path, ["x"], "hi", model_options={"filter": sorted, "names": {"b", "a"}})

    assert requests_in(path)[0]["options"] == {"filter": "<builtins.sorted>", "names": ["a", "b"]}
    assert str(await ask(ReplayBackend(path), model_options={"filter": sorted, "names": {"a", "b"}})) == "x"


async def test_keys_are_never_stored(path, monkeypatch):
    monkeypatch.setenv("ACME_API_KEY", "env-secret-1234")

    class Keyed(ScriptedBackend):
        def __init__(self, answers):
            super().__init__(answers, model_options={"api_key": "option-secret-1", "max_tokens": 5})
            self._client_options = {"api_key": "client-secret-1"}

    said = (
        "The key client-secret-1, env-secret-1234 or sk-abcdef123456 is wrong; "
        "header Bearer bearer-secret-1 at https://u:pw@x.y"
    )
    backend = RecordingBackend(Keyed([ProviderError(said), "ok"]), path)
    options = {
        "extra_headers": {"X": "header-secret"},
        "deep": [{"HF_TOKEN": "deep-secret"}],
        "url": "https://u:url-secret@x.y/",
    }
    with pytest.raises(ProviderError):
        await ask(backend, model_options=options)
    await ask(backend, model_options=options)

    kept = path.read_text()
    assert "secret" not in kept
    assert "sk-abc" not in kept
    assert "pw@" not in kept
    assert '"max_tokens": 5' in kept
    replay = ReplayBackend(path)
    with pytest.raises(ProviderError, match=r"The key \[hidden\]"):
        await ask(replay, model_options=options)
    assert str(await ask(replay, model_options={**options, "api_key": "another"})) == "ok"


async def test_request_that_was_not_recorded_shows_the_nearest_one(path):
    await record(path, "x", "Where is Rome?", "Write a poem about the sea.")

    with pytest.raises(UsageError) as caught:
        await ask(ReplayBackend(path), "Write a poem about the sky.", model_options={ModelOption.SEED: 3})

    message = str(caught.value)
    assert "holds no answer to this chat request: 'Write a poem about the sky.'" in message
    assert "differs in messages[0].content: recorded 'Write a poem about the sea.'" in message
    assert "options.@@@seed@@@: recorded nothing, asked 3" in message
    assert message.endswith("Record it again with RecordingBackend(backend, path).")


async def test_long_texts_are_shown_where_they_begin_to_differ(path):
    await record(path, "x", "a" * 500 + "b" + "c" * 500)

    with pytest.raises(UsageError, match=r"recorded '\.\.\.a{30}bc+\.\.\.', asked '\.\.\.a{30}dc+\.\.\.'"):
        await ask(ReplayBackend(path), "a" * 500 + "d" + "c" * 500)


async def test_request_asked_too_often_says_how_often_it_was_recorded(path):
    await record(path, "x", "hi", "hi")
    replay = ReplayBackend(path)
    await ask(replay)
    await ask(replay)

    with pytest.raises(
        UsageError,
        match=r"holds 2 answers to this chat request, and this is the 3. time that it is asked: 'hi'",
    ):
        await ask(replay)


async def test_nothing_recorded_of_a_kind_says_so(path):
    await record(path, "x", "hi")

    with pytest.raises(UsageError, match="none of this kind"):
        await ReplayBackend(path).count_tokens([])


HEAD = '"format": "mellea-cassette", "version": 1'
BACKEND = '"backend": {"provider": "a", "model_id": "b"}'


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is no cassette"),
        ('{"attempts": []}', "is no cassette"),
        (
            '{"format": "mellea-cassette", "version": 2}',
            "has version 2 of the format, and this release reads version 1",
        ),
        (f"{{{HEAD}}}", "no name and model"),
        (f"{{{HEAD}, {BACKEND}}}", "no list of calls"),
        (f'{{{HEAD}, {BACKEND}, "calls": [{{"kind": "chat"}}]}}', "call 0 has no kind and request"),
        (
            f'{{{HEAD}, {BACKEND}, "calls": [{{"kind": "chat", "request": {{}}, "chunks": [1]}}]}}',
            "call 0 has no answer",
        ),
    ],
)
def test_file_that_is_no_cassette_is_refused(path, content, words):
    path.write_text(content)

    with pytest.raises(UsageError, match=words):
        ReplayBackend(path)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"capabilities": None}, "backend has null as 'capabilities'"),
        ({"capabilities": [1]}, "backend.capabilities holds something else than names"),
        ({"options": {}}, "backend has an object as 'options'"),
        ({"spellings": None}, "backend has null as 'spellings'"),
        ({"model_options": []}, "backend has a list as 'model_options'"),
        ({"strict_options": "yes"}, "backend has text as 'strict_options'"),
    ],
)
def test_backend_changed_by_hand_is_refused_with_the_place(path, changed, words):
    kept = {"format": "mellea-cassette", "version": 1, "calls": []}
    path.write_text(json.dumps({**kept, "backend": {"provider": "a", "model_id": "b", **changed}}))

    with pytest.raises(UsageError, match=re.escape(words)):
        ReplayBackend(path)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"chunks": None}, "call 0 has null as 'chunks'"),
        ({"chunks": [{"text": 1}]}, "call 0, chunks[0] has a number as 'text'"),
        ({"chunks": [{}, {"index": -1}]}, "call 0, chunks[1] has a number out of range as 'index'"),
        ({"chunks": [{"usage": {"prompt_tokens": 10**399}}]}, "chunks[0].usage has a number out of range"),
        ({"chunks": [{"usage": {"prompt_tokens": "5"}}]}, "chunks[0].usage has text as 'prompt_tokens'"),
        ({"chunks": [{"usage": {"words": 5}}]}, "has 'words', which is no count of tokens"),
        ({"completions": [{}]}, "call 0, completions[0] has no 'text'"),
        ({"tokens": 10**399}, "call 0 has a number out of range as 'tokens'"),
        ({"error": {"type": "ServerError", "message": None}}, "call 0, error has null as 'message'"),
        ({"error": {"type": "ServerError", "message": "x", "status": "500"}}, "error has text as 'status'"),
        (
            {"error": {"type": "RateLimitError", "message": "x", "retry_after": float("inf")}},
            "as 'retry_after'",
        ),
        ({"complete": 1}, "call 0 has a number as 'complete'"),
    ],
)
def test_call_changed_by_hand_is_refused_with_the_place(path, changed, words):
    backend = {"provider": "a", "model_id": "b"}
    call = {"kind": "chat", "request": {}, "complete": True, **changed}
    path.write_text(
        json.dumps({"format": "mellea-cassette", "version": 1, "backend": backend, "calls": [call]})
    )

    with pytest.raises(UsageError, match=re.escape(words)):
        ReplayBackend(path)


async def test_program_that_is_stopped_in_the_middle_of_a_call_leaves_a_good_cassette(path):
    backend = RecordingBackend(ScriptedBackend(["done", Fault.stall()]), path)
    await ask(backend, "first")
    thunk, _ = await backend.generate_from_context("second", SimpleContext())
    await asyncio.sleep(0)

    await backend.aclose()

    assert str(await ask(ReplayBackend(path), "first")) == "done"
    await thunk.cancel_generation()


def test_missing_cassette_says_how_to_make_it(path):
    with pytest.raises(UsageError, match=r"No such file.*Record it again"):
        ReplayBackend(path)


def test_bytes_that_are_no_text_are_no_cassette(path):
    path.write_bytes(b"\xff\xfe\x00")

    with pytest.raises(UsageError, match="is not JSON"):
        ReplayBackend(path)


def test_folder_that_does_not_exist_is_refused_before_the_first_request(path, tmp_path):
    with pytest.raises(UsageError, match="No cassette can be written"):
        RecordingBackend(ScriptedBackend(), path / "x.json")
    with pytest.raises(UsageError, match="No cassette can be written"):
        RecordingBackend(ScriptedBackend(), tmp_path)


async def test_old_cassette_stays_until_the_first_call_has_ended(path):
    await record(path, "old", "hi")
    backend = RecordingBackend(ScriptedBackend("new"), path)
    old = path.read_text()

    await ask(backend)

    assert ("old" in old, "old" in path.read_text(), "new" in path.read_text()) == (True, False, True)


async def test_writing_leaves_nothing_but_the_cassette(path):
    await record(path, "x", "hi", "you")

    assert [file.name for file in path.parent.iterdir()] == ["session.json"]


async def test_calls_are_added_to_the_file_and_do_not_write_it_anew(path):
    backend = RecordingBackend(ScriptedBackend(["größer", "b", "c"]), path)
    await ask(backend, "1")
    first = path.stat().st_ino
    begun = path.read_text()

    await ask(backend, "2")
    await ask(backend, "3")

    assert path.stat().st_ino == first
    assert path.read_text().startswith(begun.removesuffix("\n ]\n}\n"))
    assert [call["request"]["messages"][0]["content"] for call in json.loads(path.read_text())["calls"]] == [
        "1",
        "2",
        "3",
    ]


async def test_first_call_is_added_to_a_cassette_without_any(path):
    backend = RecordingBackend(ScriptedBackend("x"), path)
    await backend.aclose()

    await ask(backend)

    assert len(requests_in(path)) == 1


async def test_call_that_was_saved_before_its_end_is_written_again(path):
    backend = RecordingBackend(ScriptedBackend([["a", "b"], "c"]), path)
    chunks = backend.stream_chat(ChatRequest("script", (Message("user", "hi"),)))
    await anext(chunks)
    await backend.aclose()

    rest = [chunk.text async for chunk in chunks]
    await ask(backend, "next")

    kept = json.loads(path.read_text())["calls"]
    assert rest == ["b", ""]
    assert [call["complete"] for call in kept] == [True, True]


@pytest.mark.parametrize("change", [lambda path: path.unlink(), lambda path: path.write_text("{}"), None])
async def test_file_that_was_changed_meanwhile_is_written_as_a_whole(path, change):
    backend = RecordingBackend(ScriptedBackend(["a", "b"]), path)
    await ask(backend, "1")
    kept = path.read_bytes()
    if change is None:
        path.write_bytes(bytes(len(kept)))
    else:
        change(path)

    await ask(backend, "2")

    assert len(requests_in(path)) == 2


@pytest.mark.parametrize("left", [0, 1, 40])
async def test_cassette_that_was_cut_while_it_was_written_to_holds_its_whole_calls(path, left):
    await record(path, ["a", "b", "c"], "1", "2", "3")
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"\n  {") + left])

    replay = ReplayBackend(path)

    assert [str(await ask(replay, prompt)) for prompt in "12"] == ["a", "b"]
    with pytest.raises(UsageError, match="holds no answer"):
        await ask(replay, "3")


def test_disk_that_is_full_leaves_the_cassette_as_it_was(path):
    code = f"""
import asyncio, resource
from mellea.core import UsageError
from mellea.testing import ScriptedBackend, RecordingBackend
from mellea.stdlib.session import MelleaSession
m = MelleaSession(RecordingBackend(ScriptedBackend(["a", "b" * 9000]), {str(path)!r}))
m.chat("1")
resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
try:
    m.chat("2")
except UsageError as error:
    print(error, flush=True)
import os; os._exit(0)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert (
        said == f"{path} cannot be written: File too large. Make room there, or record into another folder.\n"
    )
    assert len(requests_in(path)) == 1


async def test_answer_that_its_reader_gave_up_is_waited_for_and_then_reported(path, monkeypatch):
    backend = RecordingBackend(ScriptedBackend([["a", "b"]]), path)
    chunks = backend.stream_chat(ChatRequest("script", (Message("user", "hi"),)))
    await anext(chunks)
    await chunks.aclose()
    monkeypatch.setattr("mellea.testing.recording._PATIENCE", 0)

    with pytest.raises(UsageError, match="only in part"):
        await ask(ReplayBackend(path))


def test_closing_the_recorder_writes_the_file_and_closes_the_backend(path):
    inner = ScriptedBackend()

    RecordingBackend(inner, path).close()

    assert inner.closed
    assert json.loads(path.read_text())["calls"] == []


def test_recorded_records_once_and_replays_from_then_on(path):
    with MelleaSession(recorded(path, lambda: ScriptedBackend("first"))) as m:
        m.chat("hi")
    with MelleaSession(recorded(path, lambda: ScriptedBackend("second"))) as m:
        again = str(m.chat("hi"))
    with MelleaSession(recorded(path, lambda: ScriptedBackend("third"), again=True)) as m:
        anew = str(m.chat("hi"))

    assert (again, anew) == ("first", "third")


@given(st.lists(st.text(st.characters(), min_size=1), min_size=1, max_size=4), st.text(st.characters()))
async def test_any_text_survives_the_cassette(tmp_path_factory, pieces, prompt):
    path = tmp_path_factory.mktemp("cassettes") / "c.json"

    first = await pieces_of(RecordingBackend(ScriptedBackend([pieces]), path), prompt)

    assert await pieces_of(ReplayBackend(path), prompt) == first


async def test_backend_of_the_narrow_contract_is_enough(path):
    class Tiny(Backend):
        async def stream_chat(self, request):
            yield Chunk(text="x", response_id="7", response_model="tiny-1")

    first = await ask(RecordingBackend(Tiny("tiny"), path))
    again = await ask(ReplayBackend(path))

    assert again.generation.response_model == first.generation.response_model == "tiny-1"


async def test_error_of_a_class_that_is_not_known_here_is_a_provider_error(path):
    with pytest.raises(RateLimitError):
        await ask(RecordingBackend(ScriptedBackend([Fault.rate_limit()]), path))
    path.write_text(path.read_text().replace('"RateLimitError"', '"OfAnotherRelease"'))

    with pytest.raises(ProviderError, match="too many requests"):
        await ask(ReplayBackend(path))


async def test_several_answers_of_one_request_replay(path):
    several = ChatRequest("script", (Message("user", "hi"),), n=2)
    backend = RecordingBackend(ScriptedBackend(["a", "b"], capabilities=[Capability.N_SAMPLES]), path)
    first = [(chunk.index, chunk.text) async for chunk in backend.stream_chat(several)]
    replay = ReplayBackend(path)

    with pytest.raises(UsageError, match="differs in n: recorded 2, asked nothing"):
        await anext(replay.stream_chat(evolve(several, n=1)))

    assert [(chunk.index, chunk.text) async for chunk in replay.stream_chat(several)] == first
    assert (1, "b") in first


async def test_log_probabilities_are_played_again(path):
    said = [TokenLogprob("yes", -0.25, b"yes", [TokenLogprob("no", -1.5, b"no")])]
    able = {Capability.STREAMING, Capability.RAW, Capability.LOGPROBS}
    scripted = ScriptedBackend(Reply("yes", logprobs=said), capabilities=able)
    options = {ModelOption.LOGPROBS: 1}
    with RecordingBackend(scripted, path) as recording:
        await ask(recording, model_options=options)
        await recording.generate_from_raw(["hi"], model_options=options)

    with ReplayBackend(path) as replay:
        thunk = await ask(replay, model_options=options)
        (completed,) = await replay.generate_from_raw(["hi"], model_options=options)

    assert thunk.generation.logprobs == completed.generation.logprobs == tuple(said)


async def test_cassette_with_other_log_probabilities_is_refused(path):
    await record(path, ["yes"], "hi")
    kept = json.loads(path.read_text())
    kept["calls"][0]["chunks"][0]["logprobs"] = [{"token": "yes"}]
    path.write_text(json.dumps(kept))

    with pytest.raises(UsageError, match="logprobs: a log-probability is a number"):
        ReplayBackend(path)


def test_calls_of_tools_are_played_again(path):
    def add(x: int, y: int) -> int:
        """Add two numbers."""
        return x + y

    can = [Capability.STREAMING, Capability.TOOLS]
    script = ScriptedBackend(
        [Reply(tool_calls=[("add", {"x": 1, "y": 2}), ("add", '{"x": 3, "y": 4}')]), "3 and 7."],
        capabilities=can,
    )
    for opened in (lambda: RecordingBackend(script, path), lambda: ReplayBackend(path)):
        answer = MelleaSession(opened()).instruct("Add.", tools=[add])
        assert str(answer) == "3 and 7."
        assert [call.tool_output for call in answer.sampling.attempts[0].tool_results] == [3, 7]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ([3], "tool_calls[0] is no call of a tool"),
        ([{"who": 1}], "tool_calls[0] is no call of a tool"),
        ([{"arguments": 3}], "tool_calls[0] has a number as 'arguments'"),
    ],
)
async def test_cassette_with_other_calls_of_tools_is_refused(path, wrong, words):
    await record(path, ["hi"], "a")
    kept = json.loads(path.read_text())
    kept["calls"][0]["chunks"][0]["tool_calls"] = wrong
    path.write_text(json.dumps(kept))
    with pytest.raises(UsageError, match=re.escape(words)):
        ReplayBackend(path)


class Knowing(ScriptedBackend):
    """Knows what it is only once it is ready."""

    plain_patterns = True
    schema_dialect = SchemaDialect.LLAMA_CPP
    default_max_new_tokens = 77

    async def ready(self):
        self.capabilities = self.capabilities | {Capability.TOOLS}

    async def calls_tools(self, choice, *, with_schema):
        return choice == "auto" and not with_schema

    def draws_for_patterns(self, temperature, repetition_penalty):
        return {ModelOption.TEMPERATURE: temperature, "penalty": repetition_penalty}

    async def whole_words(self, words):
        return {word for word in words if len(word) < 6}


async def what_is_told(backend):
    await backend.ready()
    return (
        Capability.TOOLS in backend.capabilities,
        backend.plain_patterns,
        backend.schema_dialect,
        backend.default_max_new_tokens,
        await backend.calls_tools("auto", with_schema=False),
        await backend.calls_tools("required", with_schema=True),
        dict(backend.draws_for_patterns(0.4, 1.1)),
        set(await backend.whole_words(["river", "bridges"])),
    )


async def test_what_a_backend_tells_of_itself_is_recorded_too(path):
    inner = Knowing("x")
    recording = RecordingBackend(inner, path)
    told = await what_is_told(recording)
    await ask(recording)

    assert told == await what_is_told(inner) == await what_is_told(ReplayBackend(path))
    assert told[-1] == {"river"}


async def test_cassette_that_says_nothing_of_itself_is_played_as_before(path):
    await record(path, "x", "hi")
    kept = json.loads(path.read_text())
    for name in ("asked", "default_max_new_tokens", "plain_patterns", "schema_dialect"):
        kept["backend"].pop(name)
    path.write_text(json.dumps(kept))

    replay = ReplayBackend(path)

    assert str(await ask(replay)) == "x"
    assert await replay.whole_words(["river"]) is None
    assert dict(replay.draws_for_patterns(0.4, 1.1)) == {ModelOption.TEMPERATURE: 0.4}
    assert (replay.schema_dialect, replay.plain_patterns) == (SchemaDialect.PLAIN, False)
