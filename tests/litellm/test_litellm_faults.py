"""What is particular to the LiteLLM backend when a provider does not do its part."""

import json

import pytest

from mellea import ModelOption, start_session
from mellea.backends.litellm import LiteLLMBackend
from mellea.backends.model_ids import IBM_GRANITE_4_1_3B, OPENAI_GPT_5_1
from mellea.core import CapabilityError, CBlock, ImageUrlBlock, Message, UsageError
from mellea.core.errors import (
    AuthenticationError,
    ProviderError,
    ProviderTimeoutError,
    RateLimitError,
    StreamInterruptedError,
)
from mellea.core.model_identifier import ModelIdentifier
from mellea_litellm.providers import HANDED_A_HANDLER, HANDED_THE_SDK
from tests.servers.faults import Reply, running_fault_server


def error(message):
    return {"error": {"message": message, "type": "fault", "code": None}}


def ollama(text, **fields):
    line = {
        "model": "m",
        "created_at": "2026-01-01T00:00:00Z",
        "message": {"role": "assistant", "content": text},
    }
    return json.dumps({**line, "done": False, **fields}) + "\n"


@pytest.fixture
def open_on(faults):
    """Opens sessions on the faulty server, without retries and with little patience, and closes them."""
    sessions = []

    def opened(model_id="openai/m", **kwargs):
        arguments = {
            "base_url": faults.base_url,
            "api_key": "secret-key",
            "max_retries": 0,
            "timeout": 5,
            **kwargs,
        }
        sessions.append(start_session("litellm", model_id=model_id, **arguments))
        return sessions[-1]

    yield opened
    for session in sessions:
        session.close()


@pytest.mark.parametrize("model_id", ["openai/m", "hosted_vllm/m", "ollama_chat/m"])
def test_key_that_the_provider_repeats_is_not_shown(faults, open_on, model_id):
    faults.answers(Reply(error("Incorrect API key provided: secret-key"), 401))

    with pytest.raises(AuthenticationError) as caught:
        open_on(model_id).chat("Hi.")

    assert "secret-key" not in str(caught.value)


def test_stream_of_ollama_that_stalls_times_out_and_leaves_the_server(faults, open_on):
    faults.answers(Reply([ollama("Hel")], stall=True))

    with pytest.raises(ProviderTimeoutError, match="sent nothing for"):
        list(open_on("ollama_chat/m").stream_chat("Hi.", model_options={ModelOption.STREAM_TIMEOUT: 0.2}))

    assert faults.client_left.wait(5)


@pytest.mark.parametrize("cut", [True, False])
def test_stream_of_ollama_that_ends_early_is_an_error(faults, open_on, cut):
    faults.answers(Reply([ollama("Hel"), ollama("lo")], cut=cut))

    with pytest.raises(StreamInterruptedError):
        list(open_on("ollama_chat/m").stream_chat("Hi."))


@pytest.mark.parametrize(
    ("model_id", "variable"),
    [("openai/gpt-4o", "OPENAI_API_KEY"), ("anthropic/claude-3-opus-20240229", "ANTHROPIC_API_KEY")],
)
def test_missing_key_names_the_variable(monkeypatch, model_id, variable):
    monkeypatch.delenv(variable, raising=False)
    session = start_session("litellm", model_id=model_id)

    with pytest.raises(AuthenticationError, match=variable) as caught:
        session.chat("Hi.")

    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("model_id", ["claude-nope", "no-such-provider/m"])
def test_unknown_provider_shows_how_to_write_the_model_id(model_id):
    backend = LiteLLMBackend(model_id)

    with start_session(backend) as session, pytest.raises(UsageError, match="provider/model"):
        session.chat("Hi.")


@pytest.mark.parametrize(
    ("model_id", "expected"),
    [
        (IBM_GRANITE_4_1_3B, "ollama_chat/granite4.1:3b"),
        (OPENAI_GPT_5_1, "openai/gpt-5.1"),
        (ModelIdentifier(bedrock_litellm_name="bedrock/amazon.nova"), "bedrock/amazon.nova"),
        (ModelIdentifier("org/model"), "huggingface/org/model"),
    ],
)
def test_model_identifier_becomes_provider_and_model(model_id, expected):
    assert LiteLLMBackend(model_id).model_id == expected


@pytest.mark.parametrize("model_id", ["", 3, ModelIdentifier(mlx_name="m")])
def test_wrong_model_id_is_our_error(model_id):
    with pytest.raises(UsageError):
        LiteLLMBackend(model_id)


