"""Keys and values of prefixes, kept between requests. Runs in the engine's thread."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from mellea_hf.keys_values import KeysValues, KeysValuesShape, cut_segment
from mellea_hf.prefix_tree import Node, PrefixTree, common_length

__all__ = ["PrefixCache"]

_WORTH_WAITING = 32
"""Tokens of a prompt that somebody else is about to compute, for which one waits."""


class PrefixCache:
    """What has been computed of prompts and answers, by their tokens.

    Args:
        shape: What one token leaves.
        most_bytes: The most bytes that are kept; 0 keeps nothing.
        unit: Only so many tokens at once, or a multiple of them, are kept and taken.
    """

    def __init__(self, shape: KeysValuesShape, most_bytes: int, unit: int = 1) -> None:
        self._unit = unit
        self._bytes_per_token = shape.bytes_per_token
        self._tree: PrefixTree[torch.Tensor] = PrefixTree(most_bytes // shape.bytes_per_token, cut_segment)

    @property
    def is_on(self) -> bool:
        """Whether there is room for anything."""
        return self._tree.capacity > 0

    @property
    def tokens(self) -> int:
        """How many tokens are kept."""
        return self._tree.size

    @property
    def bytes(self) -> int:
        """What they take."""
        return self._tree.size * self._bytes_per_token

    def known(self, prompt: Sequence[int]) -> int:
        """Return how many of a prompt's first tokens are kept."""
        return sum(shared for _, shared in self._tree.match(prompt))

    def is_worth_waiting(self, prompt: Sequence[int], others: Sequence[Sequence[int]]) -> bool:
        """Tell whether others are about to compute much of what a prompt begins with, beyond what is kept.

        Args:
            prompt: Its tokens.
            others: What is being read.
        """
        if not others or not self.is_on:
            return False
        worth = self.known(prompt) + _WORTH_WAITING
        return any(common_length(other, prompt) >= worth for other in others)

    def load(self, prompt: Sequence[int], past: KeysValues) -> Node[torch.Tensor] | None:
        """Copy what is known of a prompt to the row that begins with it, all but its last token at most.

        Returns:
            What is kept until it is given to ``release``.
        """
        if not self.is_on:
            return None
        found = self._tree.match(prompt[:-1])
        usable = self._whole(sum(shared for _, shared in found))
        for node, shared in found:
            past.append(node.segment, min(shared, usable - past.length))
        if not usable:
            return None
        self._tree.pin(found[-1][0])
        return found[-1][0]

    def release(self, node: Node[torch.Tensor]) -> None:
        """Let go of what a row began with."""
        self._tree.unpin(node)

    def store(self, tokens: Sequence[int], past: KeysValues) -> None:
        """Keep the first tokens of a row, which its keys and values belong to."""
        whole = self._whole(len(tokens))
        if self.is_on and whole:
            self._tree.insert(tokens[:whole], past.copy)

    def _whole(self, tokens: int) -> int:
        return tokens // self._unit * self._unit

    def clear(self) -> int:
        """Let go of everything that no row began with; return how many tokens that were."""
        before = self._tree.size
        self._tree.clear()
        return before - self._tree.size
