"""Sampling strategies: what every one of them keeps to, however it makes its attempts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from typing import Any, ClassVar, Literal

import pytest

from mellea.core.backend import Backend
from mellea.core.budget import Budget
from mellea.core.capabilities import Capability
from mellea.core.errors import BudgetError, MelleaError, ServerError
from mellea.core.message import Message
from mellea.core.request import ChatRequest
from mellea.core.requirement import Requirement
from mellea.core.response import Chunk
from mellea.core.sampling import SamplingResult, SamplingStrategy
from mellea.plugins.factory import create
from mellea.testing.conformance.manifest import ManifestTests
from mellea.testing.conformance.terms import term

__all__ = ["StrategyConformance"]


class StrategyConformance(ManifestTests):
    """Every test of a sampling strategy. Make a subclass that says which."""

    kind: ClassVar[Literal["strategy"]] = "strategy"
    patience: ClassVar[float] = 10.0
    """Seconds after which a call that must end is taken to go on for ever."""

    @pytest.fixture
    def stand_in(self) -> Backend:
        """A backend for a strategy that brings its own: it answers what the test's backend answers."""
        return StandIn("stand-in")

    @pytest.fixture
    def arguments(self) -> Mapping[str, Any]:
        """Arguments of the strategy that tell it what only a program knows."""
        return self.options

    @pytest.fixture
    def strategy(self, arguments: Mapping[str, Any]) -> SamplingStrategy:
        """The strategy."""
        made: SamplingStrategy = create(
            "strategy", self.name, SamplingStrategy, arguments=arguments, plugins=self.plugins
        )
        return made

    @term("contract")
    def test_good_answer_is_a_success(self, strategy: SamplingStrategy) -> None:
        """An answer that meets every requirement is chosen, and is a success."""
        result = sampled(strategy, backend("a good answer"), requirements("good"))

        assert isinstance(result, SamplingResult)
        assert result.success
        assert "good" in str(result.result)
        assert result.attempts[result.result_index].output is result.result
        assert result.why

    @term("contract")
    def test_best_attempt_is_returned(self, strategy: SamplingStrategy) -> None:
        """Where no attempt meets all, none that was made meets more than the chosen one."""
        answers = [f"answer {number} {' '.join(GOOD[: (2 - number) % 3])}" for number in range(60)]
        result = sampled(strategy, backend(answers), requirements(*GOOD))

        assert not result.success
        assert result.attempts[result.result_index].met == max(attempt.met for attempt in result.attempts)

    @term("contract")
    @pytest.mark.parametrize("attempts", [1, 3])
    def test_budget_of_attempts_is_kept(self, strategy: SamplingStrategy, attempts: int) -> None:
        """No more answers are asked for than the budget allows."""
        asked = backend("a bad answer")

        result = sampled(strategy, asked, requirements(*GOOD), budget=Budget(attempts=attempts))

        assert 1 <= len(result.attempts) <= attempts
        assert asked.calls <= attempts

    @term("contract")
    def test_budget_of_tokens_ends_the_attempts(self, strategy: SamplingStrategy) -> None:
        """Once the tokens are spent, no further round begins."""
        asked = backend("a bad answer " * 50)
        unbounded = backend("a bad answer " * 50)
        sampled(strategy, unbounded, requirements(*GOOD))

        sampled(strategy, asked, requirements(*GOOD), budget=Budget(tokens=1))

        assert 1 <= asked.calls <= unbounded.calls

    @term("contract")
    def test_budget_of_time_is_kept(self, strategy: SamplingStrategy) -> None:
        """A provider that falls silent does not hold a call beyond its time."""
        from mellea.testing.replies import Fault  # noqa: PLC0415  the manifest level asks nobody

        call = sample_of(strategy, backend(Fault.stall()), requirements("good"), budget=Budget(seconds=0.1))
        with pytest.raises(BudgetError):
            asyncio.run(asyncio.wait_for(call, self.patience))

    @term("contract")
    def test_calls_leave_no_state(self, strategy: SamplingStrategy) -> None:
        """A call gives what it gives alone, whatever was called before."""
        before = vars(strategy).copy() if hasattr(strategy, "__dict__") else {}
        first = sampled(strategy, backend("a good answer"), requirements("good"))
        sampled(strategy, backend("a bad answer"), requirements(*GOOD))
        again = sampled(strategy, backend("a good answer"), requirements("good"))

        assert (len(again.attempts), str(again.result)) == (len(first.attempts), str(first.result))
        assert (vars(strategy) if before else {}) == before

    @term("contract")
    def test_calls_run_side_by_side(self, strategy: SamplingStrategy) -> None:
        """Calls at once get their own answers."""

        async def sample() -> list[SamplingResult[Any]]:
            calls = (sample_of(strategy, backend(f"a good {word}"), requirements("good")) for word in WORDS)
            return list(await asyncio.gather(*calls))

        assert [str(result.result) for result in asyncio.run(sample())] == [
            f"a good {word}" for word in WORDS
        ]

    @term("contract")
    def test_failure_of_the_provider_is_raised(self, strategy: SamplingStrategy) -> None:
        """Where there is no answer at all, the provider's error is what the program sees."""
        from mellea.testing.replies import Fault  # noqa: PLC0415  the manifest level asks nobody

        with pytest.raises(MelleaError) as caught:
            sampled(strategy, backend(Fault.server_error()), requirements("good"))

        assert isinstance(caught.value, ServerError)

    @term("contract")
    def test_without_requirements_one_answer_is_enough(self, strategy: SamplingStrategy) -> None:
        """Asked for nothing but an answer, it gives one, and calls it a success."""
        result = sampled(strategy, backend("an answer"), [])

        assert result.success
        assert str(result.result) == "an answer"

    @term("contract")
    def test_cancelling_ends_the_attempts(self, strategy: SamplingStrategy) -> None:
        """A call that is cancelled asks nothing more."""
        from mellea.testing.replies import Fault  # noqa: PLC0415  the manifest level asks nobody

        asked = backend(Fault.stall())

        async def cancel() -> None:
            call = asyncio.ensure_future(sample_of(strategy, asked, requirements("good")))
            while not asked.calls:  # noqa: ASYNC110  the scripted backend has no event for it
                await asyncio.sleep(0.001)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            calls = asked.calls
            await asyncio.sleep(0.01)
            assert asked.calls == calls

        asyncio.run(cancel())


