"""Votes, best of n and judges that stop as soon as it is decided."""

import re

import pytest

from mellea import req
from mellea.core import Capability, ModelOption, UsageError, VotingJudge
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements import matches, validate_all
from mellea.stdlib.sampling import (
    BestOfNSamplingStrategy,
    DrawPool,
    MajorityVotingStrategy,
    MajorityVotingStrategyForMath,
    MBRDRougeLStrategy,
)
from mellea.testing import ScriptedBackend
from tests.stdlib.requirements.test_judges_stop import CTX


def drawn(strategy, answers, requirements=None):
    """Return the result of a strategy, and how many answers were drawn."""
    backend = ScriptedBackend(answers)
    result = strategy.sample("Ask.", SimpleContext(), backend, requirements)
    return result, backend


@pytest.mark.parametrize(
    ("answers", "value", "calls"),
    [
        (["a", "A."], "a", 2),
        (["a", "b", "a", "a"], "a", 4),
        (["a", "b", "b", "a", "a", "b", "b", "a"], "a", 8),  # equal votes go to the one that came first
    ],
)
async def test_majority_stops_when_it_is_settled(answers, value, calls):
    sampling, backend = drawn(MajorityVotingStrategy(stop_at=0.05), answers)
    result = await sampling

    assert (result.value, backend.calls) == (value, calls)
    assert ("of 8 answers were drawn, at an error of 0.05" in result.why) == (calls < 8)


async def test_only_answers_that_meet_the_requirements_settle_a_vote():
    answers = ["no", "no", "1", "1"]
    sampling, backend = drawn(MajorityVotingStrategy(stop_at=0.05), answers, [matches(r"\d")])
    result = await sampling

    assert (result.value, backend.calls) == ("1", 4)


async def test_equal_numbers_settle_a_vote():
    sampling, backend = drawn(MajorityVotingStrategyForMath(stop_at=0.05), ["0.5", "1/2"])

    assert (await sampling).value == "0.5"
    assert backend.calls == 2


async def test_what_a_settled_vote_saves_goes_to_one_that_is_open():
    pool = DrawPool()
    strategy = MajorityVotingStrategy(number_of_samples=4, stop_at=0.05, pool=pool)
    sampling, _ = drawn(strategy, ["a", "a"])
    await sampling
    assert pool.left == 2

    sampling, backend = drawn(strategy, ["a", "b", "b", "a", "b", "b"])
    result = await sampling
    assert (result.value, backend.calls, pool.left) == ("b", 6, 0)


@pytest.mark.parametrize(
    "make",
    [
        lambda: MBRDRougeLStrategy(stop_at=0.05),
        lambda: MajorityVotingStrategy(stop_at=0.05, weighted=True),
        lambda: MajorityVotingStrategy(pool=DrawPool(2)),
        lambda: MajorityVotingStrategy(stop_at=1),
        lambda: DrawPool(-1),
    ],
)
def test_what_cannot_stop_early_is_refused(make):
    with pytest.raises(UsageError):
        make()


async def test_best_of_n_stops_at_an_answer_that_is_good_enough():
    strategy = BestOfNSamplingStrategy(4, reward=len, enough=3)
    sampling, backend = drawn(strategy, ["a", "abc", "abcd", "x"])

    assert (await sampling).value == "abc"
    assert backend.calls == 2


async def test_judge_votes_until_its_majority_is_settled():
    backend = ScriptedBackend({"Kind": ["yes, it is", "yes"], "Short": ["no", "yes", "no", "no", "yes"]})
    judge = VotingJudge(votes=5)

    kind, short = await validate_all([req("Kind.", judge=judge), req("Short.", judge=judge)], CTX, backend)

    assert (kind.result, kind.probability, kind.basis) == (True, 1.0, "votes")
    assert kind.reason == "yes, it is"
    assert (short.result, short.probability) == (False, 0.25)
    assert len([prompt for prompt in backend.prompts if re.search("Kind", prompt)]) == 2
    assert {request.options["temperature"] for request in backend.requests} == {0.7}


async def test_votes_of_a_judge_differ_by_their_seeds():
    backend = ScriptedBackend("yes", capabilities={Capability.SEED})
    await validate_all([req("Kind.", judge=VotingJudge())], CTX, backend)

    assert len({request.options["seed"] for request in backend.requests}) == backend.calls
    without = ScriptedBackend("yes", capabilities=set())
    await validate_all([req("Kind.", judge=VotingJudge())], CTX, without)
    assert all(ModelOption.SEED not in request.options for request in without.requests)
