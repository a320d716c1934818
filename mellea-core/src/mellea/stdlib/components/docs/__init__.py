"""Documents as components."""

from mellea.stdlib.components.docs.document import Document

__all__ = ["Document"]
