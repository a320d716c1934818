"""The helper functions that programs and backends of the 0.8 line import."""

import asyncio

import pytest

from mellea import CBlock, Document, Message, SimpleContext
from mellea.backends import tool
from mellea.core import AudioUrlBlock, ModelOutputThunk, ModelToolCall, ServerError
from mellea.core.tool_offer import UnknownToolWarning
from mellea.formatters import TemplateFormatter
from mellea.helpers import (
    ClientCache,
    build_completion_usage,
    build_tool_calls,
    chat_completion_delta_merge,
    extract_model_tool_requests,
    get_current_event_loop,
    has_tool_calls,
    message_to_openai_message,
    messages_to_docs,
    send_to_queue,
    should_replay_reasoning,
    wait_for_all_mots,
)
from mellea.testing import ScriptedBackend

CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


async def test_outputs_are_awaited_side_by_side():
    backend = ScriptedBackend("x")
    mots = [(await backend.generate_from_context(CBlock("x"), SimpleContext()))[0] for _ in range(3)]
    await wait_for_all_mots(mots)
    assert all(mot.is_computed() for mot in mots)


async def test_first_error_of_outputs_comes_out():
    backend = ScriptedBackend(ServerError("It is down."))
    mot, _ = await backend.generate_from_context(CBlock("x"), SimpleContext())
    with pytest.raises(ServerError):
        await wait_for_all_mots([mot])


async def drained(source, **options):
    queue = asyncio.Queue()
    await send_to_queue(source, queue, **options)
    return [queue.get_nowait() for _ in range(queue.qsize())]


async def items(*values):
    for value in values:
        if isinstance(value, BaseException):
            raise value
        yield value


async def later(value):
    return value


async def never():
    await asyncio.Event().wait()
    yield


async def test_queue_gets_every_item_and_one_end():
    assert await drained(items(1, 2)) == [1, 2, None]
    assert await drained(later(items(1))) == [1, None]
    assert await drained(later("whole")) == ["whole", None]
    error = ValueError("broken")
    assert await drained(items(1, error)) == [1, error]


async def test_wait_that_is_too_long_is_told_whatever_the_callback_does():
    called = []

    def callback():
        called.append(1)
        raise RuntimeError

    [error] = await drained(never(), chunk_timeout=0.01, on_timeout=callback)
    assert isinstance(error, TimeoutError)
    assert "STREAM_TIMEOUT" in str(error)
    assert called == [1]


async def test_loop_and_clients():
    assert get_current_event_loop() is asyncio.get_running_loop()
    cache = ClientCache(1)
    cache.put("a", 1)
    cache.put("b", 2)
    assert (cache.get("a"), cache.get("b"), cache.current_size()) == (None, 2, 1)


def test_no_loop_outside_of_one():
    assert get_current_event_loop() is None


def test_messages_on_the_wire():
    message = Message("assistant", "", tool_calls=[CALL], thinking="hm")
    assert message_to_openai_message(message) == {"role": "assistant", "content": None, "tool_calls": [CALL]}
    assert message_to_openai_message(message, replay_reasoning=True)["reasoning_content"] == "hm"
    documents = Message("user", "hi", documents=["d"])
    assert message_to_openai_message(documents)["content"] == "hi"
    assert message_to_openai_message(documents, TemplateFormatter())["content"] == "hi\n\nd"
    with pytest.raises(ValueError, match="audio"):
        message_to_openai_message(Message("user", "", audio=[AudioUrlBlock("https://example.org/a", "wav")]))


@pytest.mark.parametrize("provider", ["openai", "ollama", None])
def test_reasoning_is_sent_back_with_calls_alone(provider):
    both = Message("assistant", "", tool_calls=[CALL], thinking="hm")
    messages = [
        both,
        Message("assistant", "x", thinking="hm"),
        Message("user", "x"),
        Message("assistant", "x"),
    ]
    assert should_replay_reasoning(messages, provider) == [True, False, False, False]


def test_documents_and_calls():
    messages = [Message("user", "x", documents=["a", Document("b", title="t", doc_id="1")])]
    assert messages_to_docs(messages) == [{"text": "a"}, {"text": "b", "title": "t", "doc_id": "1"}]
    calling = ModelOutputThunk("", tool_calls=[ModelToolCall("f", None, {"x": 1}, "7")])
    assert has_tool_calls(calling)
    assert build_tool_calls(calling)[0]["id"] == "7"
    assert build_tool_calls(ModelOutputThunk("x")) is None


@tool
def double(x: int) -> int:
    """Double a number.

    Args:
        x: The number.
    """
    return 2 * x


def called(name, arguments):
    return {"id": "7", "type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize("tools", [{"double": double}, [double]], ids=["by name", "list"])
def test_calls_in_an_answer_of_openai(tools):
    message = {"role": "assistant", "content": None, "tool_calls": [called("double", '{"x": 2}')]}

    for answer in ({"choices": [{"index": 0, "message": message}]}, {"message": message}, message):
        [call] = extract_model_tool_requests(tools, answer)
        assert (call.name, call.args, call.tool_call_id, call.call_func()) == ("double", {"x": 2}, "7", 4)


def test_calls_of_no_tool_are_left_out():
    assert extract_model_tool_requests({"double": double}, {"message": {"content": "4"}}) is None
    with pytest.warns(UnknownToolWarning, match="halve"):
        assert (
            extract_model_tool_requests([double], {"message": {"tool_calls": [called("halve", "{}")]}})
            is None
        )


def test_pieces_of_a_stream_come_to_a_choice():
    deltas = [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "hm"},
        {"content": "Let me "},
        {"content": "see."},
        {"tool_calls": [{"index": 0, **called("double", '{"x":')}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": " 2}"}}]},
        {},
    ]
    pieces = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    pieces[-1]["choices"][0]["finish_reason"] = "tool_calls"
    usage = {"choices": [], "usage": {"prompt_tokens": 3}}

    choice = chat_completion_delta_merge([*pieces, usage])

    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": "Let me see.",
        "reasoning_content": "hm",
        "tool_calls": [called("double", '{"x": 2}')],
    }
    assert chat_completion_delta_merge([piece["choices"][0] for piece in pieces]) == choice


@pytest.mark.parametrize("usage", [{"prompt_tokens": 3, "completion_tokens": 2}, {"total_tokens": 5}])
def test_tokens_of_an_output_under_the_names_of_openai(usage):
    mot = ModelOutputThunk("x")
    assert build_completion_usage(mot) is None
    mot.generation.usage = usage
    counted = build_completion_usage(mot)
    assert counted.total_tokens == counted["total_tokens"] == 5
