"""An automaton over characters, lifted to the tokens of a vocabulary, with its distances in tokens."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Hashable
from functools import lru_cache
from typing import Any

import numpy as np

from mellea.core.steering import NotSteerableError
from mellea.core.steering.automata import CLASSES, TextAutomaton
from mellea.core.steering.casing import LetterCase, Place, recased
from mellea_hf.steering.vocabulary import Vocabulary

__all__ = ["FAR", "Lifted", "lift"]

FAR = 16_000
"""The distance of a state from which no text is accepted."""

_STATES = 600
_COUNTED = 12_000
_KEPT = 256
_MASKS = 8


class Lifted:
    """A form's automaton over tokens. A state is a pair: that of the automaton, and what was gained.

    Args:
        automaton: The automaton.
        after: The state after each token, of shape (states, tokens); the last state is dead.
        gains: What each token gains, of the same shape; None if nothing does.
        distances: Least tokens to acceptance, of shape (states, counts).
        start: The number of the first state.
    """

    def __init__(
        self, automaton: TextAutomaton, after: Any, gains: Any | None, distances: Any, start: int
    ) -> None:
        self.automaton = automaton
        self.phase = automaton.phase
        self._after, self._gains, self._distances = after, gains, distances
        self._most = distances.shape[1] - 1
        self.start = (start, 0)
        alive = after[:-1] != len(after) - 1
        self.possible = alive.any(0)
        """Which tokens may come at all."""
        self.final = np.append(~alive.any(1), True)
        """Which states no token leads on from."""
        self._ways: dict[tuple[int, int], Any] = {}
        self._among: OrderedDict[bytes, Lifted] = OrderedDict()

    def among(self, tokens: Any) -> Lifted:
        """Return the same with the distances that it has where only some tokens may come.

        Args:
            tokens: For each token whether it may.
        """
        if not (self.possible & ~tokens).any():
            return self
        key = np.packbits(tokens).tobytes()
        found = self._among.get(key)
        if found is None:
            gains = None if self._gains is None else self._gains[:, tokens]
            accepting = (self._distances == 0).any(1)
            distances = _distances(self.automaton, self._after[:, tokens], gains, accepting, None)
            found = Lifted(self.automaton, self._after, self._gains, distances, self.start[0])
            found.possible = self.possible & tokens
            self._among[key] = found
            while len(self._among) > _MASKS:
                self._among.popitem(last=False)
        return found

    @property
    def bytes(self) -> int:
        """What its tables take."""
        return sum(table.nbytes for table in (self._after, self._gains, self._distances) if table is not None)

    def distance(self, state: tuple[int, int]) -> int:
        """Return the least number of tokens to acceptance, 0 for an accepted text."""
        return int(self._distances.item(*state))

    def step(self, state: tuple[int, int], token: int) -> tuple[int, int]:
        """Return the state after a token."""
        where, count = state
        if self._gains is None:
            return self._after.item(where, token), 0
        return self._after.item(where, token), min(count + self._gains.item(where, token), self._most)

    def distances(self, state: tuple[int, int], tokens: Any) -> Any:
        """Return the distances after each of some tokens."""
        where, count = state
        reached = self._after[where].take(tokens)
        if self._gains is None:
            return self._distances[:, 0].take(reached)
        counts = np.minimum(self.gained(state, tokens) + count, self._most)
        return self._distances[reached, counts]

    def reached(self, state: tuple[int, int], tokens: Any) -> Any:
        """Return the numbers of the states after each of some tokens, apart from what they gain."""
        return self._after[state[0]].take(tokens)

    def gained(self, state: tuple[int, int], tokens: Any) -> Any:
        """Return what each of some tokens gains."""
        if self._gains is None:
            return np.zeros(len(tokens), np.int16)
        return self._gains[state[0]].take(tokens).astype(np.int16)

    def ways(self, state: tuple[int, int]) -> Any:
        """Return tokens that come closer to acceptance, those with the lowest ids first."""
        ways = self._ways.get(state)
        if ways is None:
            if len(self._ways) >= _KEPT:
                self._ways.clear()
            closer = self.distances(state, _every(self._after.shape[1]))
            ways = self._ways[state] = np.flatnonzero(closer < self.distance(state))
        return ways


_ranges: dict[int, Any] = {}


def _every(size: int) -> Any:
    return _ranges.setdefault(size, np.arange(size))


def lift(
    automaton: TextAutomaton,
    vocabulary: Vocabulary,
    seconds: float | None = None,
    case: LetterCase | None = None,
) -> Lifted:
    """Return an automaton over the tokens of a vocabulary.

    Args:
        automaton: The automaton.
        vocabulary: The vocabulary.
        seconds: The most time of a processor that it may take; None for no limit.
        case: The case in which it reads the text; None for the one that the model writes.

    Raises:
        NotSteerableError: It has too many states, or takes too long.
    """
    until = None if seconds is None else time.thread_time() + seconds
    table, gains, accepting, resting = _explored(automaton, case, until)
    counts = automaton.least > 0 or automaton.most is not None
    after, gained = vocabulary.read(table, gains if counts else None)
    if not resting.all():
        after[~resting[after]] = len(table) - 1
    if not after.shape[0] < _STATES:
        raise NotSteerableError("its automaton has too many states.")
    distances = _distances(automaton, after, gained, accepting, until)
    return Lifted(automaton, after, gained, distances, 0)


def _late(until: float | None) -> None:
    if until is not None and time.thread_time() > until:
        raise NotSteerableError("its automaton takes too long to make.")


@lru_cache
def _read(case: LetterCase | None, before: Place) -> list[tuple[str | None, Place]]:
    """Return for each class what is read of it in a case, and what the next finds before it.

    None for a letter that becomes another number of them.
    """
    if case is None:
        return [(each, "") for each in CLASSES]
    pairs = (recased(case, before, each) for each in CLASSES)
    return [(read if len(read) == 1 else None, behind) for read, behind in pairs]


_PAIRS = [(at, CLASSES.index(each.upper())) for at, each in enumerate(CLASSES) if each.upper() in CLASSES]
"""The numbers of letters and their capitals; of other classes, their own twice."""


def _explored(
    automaton: TextAutomaton, case: LetterCase | None, until: float | None
) -> tuple[Any, Any, Any, Any]:
    """Return the states by number: where characters lead, what they gain, which accept, where tokens end."""
    explored = _walked(automaton, None, until)
    if case is None:
        return explored
    small, capital = np.array(_PAIRS).T
    table, gains = explored[:2]
    if (table[:, small] != table[:, capital]).any() or (gains[:, small] != gains[:, capital]).any():
        return _walked(automaton, case, until)
    table[:, [read is None for read, _ in _read(case, "")]] = len(table) - 1
    return explored


def _walked(
    automaton: TextAutomaton, case: LetterCase | None, until: float | None
) -> tuple[Any, Any, Any, Any]:
    """Return what is explored, where each character is read in a case."""
    start: tuple[Hashable, Place] = automaton.start, ""
    numbers, states = {start: 0}, [start]
    rows: list[list[int]] = []
    gains: list[list[int]] = []
    for state, before in states:
        _late(until)
        row, gained = [], []
        for read, behind in _read(case, before):
            to = None if read is None else automaton.step(state, read)
            row.append(-1 if to is None else numbers.setdefault((to, behind), len(states)))
            gained.append(0 if read is None or to is None else automaton.gains(state, read))
            if len(numbers) > len(states):
                states.append((to, behind))
        if len(states) > _STATES:
            raise NotSteerableError("its automaton has too many states.")
        rows.append(row)
        gains.append(gained)
    dead = len(states)
    table = np.array([*rows, [dead] * len(CLASSES)], np.int16)
    table[table < 0] = dead
    accepting = np.array([*(automaton.accepts(state) for state, _ in states), False])
    resting = np.array([*(automaton.rests(state) for state, _ in states), True])
    return table, np.array([*gains, [0] * len(CLASSES)], np.int8), accepting, resting


def _distances(
    automaton: TextAutomaton, after: Any, gained: Any | None, accepting: Any, until: float | None
) -> Any:
    """Return the least number of tokens from each state and count to acceptance, by relaxation."""
    most = automaton.least if automaton.most is None else automaton.most + 1
    most = most if gained is not None else 0
    if most > _COUNTED:
        raise NotSteerableError(f"an automaton counts up to {_COUNTED}.")
    states = len(after)
    distances = np.full((states, most + 1), FAR, np.int16)
    least = automaton.least if gained is not None else 0
    ends = most if automaton.most is not None and gained is not None else most + 1
    distances[accepting, least:ends] = 0
    edges = _edges(after, gained)
    while True:
        _late(until)
        before = distances.copy()
        for state, reached, gain in edges:
            if not gain:
                better = distances[reached] + 1
            else:
                better = np.full(most + 1, distances[reached, most] + 1, np.int16)
                better[: max(most - gain, 0)] = distances[reached, gain:most][: max(most - gain, 0)] + 1
            np.minimum(distances[state], better, out=distances[state])
        if (before == distances).all():
            break
    distances[distances > FAR] = FAR
    return distances


def _edges(after: Any, gained: Any | None) -> list[tuple[int, int, int]]:
    """Return from where to where some token leads, with what it gains, each once."""
    states, edges = len(after), []
    for state in range(states - 1):
        keys = after[state].astype(np.int32)
        if gained is not None:
            keys = keys + states * gained[state].astype(np.int32)
        for key in np.flatnonzero(np.bincount(keys)):
            gain, reached = divmod(int(key), states)
            if reached != states - 1:
                edges.append((state, reached, gain))
    return edges
