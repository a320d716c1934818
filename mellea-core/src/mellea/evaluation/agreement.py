"""How well a judge's probabilities agree with what is known."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

from attrs import frozen

__all__ = ["Agreement", "measure", "ranking"]

_BINS = 10


@frozen
class Agreement:
    """How well a judge agrees with known cases, where a probability of 0.5 or more is a yes.

    Args:
        cases: How many cases there were.
        met: How many of them are met.
        accuracy: The share of verdicts that are right.
        kappa: Cohen's kappa (1960): 1 for verdicts that are all right, 0 for those that chance would give.
        calibration_error: The expected calibration error: how far probabilities lie from shares, over ten
            bins of equal width (Naeini, Cooper and Hauskrecht 2015).
        area: How often a case that is met is ranked above one that is not: the area under the ROC curve.
    """

    cases: int
    met: int
    accuracy: float
    kappa: float
    calibration_error: float
    area: float


def measure(known: Sequence[tuple[float, bool]]) -> Agreement:
    """Return how well probabilities agree with what is known.

    Args:
        known: Probabilities, and whether it was met; one at least.
    """
    total = len(known)
    met = sum(met for _, met in known)
    said = sum(p >= 0.5 for p, _ in known)
    right = sum((p >= 0.5) == met for p, met in known) / total
    by_chance = (said * met + (total - said) * (total - met)) / total**2
    bins: dict[int, list[float]] = {}
    for p, is_met in known:
        place = bins.setdefault(min(int(p * _BINS), _BINS - 1), [0.0])
        place[0] += p - is_met
    return Agreement(
        total,
        met,
        right,
        (right - by_chance) / (1 - by_chance) if by_chance < 1 else 0.0,
        math.fsum(abs(gap) for [gap] in bins.values()) / total,
        ranking(known)[0],
    )


def ranking(known: Sequence[tuple[float, bool]]) -> tuple[float, float]:
    """Return how often a case that is met is ranked above one that is not, and how likely that is by chance.

    The second is the one-sided p-value of the test of Mann and Whitney (1947), with the correction for ties.

    Args:
        known: Probabilities, and whether it was met.
    """
    total, met = len(known), sum(met for _, met in known)
    others = total - met
    if not met or not others:
        return 0.5, 1.0
    groups: dict[float, list[int]] = {}
    for p, is_met in known:
        groups.setdefault(p, [0, 0])[is_met] += 1
    below = wins = ties = 0.0
    for _, (lost, won) in sorted(groups.items()):
        wins += won * (below + lost / 2)
        below += lost
        ties += (lost + won) ** 3 - (lost + won)
    area = wins / (met * others)
    variance = met * others / 12 * (total + 1 - ties / (total * (total - 1)))
    if variance <= 0:
        return area, 1.0
    z = (wins - met * others / 2) / math.sqrt(variance)
    return area, 1 - NormalDist().cdf(z)
