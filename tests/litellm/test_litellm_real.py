"""The LiteLLM backend on llama-server, with a real model."""

import asyncio
import warnings

import pytest
from pydantic import BaseModel, Field

from mellea import ChatContext, ModelOption
from mellea.backends.litellm import LiteLLMBackend
from mellea.core import CapabilityError, CBlock, Message, OptionNotSupportedWarning, UnsupportedOptionError
from mellea.core.errors import ContextWindowError, RequestRejectedError

SHORT = {ModelOption.MAX_NEW_TOKENS: 12, ModelOption.TEMPERATURE: 0.0, ModelOption.SEED: 1}


class City(BaseModel):
    name: str = Field(max_length=12)
    country: str = Field(max_length=12)


def test_chat_answers_with_an_assistant_message(open_session):
    answer = open_session().chat("Say hello.", model_options=SHORT)

    assert answer.role == "assistant"
    assert answer.content


def test_streamed_pieces_join_to_the_unstreamed_text(open_session):
    session = open_session(model_options=SHORT)
    whole = session.instruct("Name three colours.").value

    pieces = list(session.stream_instruct("Name three colours."))

    assert len(pieces) > 2
    assert "".join(pieces) == whole


def test_chat_context_shows_the_model_what_was_said(open_session):
    session = open_session(ctx=ChatContext(), model_options=SHORT)
    session.chat("My name is Olivia.")
    session.chat("Hello again.")

    assert [entry["role"] for entry in session.last_prompt()] == ["user", "assistant", "user"]


def test_format_constrains_the_output_to_a_pydantic_class(open_session):
    thunk = open_session().instruct(
        "Paris is in France. Extract the city.", format=City, model_options={"max_tokens": 60}
    )

    assert isinstance(thunk.parsed, City)


def test_format_takes_a_json_schema_and_streams(open_session):
    schema = {"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"]}

    thunk = open_session().stream_instruct(
        "Choose a colour.", format=schema, model_options=SHORT | {"max_tokens": 30}
    )

    assert "".join(thunk) == thunk.value
    assert thunk.parsed["colour"] in {"red", "blue"}


def test_usage_finish_reason_and_identity_are_known(open_session):
    thunk = open_session().instruct("Count to one hundred.", model_options=SHORT)

    assert thunk.generation.usage.completion_tokens == 12
    assert thunk.generation.usage["prompt_tokens"] > 0
    assert thunk.generation.finish_reasons == ("length",)
    assert thunk.generation.provider == "litellm"
    assert thunk.generation.response_id


def test_streams_know_their_usage_too(open_session):
    thunk = open_session().stream_instruct("Count to one hundred.", model_options=SHORT)
    list(thunk)

    assert thunk.generation.usage.completion_tokens == 12
    assert thunk.generation.finish_reasons == ("length",)
    assert thunk.generation.ttfb_ms > 0


def test_same_seed_repeats_the_text(open_session):
    session = open_session(model_options={ModelOption.MAX_NEW_TOKENS: 16, ModelOption.TEMPERATURE: 1.0})

    first, again, other = (
        session.instruct("Write a line of a poem.", model_options={ModelOption.SEED: seed}).value
        for seed in (7, 7, 8)
    )

    assert first == again
    assert first != other


def test_stop_sequence_ends_the_text_and_is_no_part_of_it(open_session):
    session = open_session(model_options=SHORT | {ModelOption.MAX_NEW_TOKENS: 40})

    thunk = session.instruct(
        "Count: one, two, three, four, five", model_options={ModelOption.STOP_SEQUENCES: [","]}
    )

    assert "," not in thunk.value
    assert thunk.generation.finish_reasons == ("stop",)


