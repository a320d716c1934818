"""Evaluating programs and models on tasks, and comparing two of them.

``evaluate`` runs tasks and checks the answers; ``compare`` stops as soon as it is known which
of two is better.
"""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.evaluation.intervals import mcnemar_pairs, wilson_interval
    from mellea.evaluation.sequential import PairedTest
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "PairedTest": "mellea.evaluation.sequential",
            "mcnemar_pairs": "mellea.evaluation.intervals",
            "wilson_interval": "mellea.evaluation.intervals",
        },
    )

__all__ = ["PairedTest", "mcnemar_pairs", "wilson_interval"]
