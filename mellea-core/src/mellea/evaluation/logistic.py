"""The curve from what a judge says to probabilities, and the places from which these can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mellea.evaluation.intervals import binomial_tail

__all__ = ["apply", "fit", "trusted_from"]

_STEPS = 20
"""How many places are looked at, at most."""


def apply(slope: float, shift: float, p: float) -> float:
    """Return the calibrated probability for one between 0 and 1."""
    return 1 / (1 + math.exp(-max(-40.0, min(40.0, slope * math.log(p / (1 - p)) + shift))))


def fit(known: Sequence[tuple[float, bool]]) -> tuple[float, float]:
    """Return slope and shift of the logistic curve through known cases, by damped Newton steps.

    The slope is not negative: a judge is never read against its own words.
    """
    met = sum(met for _, met in known)
    high, low = (met + 1) / (met + 2), 1 / (len(known) - met + 2)  # targets of Lin, Lin and Weng
    points = [(math.log(p / (1 - p)), high if met else low) for p, met in known]
    slope, shift = 0.0, math.log((met + 1) / (len(known) - met + 1))

    def loss(slope: float, shift: float) -> float:
        values = ((slope * x + shift, t) for x, t in points)
        return math.fsum(max(z, 0.0) - z * t + math.log1p(math.exp(-abs(z))) for z, t in values)

    current = loss(slope, shift)
    for _ in range(100):
        g1 = g2 = h11 = h12 = h22 = 0.0
        for x, t in points:
            p = 1 / (1 + math.exp(-max(-40.0, min(40.0, slope * x + shift))))
            w = max(p * (1 - p), 1e-12)
            g1, g2 = g1 + (p - t) * x, g2 + (p - t)
            h11, h12, h22 = h11 + w * x * x, h12 + w * x, h22 + w
        determinant = (h11 + 1e-9) * (h22 + 1e-9) - h12 * h12
        down1 = ((h22 + 1e-9) * g1 - h12 * g2) / determinant
        down2 = ((h11 + 1e-9) * g2 - h12 * g1) / determinant
        step = 1.0
        while step > 1e-6 and loss(slope - step * down1, shift - step * down2) > current:
            step /= 2
        slope, shift = slope - step * down1, shift - step * down2
        before, current = current, loss(slope - 0.0, shift)
        if before - current < 1e-10:
            break
    return max(slope, 0.0), shift


def trusted_from(
    fitted: Sequence[tuple[float, bool]],
    tested: Sequence[tuple[float, bool]],
    error: float,
    chance: float,
) -> float | None:
    """Return the least probability from which yes errs seldom enough; None where there is none.

    The places and their order come of the fitted cases alone: first the one that looks safest there, then
    those below it, until the tested cases do not confirm one.

    Args:
        fitted: Cases that order the places.
        tested: Cases that test them.
        error: How often yes may be wrong.
        chance: How often a place may pass that errs more often.
    """
    ranked = sorted((p for p, _ in fitted), reverse=True)
    last = len(ranked) - 1
    places = sorted({ranked[last * step // _STEPS] for step in range(1, _STEPS + 1)}, reverse=True)
    looks = [_chance_of(fitted, place, error) for place in places]
    best = min(range(len(places)), key=lambda index: (looks[index], -index))
    trusted = None
    for place in places[best:]:
        if _chance_of(tested, place, error) > chance:
            break
        trusted = place
    return trusted


def _chance_of(cases: Sequence[tuple[float, bool]], place: float, error: float) -> float:
    """Return how likely so few errors from a place on are, if more than ``error`` of them are wrong."""
    inside = [met for p, met in cases if p >= place]
    return binomial_tail(inside.count(False), len(inside), error) if inside else 1.0
