"""What the engine of a model may use: the knobs of the constructor."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from attrs import frozen

from mellea.core import UsageError

__all__ = ["DEFAULT_CACHE_BYTES", "EngineSettings"]

DEFAULT_CACHE_BYTES = 512 * 2**20
"""What stored prefixes may take when the caller does not say."""


@frozen
class EngineSettings:
    """How much a model's engine does at once, and keeps.

    Args:
        cache_bytes: The most bytes of stored prefixes, in the memory where the model is; 0 stores none.
        max_batch: The most rows that are computed together.
        max_queue: The most rows that wait for their turn.
        reproducible: Whether a row's scores must not depend on what else is computed, to the last bit.
    """

    cache_bytes: int = DEFAULT_CACHE_BYTES
    max_batch: int = 16
    max_queue: int = 4096
    reproducible: bool = False

    def __attrs_post_init__(self) -> None:
        _check("cache_bytes", self.cache_bytes, 0)
        _check("max_batch", self.max_batch, 1)
        _check("max_queue", self.max_queue, 1)


def _check(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise UsageError(f"{name} is a whole number, {least} or more, not {value!r}.", backend="hf")
