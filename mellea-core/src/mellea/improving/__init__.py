"""Improving a program: better words and examples for it, kept only where a comparison says that they are.

``optimise`` searches with tasks; ``choose_examples`` takes examples from a history.
"""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.improving.improvement import Improvement
    from mellea.improving.optimising import aoptimise, optimise
    from mellea.improving.past_calls import choose_examples
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Improvement": "mellea.improving.improvement",
            "aoptimise": "mellea.improving.optimising",
            "choose_examples": "mellea.improving.past_calls",
            "optimise": "mellea.improving.optimising",
        },
    )

__all__ = ["Improvement", "aoptimise", "choose_examples", "optimise"]
