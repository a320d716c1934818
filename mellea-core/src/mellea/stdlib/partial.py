"""The names of ``mellea.stdlib.streaming.partial`` under the path that programs import them from."""

from __future__ import annotations

from typing import TypeVar

from mellea.stdlib.streaming import partial
from mellea.stdlib.streaming.partial import partial_instance, partial_objects

__all__ = ["GrowingValue", "partial_instance", "partial_objects"]

T = TypeVar("T")


class GrowingValue(partial.GrowingValue[T]):
    """A growing value whose ``update`` has its older name too."""

    changed = partial.GrowingValue.update
