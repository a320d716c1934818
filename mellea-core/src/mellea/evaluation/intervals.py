"""How far a rate that was seen may lie from the rate that is."""

from __future__ import annotations

import math
from statistics import NormalDist

from mellea.core.errors import UsageError

__all__ = ["binomial_tail", "mcnemar_pairs", "most_errors", "wilson_interval"]


def wilson_interval(passed: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval in which a rate lies, of which some trials are known (Wilson 1927).

    Args:
        passed: How many trials succeeded.
        total: How many there were; of none, nothing is known.
        confidence: How often such intervals are right.

    Raises:
        UsageError: There are more successes than trials, or the confidence is no probability.
    """
    if not 0 <= passed <= total:
        raise UsageError(f"{passed} of {total} trials cannot succeed.", hint="Count both again.")
    if not 0 < confidence < 1:
        raise UsageError(f"A confidence of {confidence!r} is none.", hint="Pass a number between 0 and 1.")
    if not total:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate, spread = passed / total, z * z / total
    middle = rate + spread / 2
    half = z * math.sqrt(rate * (1 - rate) / total + spread / total / 4)
    low, high = (middle - half) / (1 + spread), (middle + half) / (1 + spread)
    return (0.0 if not passed else low), (1.0 if passed == total else high)


def binomial_tail(errors: int, total: int, rate: float) -> float:
    """Return how likely so few errors are, or fewer, where each of a number of trials errs at a rate.

    Args:
        errors: The errors.
        total: The trials.
        rate: The rate, between 0 and 1.
    """
    if not 0 <= errors <= total:
        raise UsageError(f"{errors} of {total} trials cannot fail.", hint="Count both again.")
    logs = (
        math.lgamma(total + 1)
        - math.lgamma(k + 1)
        - math.lgamma(total - k + 1)
        + k * math.log(rate)
        + (total - k) * math.log1p(-rate)
        for k in range(errors + 1)
    )
    return min(1.0, math.fsum(map(math.exp, logs)))


def most_errors(errors: int, total: int, confidence: float = 0.95) -> float:
    """Return the rate that errors hardly exceed, of which some trials are known (Clopper and Pearson 1934).

    It is exact: whatever the rate is, it is above this for at most 1 - ``confidence`` of such counts.

    Args:
        errors: How many trials failed.
        total: How many there were; of none, nothing is known.
        confidence: How often the bound holds.

    Raises:
        UsageError: There are more errors than trials, or the confidence is no probability.
    """
    if not 0 < confidence < 1:
        raise UsageError(f"A confidence of {confidence!r} is none.", hint="Pass a number between 0 and 1.")
    if errors == total:
        return 1.0
    low, high = errors / total, 1.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if binomial_tail(errors, total, middle) > 1 - confidence else (low, middle)
    return high


def mcnemar_pairs(difference: float, discordance: float, error: float = 0.05, power: float = 0.9) -> int:
    """Return how many pairs McNemar's test takes when their number is fixed beforehand (Connor 1987).

    Args:
        difference: The difference of two success rates that is to be found.
        discordance: The share of pairs in which one side succeeds and the other fails; at least the
            difference.
        error: How often a difference may be found where there is none, in both directions together.
        power: How often the difference is to be found.
    """
    normal = NormalDist()
    spread = max(discordance, difference)
    total = normal.inv_cdf(1 - error / 2) * math.sqrt(spread)
    total += normal.inv_cdf(power) * math.sqrt(spread - difference**2)
    return math.ceil((total / difference) ** 2)
