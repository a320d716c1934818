"""Automata of regular expressions, by the sets of places where a text may be in one."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

from mellea.core.steering.automata.base import TextAutomaton
from mellea.core.steering.pattern import Choice, Letters, Literal, Node, Repeat, Sequence
from mellea.core.steering.plan import NotSteerableError

__all__ = ["Expression"]

_MOST = 4000
_END = -1


class Expression(TextAutomaton):
    """Takes the texts of an expression (Thompson, 1968). A state is the set of places that are reached.

    Args:
        node: The expression.
    """

    phase = "whole"
    exact = True

    def __init__(self, node: Node) -> None:
        self._takes: list[str | Letters] = []
        self._next: list[list[int]] = []
        first = self._laid_out(node, [_END])
        self.start = self._closed(first)

    def _closed(self, places: Iterable[int]) -> frozenset[int]:
        """Return places with those that are reached without a character."""
        waiting, reached = list(places), set[int]()
        while waiting:
            place = waiting.pop()
            if place in reached:
                continue
            reached.add(place)
            if place != _END and self._takes[place] == "":
                waiting += self._next[place]
        return frozenset(place for place in reached if place == _END or self._takes[place] != "")

    def _place(self, takes: str | Letters, after: list[int]) -> list[int]:
        if len(self._takes) >= _MOST:
            raise NotSteerableError("the expression is too long.")
        self._takes.append(takes)
        self._next.append(after)
        return [len(self._takes) - 1]

    def _laid_out(self, node: Node, after: list[int]) -> list[int]:
        """Return the places where a text may begin in a node behind which comes what comes after."""
        match node:
            case Literal(text):
                for character in reversed(text):
                    after = self._place(character, after)
                return after
            case Letters():
                return self._place(node, after)
            case Sequence(parts):
                for part in reversed(parts):
                    after = self._laid_out(part, after)
                return after
            case Choice(options):
                return _all(self._laid_out(option, after) for option in options)
            case Repeat(inner, least, most):
                return self._repeated(inner, least, most, after)
        raise NotSteerableError("the expression has a part that no automaton knows.")

    def _repeated(self, node: Node, least: int, most: int | None, after: list[int]) -> list[int]:
        if most is None:
            [hub] = self._place("", [])  # passed without a character, since the loop leads back to it
            self._next[hub] = _all([self._laid_out(node, [hub]), after])
            after = [hub]
        else:
            for _ in range(most - least):
                after = _all([self._laid_out(node, after), after])
        for _ in range(least):
            after = self._laid_out(node, after)
        return after

    def step(self, state: Any, character: str) -> Hashable | None:
        """Return the places after a character."""
        reached = [
            after
            for place in state
            if place != _END and character in self._takes[place]
            for after in self._next[place]
        ]
        return self._closed(reached) or None

    def accepts(self, state: Any) -> bool:
        """Return whether the end is reached."""
        return bool(_END in state)


def _all(places: Iterable[Iterable[int]]) -> list[int]:
    return list(dict.fromkeys(place for each in places for place in each))
