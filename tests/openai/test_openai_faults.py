"""What the OpenAI backend does when the server does not do its part."""

import asyncio
import os
import subprocess
import sys

import pytest

from mellea import start_session
from mellea.core import (
    AuthenticationError,
    ContextWindowError,
    MalformedResponseError,
    ModelNotFoundError,
    ModelOption,
    ProviderConnectionError,
    ProviderTimeoutError,
    RateLimitError,
    RequestRejectedError,
    ServerError,
    StreamInterruptedError,
    UsageError,
)
from tests.servers.faults import Reply, completion, delta


def error(message, **fields):
    return {"error": {"message": message, **fields}}


@pytest.mark.parametrize(
    ("reply", "expected", "words"),
    [
        (Reply(error("Incorrect API key provided"), 401), AuthenticationError, "Check the API key"),
        (Reply(error("The model `m` does not exist"), 404), ModelNotFoundError, "Check the model id"),
        (Reply(error("slow down"), 429, {"retry-after": "7"}), RateLimitError, "Try again in 7 seconds"),
        (Reply(error("boom"), 500), ServerError, "Try again"),
        (
            Reply(error("This model's maximum context length is 8"), 400),
            ContextWindowError,
            "Shorten the prompt",
        ),
        (Reply(error("Invalid schema for response_format"), 400), RequestRejectedError, "Invalid schema"),
        (Reply("<html>not an API</html>"), MalformedResponseError, "base URL"),
        (Reply({"answer": 42}), MalformedResponseError, "no chat completion"),
        (Reply({"choices": [{"message": None}]}), MalformedResponseError, "no chat completion"),
    ],
)
def test_answer_becomes_our_error_with_the_remedy(faults, faulty, reply, expected, words):
    faults.answers(reply)

    with pytest.raises(expected, match=words) as caught:
        faulty.chat("Hi.")

    assert caught.value.backend == "openai"
    assert caught.value.model_id == "m"
    assert caught.value.__cause__ is not None
    assert "secret-key" not in str(caught.value)
    assert faulty.ctx.is_root_node


def test_retry_after_is_a_field(faults, faulty):
    faults.answers(Reply(error("slow down"), 429, {"retry-after": "7"}))

    with pytest.raises(RateLimitError) as caught:
        faulty.chat("Hi.")

    assert caught.value.retry_after == 7.0
    assert caught.value.retryable


def test_sdk_retries_what_is_worth_a_retry(faults):
    faults.answers(Reply(error("busy"), 503, {"retry-after-ms": "1"}), Reply(completion("hello")))
    with start_session("openai", model_id="m", base_url=faults.base_url, api_key="k") as session:
        assert session.chat("Hi.").content == "hello"

    assert len(faults.requests) == 2


@pytest.mark.parametrize(
    "reply",
    [
        Reply([delta("Hel"), delta("lo")], cut=True),
        Reply([delta("Hel"), delta("lo")]),
        Reply([delta("Hel"), "data: [DONE]\n\n"]),
    ],
    ids=["connection dropped", "body ended", "no finish reason"],
)
def test_stream_that_ends_early_is_an_error_after_its_pieces(faults, faulty, reply):
    faults.answers(reply)
    thunk = faulty.stream_chat("Hi.")

    with pytest.raises(StreamInterruptedError) as first:
        list(thunk)
    with pytest.raises(StreamInterruptedError) as again:
        list(thunk)

    assert thunk.text.startswith("Hel")
    assert first.value is again.value
    assert faulty.ctx.is_root_node


def test_malformed_event_in_a_stream_is_our_error(faults, faulty):
    faults.answers(Reply([delta("Hel"), "data: {not json\n\n"]))

    with pytest.raises(MalformedResponseError):
        list(faulty.stream_chat("Hi."))


def test_error_event_in_a_stream_is_our_error(faults, faulty):
    faults.answers(Reply([delta("Hel"), 'data: {"error": {"message": "engine died", "code": 500}}\n\n']))

    with pytest.raises(ServerError, match="engine died"):
        list(faulty.stream_chat("Hi."))


def test_stream_that_stalls_times_out_and_leaves_the_server(faults, faulty):
    faults.answers(Reply([delta("Hel")], stall=True))

    with pytest.raises(ProviderTimeoutError, match="sent nothing for 0.2 seconds"):
        list(faulty.stream_chat("Hi.", model_options={ModelOption.STREAM_TIMEOUT: 0.2}))

    assert faults.client_left.wait(5)


