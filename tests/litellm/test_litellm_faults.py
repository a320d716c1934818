"""What the LiteLLM backend does when the provider does not do its part."""

import asyncio
import json

import pytest

from mellea import ModelOption, start_session
from mellea.backends.litellm import LiteLLMBackend
from mellea.backends.model_ids import IBM_GRANITE_4_1_3B, OPENAI_GPT_5_1
from mellea.core import CBlock, UnsupportedOptionError, UsageError
from mellea.core.errors import (
    AuthenticationError,
    ContextWindowError,
    MalformedResponseError,
    ModelNotFoundError,
    ProviderConnectionError,
    ProviderTimeoutError,
    RateLimitError,
    RequestRejectedError,
    ServerError,
    StreamInterruptedError,
)
from mellea.core.model_identifier import ModelIdentifier
from tests.servers.faults import Reply, completion, delta

PROVIDERS = ["openai/m", "hosted_vllm/m", "ollama_chat/m"]
"""One that LiteLLM calls through the openai SDK, and two that it calls through clients of its own."""


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
            "num_retries": 0,
            "timeout": 5,
            **kwargs,
        }
        sessions.append(start_session("litellm", model_id=model_id, **arguments))
        return sessions[-1]

    yield opened
    for session in sessions:
        session.close()


@pytest.mark.parametrize("model_id", PROVIDERS)
@pytest.mark.parametrize(
    ("reply", "expected", "words"),
    [
        (
            Reply(error("Incorrect API key provided: secret-key"), 401),
            AuthenticationError,
            "Check the API key",
        ),
        (Reply(error("Not for you"), 403), AuthenticationError, "may use this model"),
        (Reply(error("The model `m` does not exist"), 404), ModelNotFoundError, "Check the model id"),
        (Reply(error("slow down"), 429, {"retry-after": "7"}), RateLimitError, "Try again in 7 seconds"),
        (Reply(error("boom"), 500), ServerError, "Try again"),
        (
            Reply(error("This model's maximum context length is 8"), 400),
            ContextWindowError,
            "Shorten the prompt",
        ),
        (Reply(error("Invalid schema for response_format"), 400), RequestRejectedError, "Invalid schema"),
        (Reply("<html>not an API</html>"), MalformedResponseError, "base_url"),
        (Reply({"answer": 42}), MalformedResponseError, "base_url"),
    ],
    ids=["401", "403", "404", "429", "500", "context window", "400", "no JSON", "no completion"],
)
def test_answer_becomes_our_error_with_the_remedy(faults, open_on, model_id, reply, expected, words):
    faults.answers(reply)
    session = open_on(model_id)

    with pytest.raises(expected, match=words) as caught:
        session.chat("Hi.")

    assert caught.value.backend == "litellm"
    assert caught.value.model_id == model_id
    assert caught.value.__cause__ is not None
    assert "secret-key" not in str(caught.value)
    assert session.ctx.is_root_node


def test_retry_after_is_a_field_and_the_words_are_the_providers(faults, open_on):
    faults.answers(Reply(error("slow down"), 429, {"retry-after": "7"}))

    with pytest.raises(RateLimitError) as caught:
        open_on().chat("Hi.")

    assert caught.value.retry_after == 7.0
    assert caught.value.retryable
    assert caught.value.message == "litellm (openai/m) answered 429: slow down."


@pytest.mark.parametrize("stream", [False, True])
def test_request_that_may_succeed_later_is_sent_again(faults, open_on, stream):
    answer = (
        Reply([delta("hello"), delta(None, "stop"), "data: [DONE]\n\n"])
        if stream
        else Reply(completion("hello"))
    )
    faults.answers(
        Reply(error("busy"), 503, {"retry-after": "0"}),
        Reply(error("busy"), 429, {"retry-after": "0"}),
        answer,
    )

    assert open_on(num_retries=2).chat("Hi.", model_options={ModelOption.STREAM: stream}).content == "hello"

    assert len(faults.requests) == 3


def test_request_that_cannot_succeed_is_sent_once(faults, open_on):
    faults.answers(Reply(error("no"), 400))

    with pytest.raises(RequestRejectedError):
        open_on(num_retries=2).chat("Hi.")

    assert len(faults.requests) == 1


@pytest.mark.parametrize("model_id", ["openai/m", "hosted_vllm/m"])
@pytest.mark.parametrize("cut", [True, False], ids=["connection dropped", "body ended"])
def test_stream_that_ends_early_is_an_error(faults, open_on, model_id, cut):
    faults.answers(Reply([delta("Hel"), delta("lo")], cut=cut))
    session = open_on(model_id)
    thunk = session.stream_chat("Hi.")

    with pytest.raises(StreamInterruptedError) as first:
        list(thunk)
    with pytest.raises(StreamInterruptedError) as again:
        list(thunk)

    assert "Hello".startswith(thunk.text)  # a dropped connection may take pieces with it
    assert first.value is again.value
    assert session.ctx.is_root_node


