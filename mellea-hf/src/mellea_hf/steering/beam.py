"""A broad search for the first way home, where the narrow one that goes with each token finds none."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from operator import itemgetter
from typing import Any, TypeAlias

import numpy as np
from attrs import frozen

from mellea_hf.steering.joint import Joint, State
from mellea_hf.steering.lifting import FAR

__all__ = ["first_way_home"]

_WIDTH = 24
"""States that are kept at each length."""
_ALIKE = 4
"""Of these, how many may be as far from home in every automaton."""
_LOOKED_AT = 200
"""Tokens behind a state that are looked at."""
_LAST_PARTS = (1.0, 0.05, 3.0)
"""How much what has to come last counts, against what may be met anywhere, in one search after another."""
_SPENT = 0.02
"""How much it counts that a text gains what it may gain only so much of."""

_Link: TypeAlias = "tuple[int, _Link] | None"
"""A token and those before it."""
_Step: TypeAlias = tuple[float, bytes, State, _Link]
"""How far a step leads, all distances behind it, where it leads, and its token."""


def first_way_home(joint: Joint, most: int, tries: int) -> list[int] | None:
    """Return tokens that lead from the start to where all automata accept; None if none were found.

    Args:
        joint: The automata.
        most: The most tokens.
        tries: The most states that each search looks at.
    """
    found = joint.way_home(joint.start, most, tries)
    for weight in _LAST_PARTS:
        if found is None:
            found = _Beam(joint, np.where(joint.ranks > 0, weight, 1.0)).path(most, tries)
    return found


@frozen(eq=False)
class _Beam:
    """A search that goes on with the states nearest to home, of all kinds of nearness.

    Args:
        joint: The automata.
        weights: How much the distance of each counts.
    """

    joint: Joint
    weights: Any

    def path(self, most: int, tries: int) -> list[int] | None:
        """Return tokens that lead from the start to where all accept; None if none were found."""
        front: list[tuple[State, _Link]] = [(self.joint.start, None)]
        seen = {self.joint.start}
        for left in range(most, 0, -1):
            tries -= len(front)
            steps = [self._steps(state, link, left, seen) for state, link in front]
            alike: Counter[bytes] = Counter()
            front = []
            for _, distances, state, link in sorted(chain(*steps), key=itemgetter(0)):
                alike[distances] += 1
                if alike[distances] > _ALIKE or state in seen or len(front) == _WIDTH:
                    continue
                if not any(distances):
                    return _unlinked(link)
                seen.add(state)
                front.append((state, link))
            if not front or tries < 0:
                break
        return None

    def _steps(self, state: State, link: _Link, left: int, seen: set[State]) -> list[_Step]:
        """Return the steps from a state to new ones."""
        joint = self.joint
        pending = np.flatnonzero(joint.distance(state))
        tokens = np.concatenate([*(joint.ways(int(at), state) for at in pending), joint.connectors])
        after = joint.distances(state, tokens)
        farthest = after.max(0)
        alive = farthest < min(left, FAR)
        for one, where in zip(joint.automata, state, strict=True):
            alive &= ~one.final[one.reached(where, tokens)] | (farthest == 0)
        tokens, after = tokens[alive], after[:, alive]
        scores = self.weights @ after
        for one, where in joint.bounded(state):
            scores = scores + _SPENT * one.gained(where, tokens)
        steps: dict[State, _Step] = {}
        for at in np.argsort(scores, kind="stable")[:_LOOKED_AT].tolist():
            token = int(tokens[at])
            reached = joint.step(state, token)
            if reached not in seen and reached not in steps:
                steps[reached] = float(scores[at]), after[:, at].tobytes(), reached, (token, link)
        return list(steps.values())


def _unlinked(link: _Link) -> list[int]:
    path = []
    while link is not None:
        token, link = link
        path.append(token)
    return path[::-1]
