"""What adapters answer: an action that names one, and functions of well-known ones.

The adapters are those that a program takes in (``backend.add_adapter``); there is no list of them here.
"""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.core.adapter_action import AdapterBasedComponent, Intrinsic
    from mellea.stdlib.components.intrinsic import core, guardian, rag
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "AdapterBasedComponent": "mellea.core.adapter_action",
            "Intrinsic": "mellea.core.adapter_action",
            "core": "mellea.stdlib.components.intrinsic.core:",
            "guardian": "mellea.stdlib.components.intrinsic.guardian:",
            "rag": "mellea.stdlib.components.intrinsic.rag:",
        },
    )

__all__ = ["AdapterBasedComponent", "Intrinsic", "core", "guardian", "rag"]
