"""``ModelOption`` under the path that programs import it from."""

from mellea.core.options import ModelOption

__all__ = ["ModelOption"]
