"""The contract under the path that programs of the 0.8 line import it from."""

from mellea.core.backend import Backend, FormatterBackend

__all__ = ["Backend", "FormatterBackend"]
