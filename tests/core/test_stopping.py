"""A vote that stops as soon as it is settled: how often it ends at another answer, and what it saves."""

import itertools
import random

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
        if rule.is_settled([votes[:drawn].count(answer) for answer in set(votes[:drawn])]):
            return votes[:drawn]
    raise AssertionError("it never stops")


def orders(counts):
    """Yield every order of so many votes for each answer."""
    if not any(counts):
        yield ()
    for answer, left in enumerate(counts):
        if left:
            rest = (*counts[:answer], left - 1, *counts[answer + 1 :])
            yield from ((answer, *after) for after in orders(rest))


@pytest.mark.parametrize(
    ("rule", "counts"),
    [(RULE, counts) for counts in itertools.product(range(9), repeat=2) if sum(counts) == 8]
    + [(RULE, counts) for counts in ((4, 2, 2), (3, 3, 2), (5, 2, 1), (3, 2, 2, 1))]
    + [(StoppingRule(9, 0.1), (5, 4)), (StoppingRule(9, 0.1), (4, 4, 1)), (StoppingRule(5, 0.2), (3, 2))],
)
def test_share_of_orders_that_end_at_another_answer_is_within_the_error(rule, counts):
    found = list(orders(counts))
    wrong = sum(winner(stopped(rule, votes)) != winner(votes) for votes in found)

    assert wrong <= rule.error * len(found)


@pytest.mark.parametrize(("share", "spent"), [(0.95, 0.45), (0.9, 0.5), (0.6, 0.8)])
def test_thousand_runs_err_seldom_and_spend_little(share, spent):
    rng, wrong, drawn = random.Random(11), 0, 0
    for _ in range(1000):
        votes = rng.choices("ab", (share, 1 - share), k=8)
        until = stopped(RULE, votes)
        drawn += len(until)
        wrong += winner(until) != winner(votes)

    assert wrong <= 0.05 * 1000
    assert drawn <= spent * 8 * 1000


def test_fewest_votes_that_could_settle_it_are_told():
    assert [RULE.missing(counts) for counts in ([], [1], [2, 1], [3], [4, 3])] == [3, 2, 2, 0, 1]
    assert RULE.missing([2], unread=5) == 0  # one vote is left, and cannot turn it
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