def test_first_piece_is_handed_on_before_the_second_comes(faults, faulty):
    faults.answers(Reply([delta("Hel")], stall=True))

    with faulty.stream_chat("Hi.") as thunk:
        assert next(iter(thunk)) == "Hel"


def test_server_that_is_down_is_named():
    with (
        start_session("openai", model_id="m", base_url="http://127.0.0.1:9/v1", max_retries=0) as session,
        pytest.raises(ProviderConnectionError, match="127.0.0.1:9") as caught,
    ):
        session.chat("Hi.")

    assert isinstance(caught.value, ConnectionError)


def test_openai_itself_wants_a_key(monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)

    with pytest.raises(AuthenticationError, match="OPENAI_API_KEY"):
        start_session("openai", model_id="gpt-4")


def test_openai_itself_gets_its_own_option_names():
    from mellea.backends.openai import OpenAIBackend

    backend = OpenAIBackend("gpt-4", api_key="k", base_url="https://api.openai.com/v1")

    assert backend.options.names[ModelOption.MAX_NEW_TOKENS] == "max_completion_tokens"


def test_schema_is_made_strict_for_openai_itself():
    from mellea.core.chat_completions import strict_schema

    schema = {
        "type": "object",
        "properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}}}},
    }

    strict = strict_schema(schema)

    assert strict["required"] == ["a"]
    assert strict["additionalProperties"] is False
    assert strict["properties"]["a"]["additionalProperties"] is False
    assert "required" not in schema


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"model_id": ""}, "empty"),
        ({"model_id": 3}, "not int"),
        ({"model_id": "m", "colour": 1}, "takes no colour"),
    ],
)
def test_wrong_argument_is_our_error(arguments, words):
    with pytest.raises(UsageError, match=words):
        start_session("openai", base_url="http://127.0.0.1:9/v1", **arguments)


def test_unknown_native_option_is_passed_on(faults, faulty):
    faults.answers(Reply(completion("hello")))

    faulty.chat("Hi.", model_options={"top_k": 5, "max_tokens": 7})

    assert faults.requests[0]["top_k"] == 5
    assert faults.requests[0]["max_tokens"] == 7


def test_thinking_is_kept_apart_from_the_text(faults, faulty):
    answer = completion("hello")
    answer["choices"][0]["message"]["reasoning_content"] = "He greets me."
    faults.answers(Reply(answer))

    message = faulty.chat("Hi.", model_options={ModelOption.THINKING: True})

    assert (message.content, message.thinking) == ("hello", "He greets me.")
    assert faults.requests[0]["chat_template_kwargs"] == {"enable_thinking": True}


def test_key_is_in_no_repr(faulty):
    assert "secret-key" not in repr(faulty)
    assert "secret-key" not in repr(faulty.backend)


def test_constructor_opens_no_connection(faults):
    start_session("openai", model_id="m", base_url=faults.base_url).close()

    assert faults.requests == []


def test_session_works_in_a_forked_child(faults, faulty):
    faults.answers(Reply(completion("hello")))
    faulty.chat("Hi.")

    pid = os.fork()
    if pid == 0:
        os._exit(0 if faulty.chat("Hi.").content == "hello" else 1)

    assert os.waitpid(pid, 0)[1] == 0


def test_closing_the_session_closes_its_sockets(faults):
    faults.answers(Reply(completion("hello")))
    script = f"""
import asyncio, gc
from mellea import start_session
session = start_session("openai", model_id="m", base_url={faults.base_url!r}, api_key="k")
asyncio.run(session.achat("Hi."))
session.chat("Hi.")
session.close()
gc.collect()
"""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0
    assert done.stderr == ""


async def test_malformed_request_of_many_fails_alone(faults, faulty):
    faults.answers(Reply(completion("hello")), Reply(error("boom"), 500), Reply(completion("hello")))

    results = await asyncio.gather(*(faulty.achat("Hi.") for _ in range(3)), return_exceptions=True)

    assert sum(isinstance(result, ServerError) for result in results) == 1
    assert len(faulty.ctx.as_list()) == 4
    await faulty.aclose()


@pytest.mark.parametrize("stream", [False, True])
async def test_cancelling_the_caller_leaves_the_server(faults, faulty, stream):
    faults.answers(Reply([delta("Hel")], stall=True))
    task = asyncio.create_task(faulty.achat("Hi.", model_options={ModelOption.STREAM: stream}))
    await asyncio.to_thread(faults.received.wait, 5)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await asyncio.to_thread(faults.client_left.wait, 5)
    assert faulty.ctx.is_root_node
    await faulty.aclose()
