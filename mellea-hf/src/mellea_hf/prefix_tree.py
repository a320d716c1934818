"""A radix tree over token ids: which prefixes are stored, what goes when room is needed, what is in use.

Bookkeeping alone: what is stored at a stretch of tokens is opaque here, and comes from the caller.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from attrs import define, field

__all__ = ["Node", "PrefixTree", "common_length"]

S = TypeVar("S")


@define(eq=False)
class Node(Generic[S]):
    """A stretch of tokens behind those of its parent, with what is stored for it."""

    tokens: tuple[int, ...]
    segment: S
    parent: Node[S] | None
    children: dict[int, Node[S]] = field(factory=dict)
    used: int = 0
    """When it was last used, in turns of the tree's own clock."""
    pins: int = 0
    """How many rows in use it or a node behind it belongs to."""


class PrefixTree(Generic[S]):
    """Prefixes of token ids and their segments, bounded in tokens; the least recently used goes first.

    Args:
        capacity: The most tokens that are stored.
        cut: Splits a segment: what belongs to its first tokens, and the rest.
    """

    def __init__(self, capacity: int, cut: Callable[[S, int], tuple[S, S]]) -> None:
        self.capacity = capacity
        self.size = 0
        """Tokens that are stored."""
        self._cut = cut
        self._clock = 0
        self._first: dict[int, Node[S]] = {}

    def match(self, tokens: Sequence[int]) -> list[tuple[Node[S], int]]:
        """Return the nodes along the longest stored prefix, each with how many of its tokens it shares."""
        found: list[tuple[Node[S], int]] = []
        children, at = self._first, 0
        self._clock += 1
        while at < len(tokens) and (node := children.get(tokens[at])) is not None:
            shared = common_length(node.tokens, tokens[at : at + len(node.tokens)])
            node.used = self._clock
            found.append((node, shared))
            at += shared
            if shared < len(node.tokens):
                break
            children = node.children
        return found

    def insert(self, tokens: Sequence[int], store: Callable[[int, int], S]) -> None:
        """Store a prefix, as much of it as there is room for when others have made way.

        Args:
            tokens: The prefix.
            store: Returns the segment of a stretch of it, from one place up to another.
        """
        found = self.match(tokens)
        at = sum(shared for _, shared in found)
        last = found[-1][0] if found else None
        if last is not None and found[-1][1] < len(last.tokens):
            if at == len(tokens):
                return
            last = self._split(last, found[-1][1])
        if last is not None:
            self.pin(last)
        try:
            room = self._make_room(len(tokens) - at)
        finally:
            if last is not None:
                self.unpin(last)
        end = min(len(tokens), at + room)
        if end > at:
            node = Node(tuple(tokens[at:end]), store(at, end), last, used=self._clock)
            (self._first if last is None else last.children)[node.tokens[0]] = node
            self.size += end - at

    def pin(self, node: Node[S]) -> None:
        """Keep a node, and those before it, until it is unpinned."""
        for one in _upwards(node):
            one.pins += 1

    def unpin(self, node: Node[S]) -> None:
        """Let go of a node that was pinned."""
        for one in _upwards(node):
            one.pins -= 1

    def resize(self, capacity: int) -> None:
        """Change the bound, and let go of what is beyond it and not pinned."""
        self.capacity = capacity
        self._make_room(0)

    def clear(self) -> None:
        """Let go of everything that is not pinned."""
        capacity, self.capacity = self.capacity, 0
        self._make_room(0)
        self.capacity = capacity

    def nodes(self) -> Iterator[Node[S]]:
        """Yield every node, parents first."""
        waiting = list(self._first.values())
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(node.children.values())

    def _split(self, node: Node[S], length: int) -> Node[S]:
        """Split a node; return the new one with its first tokens. The rest stays what it was."""
        head, rest = self._cut(node.segment, length)
        before = Node(node.tokens[:length], head, node.parent, used=node.used, pins=node.pins)
        (self._first if node.parent is None else node.parent.children)[before.tokens[0]] = before
        node.tokens, node.segment, node.parent = node.tokens[length:], rest, before
        before.children[node.tokens[0]] = node
        return before

    def _make_room(self, wanted: int) -> int:
        """Let nodes go until so many tokens fit; return how many of them do."""
        if self.size + wanted > self.capacity:
            ends = [(node.used, id(node), node) for node in self.nodes() if _may_go(node)]
            heapq.heapify(ends)
            while ends and self.size + wanted > self.capacity:
                node = heapq.heappop(ends)[2]
                parent = node.parent
                del (self._first if parent is None else parent.children)[node.tokens[0]]
                self.size -= len(node.tokens)
                if parent is not None and _may_go(parent):
                    heapq.heappush(ends, (parent.used, id(parent), parent))
        return max(0, min(wanted, self.capacity - self.size))


def common_length(first: Sequence[int], second: Sequence[int]) -> int:
    """Return how many tokens two sequences begin with in common."""
    for place, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return place
    return min(len(first), len(second))


def _may_go(node: Node[S]) -> bool:
    return not node.children and not node.pins


def _upwards(node: Node[S] | None) -> Iterator[Node[S]]:
    while node is not None:
        yield node
        node = node.parent
