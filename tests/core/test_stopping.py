"""A vote that stops as soon as it is settled: how often it ends at another answer, and what it saves."""

import itertools
import math
import random
from collections import Counter

import pytest

from mellea.core import UsageError
from mellea.core.stopping import StoppingRule, leads_surely

RULE = StoppingRule(8, 0.05)


def winner(votes):
    """Return the answer with the most votes; of equal ones that which came first."""
    return max(dict.fromkeys(votes), key=votes.count)


def stopped(rule, votes):
    """Return the votes up to where it stops."""
    for drawn in range(1, len(votes) + 1):
        begun = votes[:drawn]
        if rule.is_settled([begun.count(answer) for answer in dict.fromkeys(begun)]):
            return begun
    raise AssertionError("it never stops")


def turned(first, rival, left):
    """Return how often the rival of an urn is ahead at the end; each draw adds one of its kind."""
    if not left:
        return float(rival > first)
    share = first / (first + rival)
    return share * turned(first + 1, rival, left - 1) + (1 - share) * turned(first, rival + 1, left - 1)


@pytest.mark.parametrize("rule", [RULE, StoppingRule(8, 0.2), StoppingRule(11, 0.01)])
def test_vote_is_settled_where_the_rest_would_hardly_turn_it(rule):
    for first, rival in itertools.product(range(rule.votes), repeat=2):
        left = rule.votes - first - rival
        if first > rival and left > 0:
            expected = turned(first + 1, rival + 1, left) <= rule.error
            assert rule.is_settled([first, rival]) == expected


def test_equal_votes_at_the_end_go_to_the_answer_that_came_first():
    assert RULE.is_settled([3, 1])
    assert not RULE.is_settled([1, 3])


def runs(share, others):
    """Return how many of a thousand votes end at another answer, and the answers drawn, of all."""
    rng, wrong, drawn = random.Random(11), 0, 0
    for _ in range(1000):
        votes = rng.choices("abcd"[: others + 1], (share, *[(1 - share) / others] * others), k=8)
        until = stopped(RULE, votes)
        drawn += len(until)
        wrong += winner(until) != winner(votes)
    return wrong / 1000, drawn / 8000


@pytest.mark.parametrize(("others", "worst"), [(1, 0.08), (3, 0.05)])
def test_votes_of_all_agreements_err_within_the_bound_and_spend_less_than_half(others, worst):
    errors, spent = zip(
        *(runs(share, others) for share in (0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)), strict=True
    )

    assert sum(errors) / len(errors) <= 0.05
    assert max(errors) <= worst
    assert sum(spent) / len(spent) <= 0.45


@pytest.mark.parametrize(("error", "worst"), [(0.05, 0.072), (0.04, 0.024)])
def test_even_splits_err_more_often_and_still_within_what_is_said(error, worst):
    rule = StoppingRule(8, error)
    wrong = Counter(
        tuple(map(votes.count, "abc"))
        for votes in itertools.product("abc", repeat=8)
        if winner(stopped(rule, votes)) != winner(votes)
    )

    def share(*chances):
        return sum(
            number * math.prod(p**count for p, count in zip(chances, counts, strict=True))
            for counts, number in wrong.items()
        )

    splits = [(a / 20, b / 20, (20 - a - b) / 20) for a in range(21) for b in range(21 - a)]
    assert max(share(*split) for split in splits) <= worst
    assert share(0.5, 0.5, 0) > worst * 0.9


def test_fewest_votes_that_could_settle_it_are_told():
    assert [RULE.missing(counts) for counts in ([], [1], [1, 1], [2, 1], [2], [4, 3])] == [2, 1, 2, 1, 0, 0]
    assert RULE.missing([2, 2], unread=3) == 1
    assert StoppingRule(1, 0.05).missing([]) == 1


def test_votes_without_an_end_stop_by_their_posterior():
    assert not leads_surely([3], 0.05)
    assert leads_surely([4], 0.05)
    assert leads_surely([3], 0.0625)
    assert not leads_surely([], 0.05)


@pytest.mark.parametrize(("votes", "error"), [(0, 0.05), (65, 0.05), (True, 0.05), (8, 0), (8, "x")])
def test_numbers_out_of_range_are_refused(votes, error):
    with pytest.raises(UsageError):
        StoppingRule(votes, error)