async def test_raw_completion_keeps_the_order_of_the_prompts(open_session):
    async with open_session().backend as backend:
        prompts = [CBlock("1 2 3 4"), CBlock("A B C D")]

        numbers, letters = await backend.generate_from_raw(prompts, model_options=SHORT)
        (alone,) = await backend.generate_from_raw(prompts[1:], model_options=SHORT)

    assert " 5" in numbers.value
    assert letters.value == alone.value
    assert alone.generation.usage.completion_tokens == 12


async def test_raw_completion_with_a_format_is_refused_before_anything_is_sent(open_session):
    async with open_session().backend as backend:
        with pytest.raises(CapabilityError, match="chat"):
            await backend.generate_from_raw([CBlock("Paris:")], format=City)


def test_unsupported_option_is_reported_once_and_left_out(open_session):
    session = open_session(model_options=SHORT)
    with pytest.warns(OptionNotSupportedWarning, match="THINKING"):
        session.chat("Hi.", model_options={ModelOption.THINKING: True})

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert session.chat("Hi.", model_options={ModelOption.THINKING: True}).content


@pytest.mark.parametrize("option", ["LOGITS", "THINKING"])
def test_unsupported_option_is_an_error_in_strict_mode(open_session, option):
    session = open_session(strict_options=True)

    with pytest.raises(UnsupportedOptionError, match=option):
        session.chat("Hi.", model_options={getattr(ModelOption, option): True})


def test_event_loops_in_a_row_and_the_sync_face_share_a_session(open_session):
    session = open_session(model_options=SHORT)

    answers = [
        session.chat("Say hello.").content,
        *(asyncio.run(session.achat("Say hello.")).content for _ in range(2)),
    ]
    answers.append(session.chat("Say hello.").content)

    assert answers == answers[:1] * 4


async def test_calls_run_side_by_side(open_session):
    session = open_session(model_options=SHORT)

    answers = await asyncio.gather(*(session.achat(f"Say {word}.") for word in ("one", "two", "three")))

    assert all(isinstance(answer, Message) for answer in answers)
    await session.aclose()


async def test_cancelling_a_stream_stops_the_servers_work(open_session, llama_server):
    session = open_session(model_options={ModelOption.MAX_NEW_TOKENS: 1500})
    thunk = await session.astream_chat("Write a very long story about the sea.")
    assert await anext(aiter(thunk))
    assert llama_server.busy_slots() == 1

    await thunk.cancel_generation()

    assert await asyncio.to_thread(llama_server.wait_until_idle)
    assert session.ctx.is_root_node
    await session.aclose()


def test_prompt_longer_than_the_context_window_says_so(open_session):
    session = open_session()

    with pytest.raises(ContextWindowError, match="Shorten the prompt"):
        session.chat("word " * 6000)

    assert session.ctx.is_root_node


def test_schema_that_the_server_refuses_is_our_error(open_session):
    with pytest.raises(RequestRejectedError):
        open_session().instruct("Hi.", format={"type": "no such type"})


def test_image_for_a_text_model_is_our_error(open_session, llama_server):
    pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

    with pytest.raises(RequestRejectedError, match="vision model"):
        open_session(num_retries=0).instruct("What is this?", images=[f"data:image/png;base64,{pixel}"])


def test_closed_backend_opens_new_clients_when_it_is_used_again(llama_server):
    backend = LiteLLMBackend(
        "openai/smollm2", base_url=llama_server.base_url, api_key="none", model_options=SHORT
    )
    from mellea import MelleaSession

    session = MelleaSession(backend)
    before = session.chat("Say hello.").content

    backend.close()
    backend.close()

    assert session.chat("Say hello.").content == before
    backend.close()


def test_ollama_models_run_through_the_same_backend(open_session, ollama_server):
    session = open_session(
        model_id="ollama_chat/smollm2:latest",
        base_url=ollama_server.base_url,
        api_key=None,
        model_options=SHORT,
    )

    whole = session.chat("Say hello.", model_options={ModelOption.CONTEXT_WINDOW: 1024}).content

    assert "".join(session.stream_chat("Say hello.")) == whole