GOOD = ("good", "short", "kind")
WORDS = ("one", "two", "three", "four")


def requirements(*words: str) -> list[Requirement]:
    """Return requirements that a text holds these words."""
    from mellea.stdlib.requirements import check, simple_validate  # noqa: PLC0415  the manifest level asks nobody

    def holds(word: str) -> Requirement:
        return check(f"It holds {word}.", validation_fn=simple_validate(lambda text: word in text))

    return list(map(holds, words))


def backend(answers: Any) -> Any:
    """Return a backend that answers with these."""
    from mellea.testing.scripted import ScriptedBackend  # noqa: PLC0415  the manifest level asks nobody

    return ScriptedBackend(answers)


ASKED: ContextVar[Backend] = ContextVar("asked")
"""The backend of the call that runs."""


class StandIn(Backend):
    """Hands every request to the backend of the call that runs."""

    capabilities = frozenset({Capability.STREAMING})

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """Hand on the chunks of that backend."""
        answer: Any = ASKED.get().stream_chat(request)
        async with aclosing(answer) as chunks:
            async for chunk in chunks:
                yield chunk


async def sample_of(
    strategy: SamplingStrategy, asked: Any, wanted: Sequence[Requirement], budget: Budget | None = None
) -> SamplingResult[Any]:
    """Return what a strategy makes of one question."""
    from mellea.stdlib.context import SimpleContext  # noqa: PLC0415  the manifest level asks nobody

    ASKED.set(asked)
    return await strategy.sample(Message("user", "Hi."), SimpleContext(), asked, wanted, budget=budget)


def sampled(
    strategy: SamplingStrategy, asked: Any, wanted: Sequence[Requirement], budget: Budget | None = None
) -> SamplingResult[Any]:
    """Return what a strategy makes of one question, asked alone."""
    return asyncio.run(sample_of(strategy, asked, wanted, budget))
