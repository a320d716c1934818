"""What failed for a passing reason is asked again, within what the call allows; without real waits."""

from __future__ import annotations

import asyncio
import logging
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
import stamina
from stamina.instrumentation import get_on_retry_hooks, set_on_retry_hooks

from mellea import MelleaSession
from mellea.core import Budget, ModelOption, UsageError, _tries
from mellea.core.capabilities import Capability
from mellea.core.errors import (
    AuthenticationError,
    MalformedResponseError,
    ProviderConnectionError,
    ProviderTimeoutError,
    QuotaError,
    RateLimitError,
    RefusalError,
    RequestRejectedError,
    ServerError,
    StreamInterruptedError,
)
from mellea.core.generate_config import GenerateConfig
from mellea.core.generation import sample_n
from mellea.core.response import EmbeddingResponse
from mellea.core.time_limits import Clock, TimeLimits, waiting
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.sampling import RejectionSamplingStrategy
from mellea.testing import Fault, Reply, ScriptedBackend

BUSY = Fault.status(503)
EVERYTHING = {Capability.STREAMING, Capability.RAW, Capability.N_SAMPLES, Capability.EMBEDDINGS}


@pytest.fixture
def at_once() -> Iterator[None]:
    """Tries without waits."""
    with stamina.set_testing(True, attempts=99, cap=True):
        yield


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What stamina tells of each wait; the usual ones take milliseconds."""
    monkeypatch.setattr(_tries, "FIRST_WAIT", 0.001)
    monkeypatch.setattr(_tries, "JITTER", 0.0005)
    seen: list[Any] = []
    before = get_on_retry_hooks()
    set_on_retry_hooks([seen.append])
    yield seen
    set_on_retry_hooks(before)


def scripted(*answers: Any, **more: Any) -> ScriptedBackend:
    return ScriptedBackend(list(answers), **{"max_retries": 2, "capabilities": EVERYTHING, **more})


class Embedding(ScriptedBackend):
    """Embeds, when it is asked again."""

    async def embed_texts(self, request: Any) -> EmbeddingResponse:
        self.requests.append(request)
        if len(self.requests) < 3:
            raise ServerError("busy", status=503)
        return EmbeddingResponse([[1.0, 0.0]])


async def chat(backend: Any, **options: Any) -> str:
    return (await MelleaSession(backend).achat("Hi.", model_options=options)).content


async def stream(backend: Any) -> str:
    return await chat(backend, **{ModelOption.STREAM: True})


async def raw(backend: Any) -> str:
    return str((await backend.generate_from_raw(["Hi."]))[0])


async def several(backend: Any) -> str:
    return str((await sample_n(backend, "Hi.", SimpleContext(), 2, GenerateConfig()))[0])


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("ask", [chat, stream, raw])
@pytest.mark.parametrize(
    "failure", [BUSY, Fault.rate_limit(), Fault.status(500), Fault.status(504), ProviderConnectionError("x")]
)
async def test_passing_failure_is_asked_again_after(ask, failure):
    backend = scripted(failure, failure, "Fine.")
    assert await ask(backend) == "Fine."
    assert backend.calls == 3


@pytest.mark.usefixtures("at_once")
async def test_several_answers_and_embeddings_are_asked_for_again():
    backend = scripted(BUSY, BUSY, "Fine.", "Fine.")
    assert await several(backend) == "Fine."
    embedding = Embedding(max_retries=2, capabilities=EVERYTHING)
    assert len(await embedding.embed(["Hi."])) == 1
    assert len(embedding.requests) == 3


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "failure",
    [
        AuthenticationError("x"),
        MalformedResponseError("x"),
        ProviderTimeoutError("x"),
        QuotaError("x"),
        RefusalError("x"),
        RequestRejectedError("x"),
        ServerError("x", status=501),
        ZeroDivisionError("x"),
    ],
)
async def test_lasting_failure_is_asked_once(failure):
    backend = scripted(failure)
    with pytest.raises(Exception, match="x") as caught:
        await chat(backend)
    assert backend.calls == 1
    assert "Tried" not in str(caught.value)


@pytest.mark.usefixtures("at_once")
async def test_nothing_is_asked_again_once_a_piece_is_there():
    backend = scripted(["Hel", StreamInterruptedError("cut")], "Hello.")
    with pytest.raises(StreamInterruptedError):
        await stream(backend)
    assert backend.calls == 1


async def test_wait_is_at_least_what_the_provider_asks_for(waits):
    assert await chat(scripted(Fault.rate_limit(0.01), BUSY, "Fine.")) == "Fine."
    assert 0.01 <= waits[0].wait_for <= 0.0125


async def test_waits_grow_where_the_provider_says_nothing(waits):
    backend = scripted(BUSY, BUSY, BUSY, "Fine.", max_retries=3)
    await chat(backend)
    for wait, least in zip(waits, (0.001, 0.002, 0.004), strict=True):
        assert least <= wait.wait_for <= least + 0.0005


async def test_error_says_how_often_it_was_tried(waits):
    failure = RateLimitError("Slow down.", hint="Wait.", backend="b", model_id="m")
    backend = ScriptedBackend(failure, max_retries=2)
    with pytest.raises(RateLimitError, match=r"^Slow down\. Tried 3 times in 0\.\d s\. Wait\.$") as caught:
        await chat(backend)
    assert caught.value.tries == pickle.loads(pickle.dumps(caught.value)).tries == 3
    assert (failure.tries, failure.message) == (0, "Slow down.")
    assert "Slow down" not in repr(waits)


async def test_request_does_not_wait_for_an_hour(waits):
    backend = scripted(Fault.rate_limit(3600))
    with pytest.raises(
        RateLimitError, match=r"Tried once: it asks for a wait of 3600 s, and no request waits"
    ):
        await chat(backend)
    assert (backend.calls, waits) == (1, [])


async def test_no_wait_begins_that_would_outlast_the_call(waits):
    backend = scripted(Fault.rate_limit(30), Fault.rate_limit(30), Fault.rate_limit(30))
    session = MelleaSession(backend)
    too_late = r"Tried once: the next try would come after 3\d\.\d s, and [0-5]\.\d s are left"
    with pytest.raises(RateLimitError, match=too_late):
        await session.ainstruct("Hi.", strategy=RejectionSamplingStrategy(budget=Budget(seconds=5)))
    for limit in (ModelOption.TIMEOUT, ModelOption.STREAM_TIMEOUT):
        with pytest.raises(RateLimitError, match=too_late):
            await chat(backend, **{limit: 5})
    assert (backend.calls, waits) == (3, [])


@pytest.mark.usefixtures("at_once")
async def test_try_is_no_attempt_of_a_budget():
    backend = scripted(BUSY, BUSY, "Fine.")
    strategy = RejectionSamplingStrategy(budget=Budget(attempts=1))
    result = await MelleaSession(backend).ainstruct("Hi.", strategy=strategy, return_sampling_results=True)
    assert (str(result), len(result.attempts), backend.calls) == ("Fine.", 1, 3)


async def test_waiting_is_no_silence():
    clock = Clock(TimeLimits(idle=0.001, total=None))
    clock.start()
    with waiting():
        await asyncio.sleep(0.005)
    clock.stop()
    assert not clock.expired


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("maker", "options", "session", "call", "calls"),
    [
        (None, {}, {}, {}, 3),
        (4, {}, {}, {}, 5),
        (4, {"max_retries": 3}, {}, {}, 4),
        (4, {"max_retries": 3}, {"max_retries": 1}, {}, 2),
        (4, {"max_retries": 3}, {"max_retries": 1}, {ModelOption.MAX_RETRIES: 0}, 1),
    ],
)
async def test_what_is_said_nearest_to_the_call_counts(maker, options, session, call, calls):
    backend = ScriptedBackend(BUSY, max_retries=maker, model_options=options)
    with pytest.raises(ServerError):
        await MelleaSession(backend, model_options=session).achat("Hi.", model_options=call)
    assert backend.calls == calls


@pytest.mark.parametrize("value", [-1, True, 1.5, "2"])
async def test_number_of_retries_is_one(value):
    backend = ScriptedBackend("Fine.")
    with pytest.raises(UsageError, match="MAX_RETRIES is"):
        await chat(backend, **{ModelOption.MAX_RETRIES: value})
    with pytest.raises(UsageError, match="max_retries is"):
        ScriptedBackend("Fine.", max_retries=value)
    assert backend.calls == 0


async def test_each_try_is_a_line_of_the_log_without_words(caplog, waits):
    set_on_retry_hooks(None)  # as stamina is by itself
    caplog.set_level(logging.INFO)
    await chat(scripted(Reply(error=ServerError("my secret prompt", status=503)), "Fine."))
    [line] = [record for record in caplog.records if "asked again" in record.message]
    assert line.name == "mellea.requests"
    assert "ServerError (503); it is asked again within 0.0 s (try 2 of 3)" in line.message
    assert "secret" not in caplog.text
    assert not [record for record in caplog.records if record.name == "stamina"]


async def test_cancelling_ends_a_wait_at_once(waits):
    backend = scripted(Fault.rate_limit(30))
    call = asyncio.ensure_future(chat(backend))
    while not waits:
        await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert backend.calls == 1
