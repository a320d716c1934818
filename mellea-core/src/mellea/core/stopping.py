"""When a vote is settled before all votes are in.

What is asked is whether the rest of the votes would elect another answer. The share of the first answer
among further votes for it or for a rival is not known; with every share as likely beforehand, the votes so
far say how likely each is, and the further votes are drawn from that. This is stochastic curtailment by the
predictive probability (Lan, Simon and Halperin 1982; Spiegelhalter, Freedman and Blackburn 1986). Adaptive
consistency (Aggarwal et al. 2023) asks the same posterior which answer is the likeliest, as ``leads_surely``
does for votes without an end; that takes more votes, since it asks for more than what all votes would say.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from fractions import Fraction

from attrs import frozen

from mellea.core.errors import UsageError

__all__ = ["StoppingRule", "check_error", "leads_surely"]

_MOST = 64


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
        error: How probable it may be that the answer at which one stops would not win, where all levels of
            agreement are as likely. For votes of a model that hardly prefers one of two answers it is more:
            of eight at 0.05 at most 7.2%, at 0.04 at most 2.4%, whatever the model's probabilities are.

    Example:
        >>> rule = StoppingRule(8, 0.05)
        >>> rule.is_settled([2]), rule.is_settled([2, 1]), rule.is_settled([3, 1])
        (True, False, True)

    Raises:
        UsageError: A number is out of range.
    """

    votes: int
    error: float

    def __attrs_post_init__(self) -> None:
        if isinstance(self.votes, bool) or not isinstance(self.votes, int) or not 1 <= self.votes <= _MOST:
            raise UsageError(
                f"A vote of {self.votes!r} cannot be stopped early.", hint=f"Pass 1 to {_MOST} votes."
            )
        check_error("stop_at", self.error)

    def is_settled(self, counts: Sequence[int], unread: int = 0) -> bool:
        """Tell whether a vote is settled.

        Args:
            counts: The votes of each answer so far, in the order in which the answers came.
            unread: Votes that were cast for no answer.
        """
        left = self.votes - sum(counts) - unread
        if left <= 0 or not any(counts):
            return left <= 0
        first = max(counts)
        place = list(counts).index(first)
        rivals = [*counts[:place], 0, *counts[place + 1 :]]  # the nought is one that has not come
        return all(
            _turned(first, rival, left, wins_ties=at < place) <= self.error for at, rival in enumerate(rivals)
        )

    def missing(self, counts: Sequence[int], unread: int = 0) -> int:
        """Return the fewest further votes that could settle it: 0 where it is settled."""
        first = max(counts, default=0)
        place = list(counts).index(first) if counts else 0
        before, behind = counts[:place], counts[place + 1 :]
        more = 0
        while not self.is_settled([*before, first + more, *behind], unread):
            more += 1
        return more


@functools.lru_cache(maxsize=4096)
def _turned(first: int, rival: int, left: int, *, wins_ties: bool) -> Fraction:
    """Return how probable it is that further votes, all for one of two answers, put the rival in front.

    By a uniform prior they follow a beta-binomial distribution, counted here in whole numbers.

    Args:
        first: Votes of the first so far.
        rival: Votes of the rival so far.
        left: Further votes.
        wins_ties: Whether equal votes go to the rival.
    """
    needed = max((first + left - rival + (not wins_ties) + 1) // 2, 0)
    ways = sum(
        math.comb(rival + more, more) * math.comb(first + left - more, left - more)
        for more in range(needed, left + 1)
    )
    return Fraction(ways, math.comb(first + rival + left + 1, left))


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
