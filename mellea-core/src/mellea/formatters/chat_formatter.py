"""``ChatFormatter`` under the path that programs import it from."""

from mellea.core.formatter import ChatFormatter

__all__ = ["ChatFormatter"]
