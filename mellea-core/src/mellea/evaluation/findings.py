"""What a comparison found, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, TypeAlias

from attrs import frozen

from mellea.evaluation.intervals import mcnemar_pairs
from mellea.evaluation.outcomes import SIDES, Pair, Scoring, Side
from mellea.evaluation.reports import as_percent
from mellea.evaluation.sequential import PairedTest

__all__ = ["Result", "counted", "failing_sides", "in_words"]

Result: TypeAlias = Literal["a", "b", "no difference", "undecided", "failing"]

_HOPELESS = 5
"""After how many errors from the start a side is stopped."""
_MORE = 1.25
"""How many pairs decide 95 times in 100, as a multiple of those of a fixed test; by simulation."""


def failing_sides(pairs: Sequence[Pair]) -> list[Side]:
    """Return the sides that have done nothing but fail with errors, once that can be told."""
    if len(pairs) != _HOPELESS:
        return []
    return [side for side in SIDES if all(pair.of(side).error is not None for pair in pairs)]


def in_words(
    finding: Result,
    names: tuple[str, str],
    pairs: Sequence[Pair],
    test: PairedTest,
    *,
    by: Scoring,
    tasks: int,
) -> str:
    """Return what was found as a sentence or two.

    Args:
        finding: What was found.
        names: What the two sides are called.
        pairs: What came of each task.
        test: What has found it.
        by: What counted of an outcome.
        tasks: How many tasks there were.
    """
    words = _Words(names, pairs, test, by)
    if finding == "failing":
        return words.failing()
    if finding == "undecided":
        return words.undecided(tasks)
    return words.equal() if finding == "no difference" else words.better(finding)


def counted(number: int, noun: str) -> str:
    """Return a number of things in words."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


@frozen
class _Words:
    names: tuple[str, str]
    pairs: Sequence[Pair]
    test: PairedTest
    by: Scoring

    @property
    def points(self) -> str:
        return f"{100 * self.test.least:g} points"

    @property
    def tasks(self) -> str:
        return counted(len(self.pairs), "task")

    def mean(self, side: Side) -> str:
        return as_percent(sum(pair.score(side, self.by) for pair in self.pairs) / len(self.pairs))

    def better(self, side: Side) -> str:
        names = self.names if side == "a" else self.names[::-1]
        means = [self.mean(each) for each in (SIDES if side == "a" else SIDES[::-1])]
        return (
            f"{names[0]} is better than {names[1]}: {means[0]} to {means[1]} of {self.tasks}, "
            f"known at an error of {100 * self.test.error:g}%."
        )

    def equal(self) -> str:
        said = f"No difference of {self.points} or more between {' and '.join(self.names)}"
        if not any(pair.a.success or pair.b.success for pair in self.pairs):
            return (
                f"{said}: neither succeeds in any of {self.tasks}. Give easier ones, or look at the errors."
            )
        if all(pair.a.text == pair.b.text for pair in self.pairs):
            return f"{said}: they gave the same answer in each of {self.tasks}."
        return f"{said}: {self.mean('a')} to {self.mean('b')} of {self.tasks}.{self.cheaper()}"

    def cheaper(self) -> str:
        tokens = [(sum(pair.of(side).spent.tokens for pair in self.pairs), side) for side in SIDES]
        (fewer, side), (more, _) = sorted(tokens)
        if more <= 1.1 * fewer:
            return ""
        return f" {self.names[SIDES.index(side)]} takes {100 * (1 - fewer / more):.0f}% fewer tokens."

    def undecided(self, tasks: int) -> str:
        done = len(self.pairs)
        if not done:
            return "No task was done by both sides, and nothing is known."
        needed = math.ceil(_MORE * mcnemar_pairs(self.test.least, self.test.discordance))
        ended = f"The {self.tasks} are used up" if done >= tasks else f"It ended after {self.tasks}"
        advice = (
            f"For a difference of {self.points} give about {needed} tasks."
            if needed > done
            else f"It lies between none and {self.points}: ask for a smaller one, or take either."
        )
        return (
            f"{ended}, and it is undecided between {' and '.join(self.names)}: {self.mean('a')} to "
            f"{self.mean('b')}. {advice}"
        )

    def failing(self) -> str:
        sides = failing_sides(self.pairs)
        told = [
            f"{self.names[SIDES.index(side)]}: {' '.join(str(self.pairs[0].of(side).error).split())}"
            for side in sides
        ]
        who = "Both sides" if len(sides) > 1 else self.names[SIDES.index(sides[0])]
        return f"{who} failed in each of the first {self.tasks}, which compares nothing. {'; '.join(told)}"
