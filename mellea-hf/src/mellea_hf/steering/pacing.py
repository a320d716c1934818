"""What favours tokens, so that rules are met while the text is written and not all at its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from attrs import field, frozen

from mellea.core.steering.automata import TextAutomaton
from mellea.core.steering.automata.counting import CharacterCount, SentenceCount, WordCount
from mellea_hf.steering.joint import Joint, State
from mellea_hf.steering.lifting import Lifted

__all__ = ["Pacing", "Step"]

_WISH = 0.25
"""The probability of the end from which on the model wishes to end."""
_LITERAL = 1500
"""Tokens by which an automaton comes closer, from which on it wants nothing in particular."""
_USUAL: dict[type[TextAutomaton], float] = {WordCount: 12, CharacterCount: 70, SentenceCount: 1}
"""What a sentence adds to a count."""
_TOKENS = 1.35
"""Tokens of a word, where nothing else is known."""


@frozen
class Step:
    """What the next token is favoured for.

    Args:
        wanted: Automata that wait for something in particular.
        only: The automaton that has to come closer now; None if any token may come.
        ends: Whether the text ends here, if it may.
        goes_home: Whether the text is on its way home.
        bonus: Gives what is added to the scores of tokens, by the distances after them.
        end_bonus: What is added to the score of the end.
    """

    wanted: Sequence[int]
    only: int | None
    ends: bool
    goes_home: bool
    bonus: Callable[[Any], Any] = field(eq=False)
    end_bonus: float = 0.0


class Pacing:
    """The pace of one row.

    Args:
        joint: Its automata.
        prose: The number of the guard that knows where sentences end; None without one.
        limit: The most tokens of the text.
    """

    def __init__(self, joint: Joint, prose: int | None, limit: int) -> None:
        self._joint, self._prose = joint, prose
        self._first = joint.distance(joint.start)
        self._counts = [isinstance(each.automaton, (WordCount, CharacterCount)) for each in joint.automata]
        self._early = [int(at) for at in np.flatnonzero(joint.ranks == 0) if not self._counts[at]]
        self._last = [int(at) for at in np.flatnonzero(joint.ranks == 1)]
        self._target = self._expected(limit)
        self._written = 0
        self._goes_home = False
        self._marks = {at for at in self._last if self._first[at] == 1}

    def _expected(self, limit: int) -> float:
        """Return how many tokens the text is expected to have."""
        words = 75.0
        for one in self._joint.automata[: self._joint.formed]:
            bounds = one.automaton
            if isinstance(bounds, WordCount) and bounds.most is not None:
                words = (max(bounds.least, bounds.most * 0.6) + bounds.most) / 2
            elif isinstance(bounds, WordCount):
                words = max(bounds.least * 1.15, 40.0)
            elif isinstance(bounds, CharacterCount) and bounds.most is not None:
                words = (bounds.least + bounds.most) / 2 / 6
            elif isinstance(bounds, SentenceCount):
                words = 15.0 * (bounds.most or bounds.least)
        return max(min(words * _TOKENS, limit * 0.75), 8.0)

    def wrote(self, tokens: Sequence[int]) -> None:
        """Take note of the text so far."""
        self._written = len(tokens)

    def plan(
        self, state: State, distances: Sequence[int], ending: float, left: int, witness: Sequence[int]
    ) -> Step:
        """Return what the next token is favoured for.

        Args:
            state: Where the row is.
            distances: The distance of each automaton.
            ending: The probability of the end.
            left: How many tokens the text may still have.
            witness: A way home.
        """
        pace = self._written / self._target
        room = self._room(state, left, witness)
        at_end = self._prose is None or distances[self._prose] == 0
        pending = [at for at in self._early if distances[at]]
        late = [at for at in self._last if distances[at]]
        counted = any(distances[at] for at, counts in enumerate(self._counts) if counts)
        if (ending > _WISH and at_end) or room < 1 or pace > 1.5:
            self._goes_home = True
        lags = {at: pace - 1 + distances[at] / max(self._first[at], 1) for at in pending}
        wanted = [
            at for at, lag in lags.items() if (lag > 0 or self._goes_home) and self._is_literal(at, state)
        ]
        only = None
        ready = not pending and not counted
        due = bool(late) and (self._goes_home or room < 1)
        if due and not ready and (at_end or pace > 1.5):
            ready = self._joint.way_home(state, left, 40, last=True) is not None
        if ready and due:
            in_mark = late[0] in self._marks
            begun = distances[late[0]] < self._first[late[0]]
            if (at_end or begun or pace > 1.5) and not in_mark and self._is_literal(late[0], state):
                only = late[0]
            wanted += late
        ends = ready and not late and at_end and (room < 1 or pace > 1.3 or bool(self._last))
        weights = np.zeros(len(distances))
        for at in pending:
            weights[at] = min(max(7.0 * lags[at], 0.0), 7.0) + (3.0 if self._goes_home else 0.0)
        if ready:
            weights[late] = 4.0 if self._goes_home else 1.0
        now = np.array(distances)
        mends = self._prose if room < 1 and self._prose is not None and not at_end and ready else None

        def bonus(after: Any) -> Any:
            added = weights @ (after < now[:, None])
            added -= 2.0 * ((weights > 0) @ (after > now[:, None]))
            return added if mends is None else added + 4.0 * (1 - room) * (after[mends] == 0)

        return Step(wanted, only, ends, self._goes_home, bonus, max(0.0, 4.0 * (pace - 1)))

    def _is_literal(self, at: int, state: State) -> bool:
        return len(self._joint.automata[at].ways(state[at])) < _LITERAL

    def _room(self, state: State, left: int, witness: Sequence[int]) -> float:
        """Return how much room is left beside the way home; below 1 the text should come to its end."""
        room = (left - len(witness)) / 20
        for one, (where, count) in self._joint.bounded(state):
            usual = _USUAL.get(type(one.automaton))
            if usual is None:
                continue
            spare = (one.automaton.most or 0) - count - self._needed(one, (where, count), witness)
            room = min(room, spare / usual)
        return max(room, 0.0)

    @staticmethod
    def _needed(one: Lifted, state: tuple[int, int], witness: Sequence[int]) -> int:
        """Return what a way home adds to a count."""
        where = state
        for token in witness:
            where = one.step(where, token)
        return where[1] - state[1]

    def in_order(self, after: Any, distances: Sequence[int]) -> Any:
        """Return which tokens do not complete what has to come last while anything else is pending."""
        fine = np.ones(after.shape[1], bool)
        early = self._joint.ranks == 0
        waits = after[early].max(0) > 0 if early.any() else np.zeros(after.shape[1], bool)
        for at in self._last:
            if at not in self._marks:
                fine &= ~(waits & (after[at] == 0))
        return fine
