"""A backend is asked no more often than its provider allows; time is a clock of the test's own."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import stamina

from mellea import MelleaSession
from mellea.composition import limited, limits
from mellea.core import ModelOption, ServerError, UsageError
from mellea.core.response import Usage
from mellea.testing import Fault, Reply, ScriptedBackend


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that were waited, each of which moves the clock."""
    now, waited = [100.0], list[float]()

    async def sleep(seconds: float) -> None:
        waited.append(round(seconds, 6))
        now[0] += seconds

    monkeypatch.setattr(limits, "monotonic", lambda: now[0])
    monkeypatch.setattr(limits, "sleep", sleep)
    return waited


async def _asked(session: Any, times: int) -> None:
    for _ in range(times):
        await session.ainstruct("Hi.")


async def test_requests_are_spread_over_the_minute(waits: list[float]) -> None:
    backend = ScriptedBackend("There.")
    await _asked(MelleaSession(limited(backend, requests_per_minute=30)), 4)
    assert [wait for wait in waits if wait] == [2.0, 2.0, 2.0]
    assert backend.calls == 4


async def test_tokens_beyond_a_minutes_worth_are_waited_for(waits: list[float]) -> None:
    backend = ScriptedBackend(Reply("There.", usage=Usage(300, 300)))
    await _asked(MelleaSession(limited(backend, tokens_per_minute=600)), 3)
    assert [wait for wait in waits if wait] == [60.0]
    await _asked(MelleaSession(limited(backend, tokens_per_minute=300)), 2)
    assert [wait for wait in waits if wait] == [60.0, 60.0]


async def test_tokens_are_set_aside_before_and_corrected_after(waits: list[float]) -> None:
    backend = limited(ScriptedBackend(Reply("There.", usage=Usage(100, 200))), tokens_per_minute=600)
    session = MelleaSession(backend, model_options={ModelOption.MAX_NEW_TOKENS: 500})
    await _asked(session, 2)
    assert [wait for wait in waits if wait] == [20.0]  # 300 were taken, 500 are wanted: 200 too many
    refused = MelleaSession(limited(ScriptedBackend(Fault.status(500)), tokens_per_minute=600))
    for _ in range(3):
        with pytest.raises(ServerError):
            await refused.achat("Hi.", model_options={ModelOption.MAX_NEW_TOKENS: 500})
    assert len([wait for wait in waits if wait]) == 1  # what was refused took none


async def test_request_that_never_fits_is_refused(waits: list[float]) -> None:
    backend = ScriptedBackend("There.")
    session = MelleaSession(limited(backend, tokens_per_minute=100))
    with pytest.raises(UsageError, match=r"may take about 1\d\d tokens, and tokens_per_minute is 100"):
        await session.achat("Hi, there. " * 50)
    with pytest.raises(UsageError, match="Lower ModelOption.MAX_NEW_TOKENS"):
        await session.achat("Hi.", model_options={ModelOption.MAX_NEW_TOKENS: 200})
    assert backend.calls == 0
    assert waits == []


async def test_all_wait_where_the_provider_wants_to_be_left_alone(waits: list[float]) -> None:
    backend = ScriptedBackend([Fault.rate_limit(7), "There.", "There."])
    session = MelleaSession(limited(backend, requests_per_minute=6000))
    said = await asyncio.gather(*(session.achat("Hi.") for _ in range(3)), return_exceptions=True)
    assert [type(each).__name__ for each in said] == ["RateLimitError", "Message", "Message"]
    assert sum(waits) == pytest.approx(7, abs=0.1)


async def test_pause_that_is_asked_for_twice_is_one(waits: list[float]) -> None:
    both = asyncio.Barrier(2)

    class Together(ScriptedBackend):
        async def stream_chat(self, request: Any) -> Any:
            if self.calls < 2:
                await both.wait()
            async for chunk in super().stream_chat(request):
                yield chunk

    backend = Together([Fault.rate_limit(7), Fault.rate_limit(7), "There."])
    session = MelleaSession(limited(backend, concurrency=2))
    await asyncio.gather(*(session.achat("Hi.") for _ in range(2)), return_exceptions=True)
    await _asked(session, 1)
    assert waits == [7]


async def test_each_try_waits_for_its_turn(waits: list[float]) -> None:
    backend = ScriptedBackend([Fault.status(503), Fault.status(503), "There."], max_retries=2)
    with stamina.set_testing(True, attempts=3):
        await _asked(MelleaSession(limited(backend, requests_per_minute=30)), 1)
    assert [wait for wait in waits if wait] == [2.0, 2.0]


async def test_no_more_requests_than_allowed_run_at_once() -> None:
    running, most = [0], [0]

    class Counting(ScriptedBackend):
        async def stream_chat(self, request: Any) -> Any:
            running[0] += 1
            most[0] = max(most[0], running[0])
            await asyncio.sleep(0)
            async for chunk in super().stream_chat(request):
                yield chunk
            running[0] -= 1

    backend = limited(Counting("There."), concurrency=2)
    await asyncio.gather(*(MelleaSession(backend).ainstruct("Hi.") for _ in range(8)))
    assert most == [2]


async def test_a_place_of_one_that_gives_up_goes_to_the_next() -> None:
    backend = limited(ScriptedBackend("There.", latency=0.001), concurrency=1)
    tasks = [asyncio.create_task(MelleaSession(backend).ainstruct("Hi.")) for _ in range(6)]
    await asyncio.sleep(0.0005)
    for task in tasks[1:5]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert str(tasks[5].result()) == "There."
    assert str(await MelleaSession(backend).ainstruct("Hi.")) == "There."


def test_a_place_is_taken_from_any_event_loop() -> None:
    backend = limited(ScriptedBackend("There."), concurrency=1)
    session = MelleaSession(backend)
    assert str(session.instruct("Hi.")) == "There."
    assert str(asyncio.run(session.ainstruct("Hi."))) == "There."


@pytest.mark.parametrize(
    "given", [{}, {"concurrency": 0}, {"requests_per_minute": -1}, {"concurrency": True}]
)
def test_a_limit_is_a_number_above_zero(given: Any) -> None:
    with pytest.raises(UsageError, match=r"no limit|is (0|-1|True)"):
        limited(ScriptedBackend(), **given)