@pytest.mark.parametrize("cut", [True, False])
def test_stream_of_ollama_that_ends_early_is_an_error(faults, open_on, cut):
    faults.answers(Reply([ollama("Hel"), ollama("lo")], cut=cut))

    with pytest.raises(StreamInterruptedError):
        list(open_on("ollama_chat/m").stream_chat("Hi."))


def test_malformed_event_in_a_stream_is_our_error(faults, open_on):
    faults.answers(Reply([delta("Hel"), "data: {not json\n\n"]))

    with pytest.raises(MalformedResponseError):
        list(open_on().stream_chat("Hi."))


def test_error_event_in_a_stream_is_our_error(faults, open_on):
    faults.answers(Reply([delta("Hel"), 'data: {"error": {"message": "engine died", "code": 500}}\n\n']))

    with pytest.raises(ServerError, match="engine died"):
        list(open_on().stream_chat("Hi."))


@pytest.mark.parametrize(
    ("model_id", "piece"),
    [("openai/m", delta("Hel")), ("hosted_vllm/m", delta("Hel")), ("ollama_chat/m", ollama("Hel"))],
)
def test_stream_that_stalls_times_out_and_leaves_the_server(faults, open_on, model_id, piece):
    faults.answers(Reply([piece], stall=True))

    with pytest.raises(ProviderTimeoutError, match="sent nothing for"):
        list(open_on(model_id).stream_chat("Hi.", model_options={ModelOption.STREAM_TIMEOUT: 0.2}))

    assert faults.client_left.wait(5)


@pytest.mark.parametrize("model_id", PROVIDERS)
def test_answer_that_does_not_come_times_out(faults, open_on, model_id):
    faults.answers(Reply([], stall=True))

    with pytest.raises(ProviderTimeoutError, match="timeout="):
        open_on(model_id, timeout=0.2).chat("Hi.")


@pytest.mark.parametrize("model_id", PROVIDERS)
async def test_cancelled_call_leaves_the_server(faults, open_on, model_id):
    faults.answers(Reply([], stall=True))
    session = open_on(model_id)
    call = asyncio.create_task(session.achat("Hi."))
    assert await asyncio.to_thread(faults.received.wait, 5)

    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
    assert await asyncio.to_thread(faults.client_left.wait, 5)
    await session.aclose()


def test_first_piece_is_handed_on_before_the_second_comes(faults, open_on):
    faults.answers(Reply([delta("Hel")], stall=True))

    with open_on().stream_chat("Hi.") as thunk:
        assert next(iter(thunk)) == "Hel"


@pytest.mark.parametrize("model_id", PROVIDERS)
def test_server_that_is_down_is_our_error(open_on, model_id):
    with pytest.raises(ProviderConnectionError, match="base_url"):
        open_on(model_id, base_url="http://127.0.0.1:9/v1").chat("Hi.")


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


def test_options_reach_the_provider_under_its_names(faults, open_on):
    faults.answers(Reply(completion("hello")))

    open_on().chat(
        "Hi.", model_options={"top_k": 5, ModelOption.MAX_NEW_TOKENS: 7, ModelOption.STOP_SEQUENCES: ["x"]}
    )

    sent = faults.requests[0]
    assert (sent["top_k"], sent["max_tokens"], sent["stop"]) == (5, 7, ["x"])


def test_context_window_and_thinking_reach_ollama(faults, open_on):
    faults.answers(Reply(ollama("hello", done=True, done_reason="stop", prompt_eval_count=3, eval_count=2)))

    open_on("ollama_chat/m").chat(
        "Hi.", model_options={ModelOption.CONTEXT_WINDOW: 4096, ModelOption.THINKING: False}
    )

    assert faults.requests[0]["options"]["num_ctx"] == 4096
    assert faults.requests[0]["think"] is False


def test_native_parameter_that_the_provider_lacks_is_our_error(faults, open_on):
    with pytest.raises(UnsupportedOptionError, match="logprobs"):
        open_on("ollama_chat/m").chat("Hi.", model_options={"logprobs": True})

    assert faults.requests == []


def test_thinking_is_kept_apart_from_the_text(faults, open_on):
    answer = completion("hello")
    answer["choices"][0]["message"]["reasoning_content"] = "He greets me."
    faults.answers(Reply(answer))

    message = open_on().chat("Hi.")

    assert (message.content, message.thinking) == ("hello", "He greets me.")


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


def test_key_is_in_no_repr(open_on):
    session = open_on()

    assert "secret-key" not in repr(session)
    assert "secret-key" not in repr(session.backend)
