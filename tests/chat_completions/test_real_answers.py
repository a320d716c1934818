"""What the openai and LiteLLM backends have in common on llama-server, with a real model."""

import asyncio
import warnings

import pytest

from mellea import ChatContext, ModelOption
from mellea.core import OptionNotSupportedWarning, UnsupportedOptionError
from mellea.core.errors import CapabilityError, ContextWindowError, RequestRejectedError

SHORT = {ModelOption.MAX_NEW_TOKENS: 12, ModelOption.TEMPERATURE: 0.0, ModelOption.SEED: 1}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def test_chat_context_shows_the_model_what_was_said(open_session):
    session = open_session(ctx=ChatContext(), model_options=SHORT)
    session.chat("My name is Olivia.")
    session.chat("Hello again.")

    assert [entry["role"] for entry in session.last_prompt()] == ["user", "assistant", "user"]


def test_system_prompt_goes_first(open_session):
    session = open_session(model_options=SHORT)
    session.chat("Hello.", model_options={ModelOption.SYSTEM_PROMPT: "You are a pirate."})

    assert session.last_prompt()[0] == {"role": "system", "content": "You are a pirate."}


@pytest.mark.parametrize("verb", ["instruct", "stream_instruct"])
def test_usage_finish_reason_and_identity_are_known(real, open_session, verb):
    thunk = getattr(open_session(), verb)("Count to one hundred.", model_options=SHORT)
    list(thunk)

    assert thunk.generation.usage.completion_tokens == 12
    assert thunk.generation.usage["prompt_tokens"] > 0
    assert thunk.generation.finish_reasons == ("length",)
    assert thunk.generation.provider == real.backend
    assert thunk.generation.response_id


def test_stream_knows_how_long_its_first_piece_took(open_session):
    thunk = open_session().stream_instruct("Say hello.", model_options=SHORT)
    list(thunk)

    assert thunk.generation.ttfb_ms > 0


def test_unsupported_option_is_reported_once_and_left_out(real, open_session):
    session = open_session(model_options=SHORT)
    unsupported = {getattr(ModelOption, real.unsupported): 100}
    with pytest.warns(OptionNotSupportedWarning, match=real.unsupported):
        session.chat("Hi.", model_options=unsupported)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert session.chat("Hi.", model_options=unsupported).content


@pytest.mark.parametrize("option", ["LOGITS", None], ids=["LOGITS", "the route's own"])
def test_unsupported_option_is_an_error_in_strict_mode(real, open_session, option):
    name = option or real.unsupported
    session = open_session(strict_options=True)

    with pytest.raises(UnsupportedOptionError, match=name):
        session.chat("Hi.", model_options={getattr(ModelOption, name): True})


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


def test_image_for_a_text_model_is_our_error(real, open_session):
    session = open_session(**{real.retries: 0})

    with pytest.raises(CapabilityError, match="text only"):
        session.instruct("What is this?", images=[f"data:image/png;base64,{PIXEL}"])


def test_closed_backend_opens_new_clients_when_it_is_used_again(open_session):
    session = open_session(model_options=SHORT)
    before = session.chat("Say hello.").content

    session.backend.close()
    session.backend.close()

    assert session.chat("Say hello.").content == before
