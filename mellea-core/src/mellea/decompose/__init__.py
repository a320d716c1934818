"""Taking a task apart: subtasks, variables, requirements, and a program that carries them out."""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.decompose.decomposing import DecompositionError, adecompose, decompose
    from mellea.decompose.decomposition import Decomposition
    from mellea.decompose.subtasks import Check, Subtask
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Check": "mellea.decompose.subtasks",
            "Decomposition": "mellea.decompose.decomposition",
            "DecompositionError": "mellea.decompose.decomposing",
            "Subtask": "mellea.decompose.subtasks",
            "adecompose": "mellea.decompose.decomposing",
            "decompose": "mellea.decompose.decomposing",
        },
    )

__all__ = ["Check", "Decomposition", "DecompositionError", "Subtask", "adecompose", "decompose"]
