"""The Ollama backend with real tokens: SmolLM2 behind a server that speaks Ollama's protocol."""

import asyncio
import base64
import json

import pytest
from pydantic import BaseModel, Field

from mellea.core import (
    CapabilityError,
    CBlock,
    ImageBlock,
    ImageUrlBlock,
    Message,
    ModelOption,
    ModelOutputThunk,
    UsageError,
)
from mellea.core.errors import ContextWindowError, RequestRejectedError
from mellea.stdlib.context import ChatContext
from tests.ollama.played import whole
from tests.servers.faults import Reply

ENDLESS = {"type": "array", "items": {"type": "integer"}, "minItems": 1000}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


ENOUGH = 250
"""More tokens than the longest text that the schemas here allow."""


class City(BaseModel, extra="forbid"):
    name: str = Field(max_length=12)
    country: str = Field(max_length=12)


async def test_refused_schema_is_the_requests_fault(ask):
    thunk = await ask("Choose a colour.", fits={"type": "nonsense"})

    with pytest.raises(RequestRejectedError, match="schema|format|nonsense"):
        await thunk.avalue()


@pytest.mark.parametrize("stream", [True, False])
async def test_reasoning_is_kept_apart_from_the_answer(make, ask, server, stream):
    thinker = make("smolthink")
    server.words.append("two plus two\n</think>\nIt is four.")

    thunk = await (
        await ask("2+2?", of=thinker, stream=stream, max_tokens=60, **{ModelOption.THINKING: True})
    ).result()

    assert thunk.thinking.strip() == "two plus two"
    assert thunk.value == "It is four."


async def test_thinking_of_a_model_that_cannot_is_refused(ask):
    thunk = await ask("Name three colours.", **{ModelOption.THINKING: True})

    with pytest.raises(CapabilityError, match="does not think"):
        await thunk.avalue()


