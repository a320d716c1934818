"""When a vote is settled before all votes are in.

The votes that a model would give come in an order that has nothing to do with what they say, so that the
first few are a draw without replacement from all of them. How often a lead among the first few is no win
among all is then counted, whatever the model's probabilities are: for every way in which ``votes`` votes can
fall, the share of their orders in which one stops at an answer that does not win. That is a group sequential
test with stochastic curtailment (Lan, Simon and Halperin 1982) for a finite population; adaptive consistency
(Aggarwal et al. 2023) asks a posterior instead, as ``leads_surely`` does for votes without an end.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence

from attrs import field, frozen

from mellea.core.errors import UsageError

__all__ = ["StoppingRule", "check_error", "leads_surely"]

_MOST = 64
_SLACK = 1e-12


def check_error(name: str, value: object) -> None:
    """Refuse what is no probability of an error.

    Raises:
        UsageError: It is not between 0 and 1.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise UsageError(
            f"{name} is {value!r}.", hint="Pass how often it may go wrong, between 0 and 1: 0.05."
        )


@frozen
class StoppingRule:
    """Tells when the winner of a number of votes is known well enough.

    Equal votes go to the answer that came first.

    Args:
        votes: How many votes there would be in all, up to 64.
        error: How often, at most, one may stop at an answer that would not have won.

    Example:
        >>> rule = StoppingRule(8, 0.05)
        >>> rule.is_settled([3]), rule.is_settled([3, 1]), rule.is_settled([4, 1])
        (True, False, True)

    Raises:
        UsageError: A number is out of range.
    """

    votes: int
    error: float
    leads: tuple[int, ...] = field(init=False, repr=False)
    """How many votes settle it for the first answer, by how many the second has."""

    def __attrs_post_init__(self) -> None:
        if isinstance(self.votes, bool) or not isinstance(self.votes, int) or not 1 <= self.votes <= _MOST:
            raise UsageError(
                f"A vote of {self.votes!r} cannot be stopped early.", hint=f"Pass 1 to {_MOST} votes."
            )
        check_error("stop_at", self.error)
        object.__setattr__(self, "leads", _leads(self.votes, float(self.error)))

    def is_settled(self, counts: Sequence[int], unread: int = 0) -> bool:
        """Tell whether a vote is settled.

        Args:
            counts: The votes of each answer so far.
            unread: Votes that were cast for no answer.
        """
        return self.missing(counts, unread) == 0

    def missing(self, counts: Sequence[int], unread: int = 0) -> int:
        """Return the fewest further votes that could settle it: 0 where it is settled."""
        first, second = (*sorted(counts, reverse=True), 0, 0)[:2]
        left = self.votes - sum(counts) - unread
        needed = self.leads[second] if second < len(self.leads) else self.votes
        return max(0, min(needed - first, second + left - first + 1, left))


@functools.lru_cache(maxsize=64)
def _leads(votes: int, error: float) -> tuple[int, ...]:
    """Return the least number of votes that settles it for each number of the second: the first first."""
    leads: list[int] = []
    for second in range(votes // 2 + 1):
        low, high = max([second + 1, *leads[-1:]]), votes + 1
        while low < high:  # fewer votes settle it more often wrongly
            middle = (low + high) // 2
            if _worst(votes, (*leads, middle)) <= error + _SLACK:
                high = middle
            else:
                low = middle + 1
        leads.append(low)
    return tuple(leads)


def _worst(votes: int, leads: tuple[int, ...]) -> float:
    """Return how often one stops wrongly, for the votes with which that happens most."""
    anyhow, late = _first_hits(votes, leads, 0), _first_hits(votes, leads, 1)
    worst = 0.0
    for most in range(1, votes + 1):
        others = min(most, votes - most)
        wrong = [
            _share(late if other == most else anyhow, other, most) for other in range(others + 1)
        ]  # by the votes of another answer
        best = [0.0] * (votes - most + 1)
        for total in range(1, votes - most + 1):  # the others share the rest of the votes
            best[total] = max(best[total - size] + wrong[size] for size in range(1, min(others, total) + 1))
        worst = max(worst, best[-1])
    return worst


def _first_hits(votes: int, leads: tuple[int, ...], start: int) -> Mapping[tuple[int, int], int]:
    """Return in how many orders one stops first at each count of two answers, the stopping one first.

    Args:
        votes: Votes in all.
        leads: When one stops.
        start: How many votes the other answer has before anything else comes.
    """
    paths, hits = {(0, start): 1}, {}
    for ours in range(votes + 1):
        for theirs in range(start, votes + 1 - ours):
            ways = paths.get((ours, theirs), 0)
            if not ways:
                continue
            if theirs < len(leads) and ours >= leads[theirs]:
                hits[ours, theirs] = ways
                continue
            for after in ((ours + 1, theirs), (ours, theirs + 1)):
                paths[after] = paths.get(after, 0) + ways
    return hits


def _share(hits: Mapping[tuple[int, int], int], ours: int, theirs: int) -> float:
    """Return the share of the orders of so many votes of two answers in which one stops at the first."""
    stopped = sum(
        ways * math.comb(ours + theirs - a - b, ours - a)
        for (a, b), ways in hits.items()
        if a <= ours and b <= theirs
    )
    return stopped / math.comb(ours + theirs, ours)


def leads_surely(counts: Sequence[int], error: float) -> bool:
    """Tell whether the answer with the most votes is the likeliest one.

    That is the Beta criterion of adaptive consistency (Aggarwal et al. 2023): with a uniform prior, the
    probability that the first answer is likelier than the second is at least 1 - ``error``.

    Args:
        counts: The votes of each answer so far.
        error: How often it may be another one.
    """
    first, second = (*sorted(counts, reverse=True), 0, 0)[:2]
    total = first + second + 1
    # P(Beta(first + 1, second + 1) > 1/2) is a tail of the binomial distribution.
    below: float = sum(math.comb(total, k) for k in range(first + 1)) / 2**total
    return below >= 1 - error
