"""The tokens of a vocabulary as texts of character classes, in a tree that shares their beginnings."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from mellea.core.steering.automata import class_of

__all__ = ["Vocabulary"]

_LONGEST = 24


class Vocabulary:
    """The tokens that an automaton may read: whole characters, all of a known class, no control tokens.

    Args:
        texts: The bytes of each token; None for control tokens.
        end_tokens: Tokens that end an answer.
    """

    def __init__(self, texts: Collection[bytes | None], end_tokens: Collection[int]) -> None:
        self.size = len(texts)
        self.end_tokens = sorted(end_tokens)
        self.texts: dict[int, str] = {}
        tree: dict[tuple[int, int], int] = {}
        depths: list[int] = [0]
        nodes = np.zeros(self.size, np.int32)
        for token, data in enumerate(texts):
            text = _whole(data)
            if token in end_tokens or not text or len(text) > _LONGEST:
                continue
            classes = [class_of(character) for character in text]
            if min(classes) < 0:
                continue
            node = 0
            for number in classes:
                key = (node, number)
                if key not in tree:
                    tree[key] = len(depths)
                    depths.append(depths[node] + 1)
                node = tree[key]
            nodes[token] = node
            self.texts[token] = text
        self._lay_out(tree, np.array(depths), nodes)

    def _lay_out(self, tree: Mapping[tuple[int, int], int], depths: Any, nodes: Any) -> None:
        """Order the nodes by depth, so that one step for each depth reads all tokens."""
        order = np.argsort(depths, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        keys = np.array(list(tree), np.int64)
        parents, classes = np.zeros(len(order), np.int64), np.zeros(len(order), np.int64)
        at = place[np.fromiter(tree.values(), np.int64, len(tree))]
        parents[at], classes[at] = place[keys[:, 0]], keys[:, 1]
        bounds = np.searchsorted(depths[order], np.arange(1, depths.max() + 2))
        self._levels = [
            (slice(first, last), parents[first:last], classes[first:last]) for first, last in pairwise(bounds)
        ]
        self._count = len(order)
        self._nodes = place[nodes]
        self.readable = nodes != 0

    @classmethod
    def of(
        cls, tokenizer: Any, decode: Callable[[list[int]], bytes], end_tokens: Collection[int], size: int
    ) -> Vocabulary:
        """Return the vocabulary of a tokenizer.

        Args:
            tokenizer: A transformers tokenizer.
            decode: Gives the bytes of tokens.
            end_tokens: Tokens that end an answer.
            size: Number of scores that the model gives.
        """
        control = {token for token, added in tokenizer.added_tokens_decoder.items() if added.special}
        known = min(size, len(tokenizer))
        texts = [None if token in control else decode([token]) for token in range(known)]
        return cls([*texts, *[None] * (size - known)], end_tokens)

    def read(self, table: Any, gains: Any | None) -> tuple[Any, Any | None]:
        """Return where each token leads from each state, and what it gains.

        Args:
            table: The state after each character class, of shape (states, classes); the last state is dead.
            gains: What the characters gain, of the same shape; None if nothing does.

        Returns:
            Arrays of shape (states, tokens).
        """
        states = np.empty((self._count, len(table)), np.int16)
        states[0] = np.arange(len(table))
        gained = None if gains is None else np.zeros((self._count, len(table)), np.int8)
        for places, parents, classes in self._levels:
            before = states[parents]
            states[places] = table[before, classes[:, None]]
            if gained is not None and gains is not None:
                gained[places] = gained[parents] + gains[before, classes[:, None]]
        reached = states[self._nodes]
        reached[~self.readable] = len(table) - 1
        of_tokens = None if gained is None else np.ascontiguousarray(gained[self._nodes].T)
        return np.ascontiguousarray(reached.T), of_tokens

    @cached_property
    def _ids(self) -> Mapping[str, int]:
        return {text: token for token, text in reversed(self.texts.items())}

    @cached_property
    def connectors(self) -> list[int]:
        """Tokens of single blanks, line ends and marks."""
        texts = (" ", "\n", "\n\n", ".", ",", "-", '"', "*", "[", "]")
        return [self._ids[text] for text in texts if text in self._ids]


def _whole(data: bytes | None) -> str:
    """Return the text of bytes; nothing where they are not whole characters."""
    try:
        return (data or b"").decode()
    except UnicodeDecodeError:
        return ""
