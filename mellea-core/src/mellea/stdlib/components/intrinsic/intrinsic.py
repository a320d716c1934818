"""An action that an adapter answers."""

from mellea.core.adapter_action import AdapterBasedComponent, Intrinsic

__all__ = ["AdapterBasedComponent", "Intrinsic"]
