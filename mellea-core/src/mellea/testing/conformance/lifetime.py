"""The second level, third part: sessions apart, calls side by side, one loop after the other, the end."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from mellea.core.errors import ClosedError
from mellea.core.options import ModelOption
from mellea.testing.conformance.backend import BackendUnderTest
from mellea.testing.conformance.contract import REACHING, on_both_ways
from mellea.testing.conformance.provider import Answer, Provider
from mellea.testing.conformance.terms import term

__all__ = ["LifetimeTests"]


def repeated(said: str) -> Answer:
    """Answer with the words in capitals of what was received."""
    return Answer(" ".join(re.findall(r"\b[A-Z]{5,}\d*\b", said)))


class LifetimeTests(BackendUnderTest):
    """What a backend does over its life."""

    @term("contract")
    def test_making_it_asks_nothing(self, provider: Provider) -> None:
        """A session that is opened and closed has sent no prompt."""
        provider.play(Answer())

        self.open().close()

        assert provider.requests == []

    @term("contract")
    def test_sessions_know_nothing_of_each_other(self, provider: Provider) -> None:
        """What one session says is not part of what another one sends, on one backend or two."""
        from mellea.stdlib.context import ChatContext  # noqa: PLC0415  the manifest level needs no session
        from mellea.stdlib.session import MelleaSession  # noqa: PLC0415

        provider.play(repeated)
        first = self.open(ctx=ChatContext())
        beside = MelleaSession(first.backend, ChatContext())
        first.chat("ALBATROSS", model_options={ModelOption.SYSTEM_PROMPT: "PELICAN"})

        assert "ALBATROSS" in first.chat("HERON").content
        assert beside.chat("EAGLE").content == "EAGLE"
        assert self.open(ctx=ChatContext()).chat("RAVEN").content == "RAVEN"

    @term("contract", plays=["options"])
    def test_options_of_a_call_end_with_it(self, provider: Provider) -> None:
        """What one call asks for is not sent with the next."""
        provider.play(Answer())
        m = self.open()
        names = m.backend.options.names
        asked = {option: value for option, (value, _) in REACHING.items() if option in names}

        m.chat("Hi.", model_options=asked)
        m.chat("Hi.")

        sent = [sent for option, (_, sent) in REACHING.items() if option in names]
        assert [said for said in sent if said in provider.requests[1]] == []

    @term("contract")
    def test_calls_run_side_by_side(self, provider: Provider) -> None:
        """Each of many calls at once gets its own answer."""
        provider.play(repeated)
        words = [f"HERON{number}" for number in range(8)]

        async def ask() -> list[str]:
            async with self.open() as m:
                return [said.content for said in await asyncio.gather(*map(m.achat, words))]

        assert asyncio.run(ask()) == words

    @term("contract")
    def test_loop_goes_on_while_the_provider_thinks(self, provider: Provider) -> None:
        """A call that waits for its answer lets the event loop do other work."""
        provider.play(Answer(latency=self.silence))
        turns: list[bool] = []

        async def ask() -> None:
            async with self.open() as m:
                call = asyncio.ensure_future(m.achat("Hi."))
                while not call.done():
                    turns.append(provider.asked.is_set())
                    await asyncio.sleep(self.silence / 30)
                await call

        asyncio.run(ask())

        assert any(turns), "the loop stood still until the answer was there"

    @term("contract")
    @on_both_ways
    def test_cancelling_ends_the_work(self, provider: Provider, stream: bool) -> None:
        """A call that is cancelled within its answer stops the provider's work, and leaves no turn."""
        provider.play(Answer("Hel", ends="stall"))

        async def ask() -> None:
            async with self.open() as m:
                call = asyncio.ensure_future(m.achat("Hi.", model_options={ModelOption.STREAM: stream}))
                assert await asyncio.to_thread(provider.asked.wait, 5)
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
                assert await asyncio.to_thread(provider.left.wait, self.patience), "the provider goes on"
                assert m.ctx.is_root_node

        asyncio.run(asyncio.wait_for(ask(), 20))

    @term("contract")
    def test_leaving_a_stream_ends_the_work(self, provider: Provider) -> None:
        """A reader who leaves stops the provider's work."""
        provider.play(Answer("Hello ", ends="stall"))

        with self.open().stream_chat("Hi.") as thunk:
            assert provider.asked.wait(5)

        assert provider.left.wait(self.patience), "the provider goes on"
        assert thunk.cancelled

    @term("contract")
    def test_event_loops_follow_each_other(self, provider: Provider) -> None:
        """One session serves the synchronous face and one loop after another."""
        provider.play(Answer("Fine."))
        m = self.open()

        async def ask() -> str:
            return str((await m.achat("Hi.")).content)

        said = [m.chat("Hi.").content, asyncio.run(ask()), asyncio.run(ask()), m.chat("Hi.").content]

        assert said == ["Fine."] * 4

    @term("contract")
    def test_closing_twice_is_closing(self, provider: Provider) -> None:
        """It can be closed again, within a coroutine and without, before it was used and after."""
        provider.play(Answer("Fine."))

        async def close(backend: Any) -> None:
            await backend.aclose()
            await backend.aclose()

        unused, used = self.open().backend, self.open()
        used.chat("Hi.")

        asyncio.run(close(unused))
        asyncio.run(close(used.backend))
        used.backend.close()

    @term("contract")
    def test_closed_backend_says_so_or_opens_again(self, provider: Provider) -> None:
        """A closed backend answers as before, or says that it is closed."""
        provider.play(Answer("Fine."))
        m = self.open()
        m.chat("Hi.")
        m.backend.close()

        try:
            assert m.chat("Hi.").content == "Fine."
        except ClosedError:
            return

    @term("contract", plays=["key"])
    def test_key_is_in_no_description(self, provider: Provider) -> None:
        """A key is not part of what the backend and the session look like."""
        provider.play(Answer("Fine."))
        m = self.open()
        m.chat("Hi.")

        assert provider.key not in f"{m!r} {m.backend!r} {m.backend} {m.last_prompt()}"
