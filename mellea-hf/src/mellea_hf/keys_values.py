"""The keys and values of one row, in a buffer that grows with it. Runs in the engine's thread."""

from __future__ import annotations

from typing import Any

import torch
from attrs import frozen

__all__ = ["KeysValues", "KeysValuesShape", "cut_segment"]

_STEP = 64


@frozen
class KeysValuesShape:
    """What one token leaves in a model.

    Args:
        layers: How many layers keep something.
        heads: How many heads of keys, and as many of values.
        size: How long each is.
        dtype: torch's type of a number.
        device: Where they are.
    """

    layers: int
    heads: int
    size: int
    dtype: torch.dtype
    device: Any

    @property
    def bytes_per_token(self) -> int:
        """The bytes of one token."""
        return self.layers * 2 * self.heads * self.size * self.dtype.itemsize


class KeysValues:
    """The keys and values of a row's tokens.

    Args:
        shape: What one token leaves.
        expected: For how many tokens there is room at first.
    """

    def __init__(self, shape: KeysValuesShape, expected: int) -> None:
        self._shape = shape
        self.length = 0
        """Tokens whose keys and values are there."""
        self._allocate(expected)

    @property
    def bytes(self) -> int:
        """What the buffer takes."""
        return self.buffer.shape[3] * self._shape.bytes_per_token

    def reserve(self, tokens: int) -> None:
        """Make room for so many tokens behind those that are there."""
        wanted = self.length + tokens
        if wanted > self.buffer.shape[3]:
            old = self.buffer
            self._allocate(max(wanted, old.shape[3] * 3 // 2))
            self.buffer[:, :, :, : self.length] = old[:, :, :, : self.length]

    def append(self, segment: torch.Tensor, tokens: int) -> None:
        """Take over the first tokens of a stored segment."""
        end = self.length + tokens
        self.buffer[:, :, :, self.length : end] = segment[:, :, :, :tokens]
        self.length = end

    def copy(self, start: int, end: int) -> torch.Tensor:
        """Return a segment with the tokens from one place up to another."""
        return self.buffer[:, :, :, start:end].clone()

    def _allocate(self, tokens: int) -> None:
        shape = self._shape
        room = -(-tokens // _STEP) * _STEP
        self.buffer = torch.empty(
            shape.layers, 2, shape.heads, room, shape.size, dtype=shape.dtype, device=shape.device
        )
        """Of shape (layers, 2, heads, tokens, size); keys first."""
        self.layers = [(layer[0][None], layer[1][None]) for layer in self.buffer.unbind()]
        """Keys and values of each layer, as attention takes them: of shape (1, heads, tokens, size)."""


def cut_segment(segment: torch.Tensor, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return copies of the first tokens of a segment and of the rest, so that either can be freed alone."""
    return segment[:, :, :, :length].clone(), segment[:, :, :, length:].clone()
