"""Backends under the names that programs import.

The contract, and one forwarding module for each well-known backend.
"""

from mellea.backends import model_ids
from mellea.core.backend import Backend, FormatterBackend
from mellea.core.model_identifier import ModelIdentifier
from mellea.core.options import ModelOption

__all__ = ["Backend", "FormatterBackend", "ModelIdentifier", "ModelOption", "model_ids"]