def test_context_window_and_thinking_reach_ollama(faults, open_on):
    faults.answers(Reply(ollama("hello", done=True, done_reason="stop", prompt_eval_count=3, eval_count=2)))

    open_on("ollama_chat/m").chat(
        "Hi.", model_options={ModelOption.CONTEXT_WINDOW: 4096, ModelOption.THINKING: False}
    )

    assert faults.requests[0]["options"]["num_ctx"] == 4096
    assert faults.requests[0]["think"] is False


def test_log_probabilities_that_the_provider_lacks_are_refused(faults, open_on):
    with pytest.raises(CapabilityError, match="logprobs"):
        open_on("ollama_chat/m").chat("Hi.", model_options={"logprobs": True})

    assert faults.requests == []


async def test_prompts_go_one_by_one_to_a_provider_that_takes_one(faults, open_on):
    faults.answers(Reply(ollama("hello", done=True, done_reason="stop", prompt_eval_count=3, eval_count=2)))

    async with open_on("ollama_chat/m").backend as backend:
        thunks = await backend.generate_from_raw([CBlock("a"), CBlock("b")])

    assert [thunk.value for thunk in thunks] == ["hello", "hello"]
    assert {"a", "b"} == {body["messages"][0]["content"] for body in faults.requests if "messages" in body}


async def test_refused_raw_completion_is_our_error(faults, open_on):
    faults.answers(Reply(error("slow down"), 429, {"retry-after": "7"}))

    async with open_on("ollama_chat/m").backend as backend:
        with pytest.raises(RateLimitError):
            await backend.generate_from_raw([CBlock("a"), CBlock("b")])


def test_image_in_a_private_network_is_not_fetched(faults):
    faults.answers(Reply("image"))
    asked = Message("user", "What is this?", images=[ImageUrlBlock(f"{faults.url}/image.png")])

    with (
        start_session("litellm", model_id="ollama/llava", base_url="http://127.0.0.1:9") as session,
        pytest.raises(UsageError, match="nothing was fetched"),
    ):
        session.act(asked)

    assert not faults.requests


@pytest.mark.parametrize("model", ["ollama_chat/m", "ollama/m"])
def test_ollama_on_this_machine_is_not_asked_through_a_proxy(faults, open_on, monkeypatch, model):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    faults.answers(Reply({**json.loads(ollama("Fine.")), "response": "Fine.", "done": True}))

    assert open_on(model, base_url=faults.url).chat("Hi").content == "Fine."


LAST = {"model": "m", "response": "one two", "done": True, "prompt_eval_count": 3, "eval_count": 2}


@pytest.mark.parametrize(("limit", "reason"), [(2, "length"), (3, "stop"), (None, "stop")])
@pytest.mark.parametrize("stream", [True, False])
def test_plain_completion_of_ollama_that_reached_its_limit_says_so(faults, open_on, limit, reason, stream):
    last = {
        "model": "m",
        "response": "",
        "done": True,
        "done_reason": "x",
        "prompt_eval_count": 3,
        "eval_count": 2,
    }
    lines = [json.dumps({"model": "m", "response": "one two", "done": False}), json.dumps(last)]
    faults.answers(
        Reply([f"{line}\n" for line in lines]) if stream else Reply({**last, "response": "one two"})
    )
    m = open_on("ollama/m", base_url=faults.url)

    output = m.act("Hi", model_options={ModelOption.MAX_NEW_TOKENS: limit, ModelOption.STREAM: stream})

    assert (output.text, output.generation.finish_reasons) == ("one two", (reason,))


async def test_raw_completion_of_ollama_that_reached_its_limit_says_so(faults, open_on):
    faults.answers(
        Reply({"model": "m", "response": "one two", "done": True, "prompt_eval_count": 3, "eval_count": 2})
    )

    output = await open_on("ollama/m", base_url=faults.url).backend.generate_from_raw(
        [CBlock("Hi")], model_options={ModelOption.MAX_NEW_TOKENS: 2}
    )

    assert output[0].generation.finish_reasons == ("length",)


@pytest.mark.parametrize("provider", sorted(HANDED_A_HANDLER | HANDED_THE_SDK))
async def test_no_provider_that_takes_a_client_is_redirected_elsewhere(faults, open_on, provider):
    with running_fault_server([Reply("caught")]) as elsewhere:
        faults.answers(Reply("", 307, {"location": f"{elsewhere.url}/v1/chat/completions"}))
        session = open_on(f"{provider}/m")

        with pytest.raises(ProviderError, match="not followed"):
            await session.aact("A secret.", await_result=True)
        await session.aclose()

    assert faults.requests
    assert not elsewhere.requests
