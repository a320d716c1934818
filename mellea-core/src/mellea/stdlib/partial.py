"""The names of ``mellea.stdlib.streaming.partial`` under the path that programs import them from."""

from mellea.stdlib.streaming.partial import GrowingValue, partial_instance, partial_objects

__all__ = ["GrowingValue", "partial_instance", "partial_objects"]
