"""The second level, fourth part: what is sent again after a failure, what is not, and how the wait ends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import stamina
from stamina import instrumentation

from mellea.core.errors import MelleaError
from mellea.core.options import ModelOption
from mellea.testing.conformance.backend import BackendUnderTest
from mellea.testing.conformance.contract import on_both_ways
from mellea.testing.conformance.provider import Answer, Provider
from mellea.testing.conformance.terms import term

__all__ = ["RetryTests"]


class RetryTests(BackendUnderTest):
    """Tries, which the core makes, so that no backend makes its own."""

    @term("contract", plays=["status"])
    @on_both_ways
    @pytest.mark.parametrize("status", [429, 500, 503])
    def test_passing_failure_is_no_failure(self, provider: Provider, status: int, stream: bool) -> None:
        """A request that the provider puts off is sent again, and answered."""
        put_off = Answer(status=status, words="slow down", retry_after=0)
        provider.play(put_off, put_off, Answer("Fine."))
        m = self.open(model_options={ModelOption.MAX_RETRIES: 2, ModelOption.STREAM: stream})

        with stamina.set_testing(True, attempts=3):  # without waits
            assert m.chat("Hi.").content == "Fine."

        assert len(provider.requests) == 3

    @term("contract", plays=["status"])
    @on_both_ways
    @pytest.mark.parametrize(("status", "retries"), [(400, 2), (401, 2), (429, 0), (500, 0)])
    def test_request_is_sent_once_where_no_more_is_allowed(
        self, provider: Provider, status: int, retries: int, stream: bool
    ) -> None:
        """A request that cannot succeed, or that may not be sent again, is sent once."""
        provider.play(Answer(status=status, words="no"))
        m = self.open(model_options={ModelOption.MAX_RETRIES: retries, ModelOption.STREAM: stream})

        with pytest.raises(MelleaError):
            m.chat("Hi.")

        assert len(provider.requests) == 1

    @term("contract", plays=["status"])
    def test_cancelling_ends_the_wait_for_another_try(self, provider: Provider) -> None:
        """A call that waits until it may ask again ends at once when it is cancelled."""
        provider.play(Answer(status=429, words="slow down", retry_after=30))

        async def ask() -> None:
            waits = asyncio.Event()
            instrumentation.set_on_retry_hooks([lambda _: waits.set()])
            async with self.open(model_options={ModelOption.MAX_RETRIES: 2}) as m:
                call: asyncio.Future[Any] = asyncio.ensure_future(m.achat("Hi."))
                async with asyncio.timeout(self.patience):
                    await waits.wait()
                    call.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await call

        before = instrumentation.get_on_retry_hooks()
        try:
            asyncio.run(ask())
        finally:
            instrumentation.set_on_retry_hooks(before)

        assert len(provider.requests) == 1
