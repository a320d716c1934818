"""A cache with a bound, for programs of the 0.8 line; nothing here keeps its state in one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from mellea.core.errors import UsageError

__all__ = ["Cache", "SimpleLRUCache"]


class Cache(ABC):
    """Keeps values by key."""

    @abstractmethod
    def put(self, key: str | int, value: Any) -> None:
        """Keep a value."""

    @abstractmethod
    def get(self, key: str | int) -> Any | None:
        """Return the value of a key; None when there is none."""

    @abstractmethod
    def current_size(self) -> int:
        """Return how many values are kept."""


class SimpleLRUCache(Cache):
    """Keeps the values that were used last.

    Args:
        capacity: How many values to keep; 0 keeps none.
        on_evict: Called with each value that has to go.

    Raises:
        UsageError: The capacity is negative.
    """

    def __init__(self, capacity: int, on_evict: Callable[[Any], None] | None = None) -> None:
        if capacity < 0:
            raise UsageError(f"A cache cannot keep {capacity} values.", hint="Pass capacity=0 or more.")
        self.capacity = capacity
        self.on_evict = on_evict
        self.cache: OrderedDict[str | int, Any] = OrderedDict()

    def current_size(self) -> int:
        """Return how many values are kept."""
        return len(self.cache)

    def get(self, key: str | int) -> Any | None:
        """Return the value of a key and count that as use; None when there is none."""
        if key not in self.cache:
            return None
        self.cache.move_to_end(key)
        return self.cache[key]

    def put(self, key: str | int, value: Any) -> None:
        """Keep a value in place of the key's former one, and let go of what was used longest ago."""
        self.cache[key] = value
        self.cache.move_to_end(key)
        while len(self.cache) > self.capacity:
            _, evicted = self.cache.popitem(last=False)
            if self.on_evict is not None:
                self.on_evict(evicted)
