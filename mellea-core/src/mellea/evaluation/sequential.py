"""A paired test that stops by itself.

For each of the two directions a gambler bets that one side is better. The bets are fair where it is not, so
that by Ville's inequality (1939) the capital hardly ever grows to 1/error there, whenever one looks. What
is bet is what Wald's sequential probability ratio test (1945) would: the ratio of the probabilities of the
pair that was seen, if the difference is the least one worth finding, and if there is none. As a bet on a
mean it is the one of Waudby-Smith and Ramdas (2023), and takes scores as well. How often pairs differ at
all is unknown; it is estimated from the pairs before, so that every factor has expectation one.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from mellea.core.errors import UsageError

__all__ = ["Finding", "PairedTest"]

Finding: TypeAlias = Literal["a", "b", "no difference"]

_LOST = 0.11
"""The likelihood ratio at which a gambler is ruined: Wald's lower bound, about the power that is lost."""
_KEPT_BACK = 0.2
"""The part of the error that is not spent: bets that end at their goal would spend all of it."""
_EXCLUDED = 0.05
"""How often a difference that is there is excluded by a bet against it."""
_PRIOR, _PRIOR_PAIRS = 0.4, 8
"""The mean squared difference that is assumed at first, and how many pairs that counts as."""


class _Direction:
    """The bets that one side is better, and the bets that it is not by as much as is worth finding."""

    def __init__(self, least: float, error: float) -> None:
        self._least = least
        self._goal = 1 / (error * (1 - _KEPT_BACK))
        self.capital = 1.0
        self._against = 1.0

    def bet(self, difference: float, mean: float, square: float, size: float) -> None:
        """Settle the bets on a difference that was not known when they were made.

        Args:
            difference: What came: this side's score less the other's.
            mean: The mean difference that is expected; what is bet on is at least the one worth finding.
            square: The mean squared difference that is expected.
            size: How large a difference is where there is one.
        """
        if not self.capital:
            return
        # The capital is a likelihood ratio without the part that is lost for good, so that a last bet is all
        # of it; and no more is bet than the goal takes.
        ratio = _LOST + (1 - _LOST) * self.capital
        wanted = max(self._least, mean) / square * ratio / ((1 - _LOST) * self.capital)
        self.capital *= 1 + min(wanted, 1.0, (self._goal / self.capital - 1) / size) * difference
        odds = min(self._least / (square + self._least**2), 0.98 / (1 - self._least))
        self._against *= 1 + odds * (self._least - difference)
        if self._against >= 1 / _EXCLUDED and not self.has_won:
            self.capital = 0.0

    @property
    def has_won(self) -> bool:
        return self.capital >= self._goal * (1 - 1e-9)  # the last bet comes to the goal but for rounding


class PairedTest:
    """Tells which of two sides is better, from pairs of outcomes, as soon as it is known.

    ``finding`` is ``a`` or ``b`` once that side is better; where the two are equal, either is found with a
    probability of at most ``error`` in all, however often one looks. It is ``no difference`` once neither is
    better by as much as ``least``; a difference of that size is overlooked about 15 times in 100. Pairs are
    to come in an order that has nothing to do with their outcomes.

    Args:
        least: The least difference that is worth finding, between 0 and 1.
        error: How often a difference may be found where there is none.

    Example:
        >>> test = PairedTest(least=0.3)
        >>> for _ in range(20):
        ...     if test.add(1, 0) is not None:
        ...         break
        >>> test.finding, test.pairs
        ('a', 9)

    Raises:
        UsageError: A number is not between 0 and 1.
    """

    def __init__(self, *, least: float = 0.15, error: float = 0.05) -> None:
        for name, value in (("least", least), ("error", error)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
                raise UsageError(f"{name} is {value!r}.", hint="Pass a number between 0 and 1.")
        self.least = least
        self.error = error
        self.finding: Finding | None = None
        self.pairs = 0
        self.a_ahead = 0
        """In how many pairs the first side was better."""
        self.b_ahead = 0
        """In how many pairs the second side was better."""
        self._a, self._b = (_Direction(least, error / 2) for _ in range(2))  # both share the error
        self._sum = self._sizes = 0.0
        self._squares = _PRIOR * _PRIOR_PAIRS

    def add(self, a: float, b: float) -> Finding | None:
        """Take one more pair, and return what is found by now. After a finding nothing changes it.

        Args:
            a: The outcome of the first side: 0 or 1, or a score between them.
            b: The outcome of the second side in the same task.

        Raises:
            UsageError: An outcome is not between 0 and 1.
        """
        if not (0 <= a <= 1 and 0 <= b <= 1):
            raise UsageError(f"The outcomes are {a!r} and {b!r}.", hint="Pass numbers from 0 to 1.")
        difference = float(a) - float(b)
        square = self._squares / (_PRIOR_PAIRS + self.pairs)
        mean = self._sum / (_PRIOR_PAIRS + self.pairs)
        differing = self.a_ahead + self.b_ahead
        size = self._sizes / differing if differing else 1.0
        if self.finding is None:
            self._a.bet(difference, mean, square, size)
            self._b.bet(-difference, -mean, square, size)
        self.pairs += 1
        self.a_ahead += difference > 0
        self.b_ahead += difference < 0
        self._sum += difference
        self._sizes += abs(difference)
        self._squares += difference**2
        self.finding = self.finding or self._found()
        return self.finding

    def _found(self) -> Finding | None:
        if self._a.has_won or self._b.has_won:
            return "a" if self._a.has_won else "b"
        return None if self._a.capital or self._b.capital else "no difference"

    @property
    def difference(self) -> float:
        """The mean of the first side less that of the second, so far; at a finding it is rather too large."""
        return self._sum / self.pairs if self.pairs else 0.0

    @property
    def discordance(self) -> float:
        """The share of pairs in which the two sides differ."""
        return (self.a_ahead + self.b_ahead) / self.pairs if self.pairs else 0.0

    def __repr__(self) -> str:
        return f"<PairedTest after {self.pairs} pairs: {self.finding or 'undecided'}>"
