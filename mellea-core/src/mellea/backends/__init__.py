"""Backends under the names that programs import.

The contract, and one forwarding module for each well-known backend.
"""

from mellea._lazy import lazy_names
from mellea.backends import model_ids
from mellea.backends.cache import SimpleLRUCache
from mellea.core.backend import Backend, BaseModelSubclass, FormatterBackend
from mellea.core.model_identifier import ModelIdentifier
from mellea.core.options import ModelOption

__all__ = [
    "Backend",
    "BaseModelSubclass",
    "FormatterBackend",
    "MelleaTool",
    "ModelIdentifier",
    "ModelOption",
    "SimpleLRUCache",
    "model_ids",
    "tool",
]
__getattr__, _ = lazy_names(
    __name__, dict.fromkeys(("MelleaTool", "tool"), "mellea.stdlib.tools.mellea_tool")
)
