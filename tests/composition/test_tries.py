"""However backends stand in front of each other, tries are made where a real one is asked, and only there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stamina

from mellea import MelleaSession
from mellea.composition import cached, fallback, limited, router
from mellea.core import ModelOption
from mellea.core.errors import ProviderError, RateLimitError, ServerError
from mellea.testing import Fault, RecordingBackend, ReplayBackend, ScriptedBackend

BUSY = Fault.status(503)
COMPOSED: dict[str, Callable[[Any], Any]] = {
    "limited": lambda backend: limited(backend, concurrency=2, tokens_per_minute=10_000),
    "cached": cached,
    "router": lambda backend: router(backend, backend),
    "fallback": fallback,
    "nested": lambda backend: fallback(cached(router(limited(backend, requests_per_minute=1e6)))),
}


@pytest.fixture(autouse=True)
def _at_once() -> Iterator[None]:
    with stamina.set_testing(True, attempts=99, cap=True):
        yield


@pytest.mark.parametrize("compose", COMPOSED.values(), ids=COMPOSED)
async def test_tries_do_not_multiply(compose: Callable[[Any], Any]) -> None:
    backend = ScriptedBackend(BUSY, max_retries=None)
    session = MelleaSession(compose(backend))
    with pytest.raises(ServerError, match="Tried 3 times") as caught:
        await session.achat("Hi.")
    assert (backend.calls, caught.value.tries) == (3, 3)
    with pytest.raises(ServerError):
        await session.backend.generate_from_raw(["Hi."])
    assert backend.calls == 6


@pytest.mark.parametrize("compose", COMPOSED.values(), ids=COMPOSED)
async def test_passing_failure_is_asked_again_after_behind_another_backend(
    compose: Callable[[Any], Any],
) -> None:
    backend = ScriptedBackend([BUSY, BUSY, "Fine."], max_retries=2)
    assert (await MelleaSession(compose(backend)).achat("Hi.")).content == "Fine."


@pytest.mark.parametrize(
    ("first", "options", "calls"),
    [(None, {}, (1, 3)), (1, {}, (2, 3)), (1, {ModelOption.MAX_RETRIES: 0}, (1, 1))],
)
async def test_another_backend_is_asked_before_the_same_one_again(
    first: int | None, options: dict[str, int], calls: tuple[int, int]
) -> None:
    backends = [ScriptedBackend(BUSY, max_retries=tries) for tries in (first, None)]
    with pytest.raises(ProviderError, match="None of 2 backends answered"):
        await MelleaSession(fallback(*backends)).achat("Hi.", model_options=options)
    assert tuple(backend.calls for backend in backends) == calls


async def test_fallback_has_no_patience_for_a_wait_that_is_longer() -> None:
    backend = ScriptedBackend(Fault.rate_limit(30), max_retries=2)
    with pytest.raises(RateLimitError, match=r"Tried once: the next try .* and [01]\.\d s are left"):
        await MelleaSession(fallback(backend, patience=1)).achat("Hi.")


async def test_recording_keeps_what_came_of_all_tries(tmp_path: Any) -> None:
    backend = RecordingBackend(
        ScriptedBackend([BUSY, "Fine.", *[BUSY] * 3], max_retries=2), tmp_path / "calls"
    )
    session = MelleaSession(backend)
    await session.achat("Hi.")
    with pytest.raises(ServerError):
        await session.achat("Hi.")
    await backend.aclose()
    again = MelleaSession(ReplayBackend(tmp_path / "calls"), model_options={ModelOption.MAX_RETRIES: 2})
    assert (await again.achat("Hi.")).content == "Fine."
    with pytest.raises(ServerError, match="Tried 3 times"):
        await again.achat("Hi.")
