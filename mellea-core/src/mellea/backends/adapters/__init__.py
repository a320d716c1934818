"""Adapters under the names of the 0.8 line; see ``mellea.core.adapter``."""

from mellea._lazy import lazy_names
from mellea.core.adapter import Adapter, AdapterMixin
from mellea.core.errors import AdapterSchemaMismatchError

__all__ = [
    "Adapter",
    "AdapterMixin",
    "AdapterSchemaMismatchError",
    "AdapterType",
    "CustomIntrinsicAdapter",
    "EmbeddedIntrinsicAdapter",
    "IntrinsicAdapter",
]
__getattr__, _ = lazy_names(
    __name__,
    dict.fromkeys(
        ("AdapterType", "CustomIntrinsicAdapter", "EmbeddedIntrinsicAdapter", "IntrinsicAdapter"),
        "mellea.backends.adapters.adapter",
    ),
)
