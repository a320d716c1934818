"""Plain documents, under the path that programs import them from."""

from mellea.core.document import Document

__all__ = ["Document"]
