"""Servers that fail, and what a program gets to see."""

import asyncio
import json
import subprocess
import sys

import aiohttp
import pytest

from mellea.core import CBlock, ModelOption
from mellea.core.errors import (
    MalformedResponseError,
    ModelNotFoundError,
    ProviderError,
    ProviderTimeoutError,
    RateLimitError,
    ServerError,
    StreamInterruptedError,
)
from tests.ollama.played import line
from tests.servers.faults import Reply, completion
from tests.servers.ollama import Fault

FORKING = """
import os, sys
from mellea.core import CBlock
from mellea.core.event_loop import run_sync
from mellea_ollama import OllamaModelBackend

backend = OllamaModelBackend("smollm2", base_url=sys.argv[1], model_options={"max_tokens": 3})
before = run_sync(backend.generate_from_raw([CBlock("One, two,")]))
child = os.fork()
if child == 0:
    after = run_sync(backend.generate_from_raw([CBlock("One, two,")]))
    backend.close()
    os._exit(0 if str(after[0]) else 1)
code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
again = run_sync(backend.generate_from_raw([CBlock("One, two,")]))
backend.close()
sys.exit(code or not str(again[0]))
"""
FAULTS = [
    (Fault("malformed", after=2), MalformedResponseError),
    (Fault("error", after=2, message="the runner has terminated"), ServerError),
    (Fault("status", status=503, message="the upstream is gone"), ServerError),
]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("fault", "expected"), FAULTS, ids=[f"{fault.kind}-{fault.status}" for fault, _ in FAULTS]
)
async def test_fault_becomes_one_of_our_errors(ask, server, fault, expected, stream):
    server.faults.append(fault)

    thunk = await ask("Name three colours.", stream=stream)

    with pytest.raises(expected) as caught:
        await thunk.avalue()
    assert caught.value.backend == "ollama"
    assert caught.value.model_id == "smollm2"


NO_STREAMS = [
    ("engine died", MalformedResponseError, "engine died"),
    ('"engine died"', MalformedResponseError, "engine died"),
    ("[DONE]", MalformedResponseError, "DONE"),
    (completion("hello"), MalformedResponseError, "no message"),
    ({"done": True}, MalformedResponseError, "no message"),
    ({**line("hello"), "message": None}, MalformedResponseError, "no message"),
    ({"message": "engine died", "code": 500}, ServerError, "engine died"),
    ({"error": {"message": "slow down", "code": 429}}, RateLimitError, "slow down"),
]


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("body", "expected", "words"), NO_STREAMS, ids=[str(row[0])[:20] for row in NO_STREAMS]
)
def test_what_stands_in_the_place_of_an_answer_is_our_error(play, body, expected, words, stream):
    with pytest.raises(expected, match=words):
        play(Reply(body)).chat("Hi.", model_options={ModelOption.STREAM: stream})


CAUSES = [
    (Fault("cut", after=1), aiohttp.ClientError),
    (Fault("malformed", after=1), json.JSONDecodeError),
]


@pytest.mark.parametrize(("fault", "cause"), CAUSES, ids=[fault.kind for fault, _ in CAUSES])
async def test_original_error_is_chained(ask, backend, server, fault, cause):
    server.faults.extend([fault, fault])

    thunk = await ask("Name three colours.", stream=True)

    with pytest.raises(ProviderError) as of_chat:
        await thunk.avalue()
    with pytest.raises(ProviderError) as of_completion:
        await backend.generate_from_raw([CBlock("One, two,")])
    assert isinstance(of_chat.value.__cause__, cause)
    assert isinstance(of_completion.value.__cause__, cause)


async def test_pieces_before_the_fault_are_handed_on(ask, server):
    server.faults.append(Fault("end", after=2))
    thunk = await ask("Name three colours.", stream=True)

    first = await thunk.astream()
    with pytest.raises(StreamInterruptedError):
        await thunk.avalue()

    assert first
    assert thunk.text.startswith(first)


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", None)]
)
async def test_rate_limit_says_for_how_long(ask, server, value, seconds):
    server.faults.append(Fault("status", status=429, headers={"Retry-After": value}))

    thunk = await ask("Name three colours.", stream=True)

    with pytest.raises(RateLimitError) as caught:
        await thunk.avalue()
    assert caught.value.retry_after == seconds
    assert caught.value.retryable


async def test_rate_limit_of_a_raw_completion_says_for_how_long(backend, server):
    server.faults.append(Fault("status", status=429, headers={"Retry-After": "3"}))

    with pytest.raises(RateLimitError) as caught:
        await backend.generate_from_raw([CBlock("One, two,")])
    assert caught.value.retry_after == 3.0


async def test_stalled_answer_is_given_up_after_the_backends_time_out(make, ask, server):
    patient = make(timeout=0.3)
    server.faults.append(Fault("stall"))

    thunk = await ask("Name three colours.", of=patient)

    with pytest.raises(ProviderTimeoutError):
        await thunk.avalue()


@pytest.mark.parametrize("stream", [True, False])
async def test_answer_of_a_server_that_is_loading_is_asked_for_again(ask, server, stream):
    server.faults.append(Fault("load"))

    thunk = await ask("Name three colours.", stream=stream, max_retries=1)

    assert await thunk.avalue()
    assert len(server.sent("/api/chat")) == 2


async def test_raw_completion_is_never_silently_empty(backend, server):
    server.faults.extend([Fault("load"), Fault("load"), Fault("load")])

    with pytest.raises(ServerError, match="generated nothing"):
        await backend.generate_from_raw([CBlock("One, two,")])


async def test_failing_raw_completion_stops_the_others(backend, server):
    server.faults.extend([Fault("stall"), Fault("status", status=500)])

    with pytest.raises(ServerError):
        await backend.generate_from_raw([CBlock("One, two,"), CBlock("Three, four,")])


async def test_failed_output_fails_the_same_way_for_every_reader(ask, server):
    server.faults.append(Fault("status", status=500))
    thunk = await ask("Name three colours.")

    first, second = await asyncio.gather(thunk.avalue(), thunk.avalue(), return_exceptions=True)
    third = (await asyncio.gather(thunk.avalue(), return_exceptions=True))[0]

    assert isinstance(first, ServerError)
    assert first is second is third


async def test_model_that_was_removed_meanwhile_is_not_found(ask, server):
    await (await ask("Hello.")).avalue()
    server.models.clear()

    thunk = await ask("Hello.")

    with pytest.raises(ModelNotFoundError):
        await thunk.avalue()


# Event loops, processes, closing


def test_backend_works_in_a_forked_child_and_in_its_parent(server):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORKING, server.base_url],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")


async def test_backend_that_was_closed_twice_opens_a_new_client_when_it_is_used_again(backend, ask):
    await (await ask("Hello.")).avalue()

    await backend.aclose()
    await backend.aclose()

    assert await (await ask("Hello.")).avalue()
