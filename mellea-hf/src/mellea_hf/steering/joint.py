"""The automata of a row together: its states, and a known way home that all of them accept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mellea_hf.steering.lifting import FAR, Lifted

__all__ = ["Joint", "State"]

State = tuple[tuple[int, int], ...]

_TRIED = 48
"""Tokens of each automaton that a step of the search looks at."""
_KEPT = 4
"""Of these, the steps that it keeps to come back to."""


class Joint:
    """Several automata, each of which has to accept the text. It has no state of its own.

    Args:
        automata: The automata of the forms.
        guards: Those that every text keeps beside them; they are brought home last.
        connectors: Tokens of blanks and marks, by which a token that comes closer becomes possible.
    """

    def __init__(
        self, automata: Sequence[Lifted], guards: Sequence[Lifted], connectors: Sequence[int]
    ) -> None:
        self.possible = np.logical_and.reduce([each.possible for each in (*automata, *guards)])
        self.automata = tuple(each.among(self.possible) for each in (*automata, *guards))
        ranks = [1 if each.phase == "end" else 0 for each in automata]
        guarded = [0 if each.automaton.least else 2 for each in guards]
        self.ranks = np.array([*ranks, *guarded], np.int64)
        self.formed = len(automata)
        self.connectors = np.array([each for each in connectors if self.possible[each]], np.int64)
        self._ways: dict[tuple[int, tuple[int, int]], Any] = {}
        self.start: State = tuple(each.start for each in self.automata)

    def step(self, state: State, token: int) -> State:
        """Return the state after a token."""
        return tuple([one.step(at, token) for one, at in zip(self.automata, state, strict=True)])

    def distance(self, state: State) -> list[int]:
        """Return the distance of each automaton."""
        return [one.distance(at) for one, at in zip(self.automata, state, strict=True)]

    def accepts(self, state: State) -> bool:
        """Return whether a text may end."""
        return not any(one.distance(at) for one, at in zip(self.automata, state, strict=True))

    def distances(self, state: State, tokens: Any) -> Any:
        """Return the distances after each of some tokens, of shape (automata, tokens)."""
        return np.stack([one.distances(at, tokens) for one, at in zip(self.automata, state, strict=True)])

    def ways(self, number: int, state: State) -> Any:
        """Return some tokens by which one automaton comes closer, of every kind and possible for all."""
        key = (number, state[number])
        ways = self._ways.get(key)
        if ways is None:
            one = self.automata[number]
            closer = one.ways(state[number])
            closer = closer[self.possible[closer]]
            first = np.unique(one.reached(state[number], closer), return_index=True)[1][:_TRIED]
            ways = self._ways[key] = np.unique(np.concatenate([closer[:_TRIED], closer[first]]))
        return ways

    def bounded(self, state: State) -> list[tuple[Lifted, tuple[int, int]]]:
        """Return the automata of which the text may gain only so much, with their states."""
        pairs = zip(self.automata, state, strict=True)
        return [(one, at) for one, at in pairs if one.automaton.most is not None]

    def follow(self, state: State, path: Sequence[int], most: int) -> list[int] | None:
        """Return the beginning of a path that leads to where all accept, within so many tokens."""
        for length in range(min(len(path), most) + 1):
            distances = self.distance(state)
            if not any(distances):
                return list(path[:length])
            if length == len(path) or max(distances) > most - length:
                return None
            state = self.step(state, path[length])
        return None

    def way_home(self, state: State, most: int, tries: int = 400, *, last: bool = False) -> list[int] | None:
        """Return tokens that lead to where all accept; None if none were found.

        The search goes depth first over tokens that come closer. It proves that there is a way, and never
        that there is none.

        Args:
            state: Where it begins.
            most: The most tokens.
            tries: The most steps that it looks at.
            last: Whether only what has to come last may be written.
        """
        return _Search(self, most, tries).from_(state, last=last)


class _Search:
    """A search for a way home.

    What may be met anywhere is met first; then what has to come last, and what every text keeps. Where the
    last part itself adds to what is counted, it is tried on the way as well.
    """

    def __init__(self, joint: Joint, most: int, tries: int) -> None:
        self._joint, self._most, self._left = joint, most, tries
        self._early = joint.ranks == 0
        self._end = joint.ranks == 1
        self._seen: set[tuple[State, bool]] = set()

    def from_(self, state: State, *, last: bool) -> list[int] | None:
        """Return the path from a state to where all accept."""
        if self._joint.accepts(state):
            return []
        path: list[int] = []
        stack = [self._on(state, 0, last=last)]
        while stack:
            token, state, last = next(stack[-1], (-1, state, False))
            if token < 0:
                stack.pop()
                path = path[: max(len(stack) - 1, 0)]
                continue
            path = [*path[: len(stack) - 1], token]
            if self._joint.accepts(state):
                return path
            stack.append(self._on(state, len(path), last=last))
        return None

    def _on(self, state: State, length: int, *, last: bool) -> Iterator[tuple[int, State, bool]]:
        """Yield the steps from a state, the best first, with whether the last part has begun."""
        distances = np.array(self._joint.distance(state))
        if (state, last) in self._seen or self._left <= 0 or distances.max() > self._most - length:
            return
        self._seen.add((state, last))
        self._left -= 1
        left = self._most - length
        early = [] if last else self._steps(state, distances, left, last=False)
        ends = not early or self._end.any()
        late = self._steps(state, distances, left, last=True) if ends else []
        # The last part is tried where the first choice led nowhere, before the choices that are worse.
        for token, is_last in [*((each, False) for each in early[:1]), *((each, True) for each in late)]:
            yield token, self._joint.step(state, token), is_last
        for token in early[1:]:
            yield token, self._joint.step(state, token), False

    def _steps(self, state: State, distances: Any, left: int, *, last: bool) -> list[int]:
        """Return the tokens to try: those that come closer, or connect to such where there are none."""
        joint = self._joint
        group = self._early if not last else self._end if distances[self._end].any() else ~self._early
        wanted = np.flatnonzero((distances > 0) & (~self._early if last else self._early))
        if not len(wanted):
            return []
        ways = [joint.ways(int(number), state) for number in wanted]
        tokens = np.concatenate([*ways, joint.connectors])
        after = joint.distances(state, tokens)
        mine, now = after[group].sum(0), distances[group].sum()
        if last:  # a mark before the closing quotation mark
            mine, now = mine * 100 + after[~self._early].sum(0), now * 100 + distances[~self._early].sum()
        alive = after.max(0) < min(left, FAR)
        closer = alive & (mine < now)
        alive = closer if closer.any() else alive & (mine == now)
        tokens, after = tokens[alive], after[:, alive].astype(np.int64)
        # What is farthest first: whoever ends all sentences at once has no room for words.
        spent = sum(
            (one.gained(at, tokens) for one, at in joint.bounded(state)),
            start=np.zeros(len(tokens), np.int64),
        )
        farthest = ((after[group].max(0) * 50 + spent) * 10_000 + after[group].sum(0)) * 1000 + after.sum(0)
        order = np.argsort(farthest, kind="stable")[: _KEPT * 2]
        return list(dict.fromkeys(tokens[order].tolist()))[:_KEPT]