async def test_chat_context_shows_the_model_what_was_said(backend, server):
    first, ctx = await backend.generate_from_context(
        Message("user", "I am Olivia."), ChatContext(), model_options={"max_tokens": 5}
    )
    await first.avalue()
    second, _ = await backend.generate_from_context(
        Message("user", "Who am I?"), ctx, model_options={"max_tokens": 5}
    )
    await second.avalue()

    messages = server.sent("/api/chat")[1]["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "user"]
    assert messages[1]["content"] == first.value


# Raw completion


async def test_raw_completion_is_constrained_to_a_format(backend):
    thunks = await backend.generate_from_raw(
        [CBlock("A city as JSON: ")], format=City, model_options={"max_tokens": ENOUGH}
    )

    assert isinstance(thunks[0].parsed, City)


async def test_raw_completion_of_a_thinking_model_leaves_the_text_whole(make, server):
    await make("smolthink").generate_from_raw([CBlock("Two and two")], model_options={"max_tokens": 3})

    assert server.sent("/api/generate")[0]["think"] is False


async def test_one_failing_raw_completion_is_one_of_our_errors(backend):
    with pytest.raises(ContextWindowError):
        await backend.generate_from_raw(
            [CBlock("Short"), CBlock("word " * 5000)], model_options={"max_tokens": 4}
        )


async def test_empty_raw_prompt_is_refused_before_it_is_sent(backend, server):
    with pytest.raises(UsageError, match="no empty text"):
        await backend.generate_from_raw([CBlock("One"), CBlock("")])

    assert server.sent("/api/generate") == []


async def test_many_raw_prompts_all_get_their_completion(backend):
    prompts = [CBlock(f"{number} plus one is") for number in range(24)]

    thunks = await backend.generate_from_raw(prompts, model_options={"max_tokens": 2})

    assert [bool(str(thunk)) for thunk in thunks] == [True] * 24


# Images


async def test_image_is_sent_as_plain_base64(make, ask, server):
    message = Message("user", "What is this?", images=[ImageBlock(f"data:image/png;base64,{PIXEL}")])

    await (await ask(message, of=make("smollm2-vision"))).avalue()

    assert server.sent("/api/chat")[0]["messages"][0]["images"] == [PIXEL]


async def test_image_for_a_text_only_model_is_refused_before_it_is_sent(ask, server):
    first = await ask(Message("user", "What is this?", images=[ImageBlock(PIXEL)]))
    second = await ask(Message("user", "And this?", images=[ImageBlock(PIXEL)]))

    for_first, for_second = await asyncio.gather(first.avalue(), second.avalue(), return_exceptions=True)

    assert isinstance(for_first, CapabilityError)
    assert for_first.missing == "images"
    assert isinstance(for_second, CapabilityError)
    assert server.sent("/api/chat") == []


async def test_what_the_model_can_do_is_known_from_the_list_of_models(make, ask, server):
    vision = make("smollm2-vision")

    await (await ask(Message("user", "What is this?", images=[ImageBlock(PIXEL)]), of=vision)).avalue()

    assert server.sent("/api/show") == []


def test_server_that_does_not_list_it_is_asked_once_what_the_model_can_do(play, played):
    played.models["smollm2:latest"] = None
    m = play(Reply({"capabilities": ["completion", "vision"]}), whole("A dot."))
    seen = Message("user", "What is this?", images=[ImageBlock(PIXEL)])

    m.act(seen)
    m.act(seen)

    assert [("messages" in sent) for sent in played.requests] == [False, True, True]


async def test_image_by_address_is_fetched_and_sent_by_value(make, ask, server, monkeypatch):
    monkeypatch.setattr("mellea.core.inlining.fetch", lambda _: base64.b64decode(PIXEL))
    message = Message("user", "What is this?", images=[ImageUrlBlock("https://example.com/cat.png")])

    await (await ask(message, of=make("smollm2-vision"))).avalue()

    assert server.sent("/api/chat")[0]["messages"][0]["images"] == [PIXEL]


async def test_image_in_a_private_network_is_not_fetched(make, ask, server):
    message = Message("user", "What is this?", images=[ImageUrlBlock(f"{server.base_url}/cat.png")])

    with pytest.raises(UsageError, match="nothing was fetched"):
        await (await ask(message, of=make("smollm2-vision"))).avalue()

    assert not server.sent("/api/chat")


# The context window


async def test_prompt_longer_than_the_context_window_is_an_error(ask):
    thunk = await ask("word " * 5000)

    with pytest.raises(ContextWindowError, match="exceeds the available context size"):
        await thunk.avalue()


async def test_context_window_of_the_call_bounds_the_prompt(ask, server):
    thunk = await ask("word " * 200, stream=True, **{ModelOption.CONTEXT_WINDOW: 64})

    with pytest.raises(ContextWindowError):
        await thunk.avalue()

    assert server.sent("/api/chat")[0]["options"]["num_ctx"] == 64


async def test_truncation_can_be_asked_for(ask):
    thunk = await ask("word " * 200, truncate=True, **{ModelOption.CONTEXT_WINDOW: 64})

    await thunk.avalue()

    assert thunk.generation.usage.prompt_tokens < 64


# Cancellation


@pytest.mark.parametrize("stream", [True, False])
async def test_cancellation_stops_the_servers_work(ask, server, stream):
    thunk: ModelOutputThunk = await ask("Count.", fits=ENDLESS, max_tokens=1900, stream=stream)
    started = await asyncio.to_thread(server.llama.wait_until_busy)

    await thunk.cancel_generation()

    assert started
    assert await asyncio.to_thread(server.llama.wait_until_idle, 3.0)
    assert thunk.cancelled


async def test_cancelled_raw_completion_stops_the_servers_work(backend, server):
    running = asyncio.create_task(
        backend.generate_from_raw([CBlock("[")], format=ENDLESS, model_options={"max_tokens": 1900})
    )
    started = await asyncio.to_thread(server.llama.wait_until_busy)

    running.cancel()
    await asyncio.wait([running])

    assert started
    assert await asyncio.to_thread(server.llama.wait_until_idle, 3.0)


async def test_output_of_a_schema_without_a_class_is_plain_json(ask):
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 1, "maximum": 3}},
        "required": ["n"],
    }

    thunk = await (await ask("Choose a number.", fits=schema, max_tokens=ENOUGH)).result()

    assert json.loads(thunk.value) == thunk.parsed
