"""Evaluating programs and models on tasks, and comparing two of them.

``evaluate`` runs tasks and checks the answers; ``compare`` stops as soon as it is known which
of two is better.
"""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.evaluation.candidates import Candidate
    from mellea.evaluation.comparing import acompare, compare
    from mellea.evaluation.comparison import Comparison
    from mellea.evaluation.intervals import mcnemar_pairs, wilson_interval
    from mellea.evaluation.outcomes import Outcome, Pair, Rate, Spent, Summary, Verdict
    from mellea.evaluation.reports import Report
    from mellea.evaluation.running import aevaluate, evaluate
    from mellea.evaluation.sequential import PairedTest
    from mellea.evaluation.tasks import Task, read_tasks
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Candidate": "mellea.evaluation.candidates",
            "Comparison": "mellea.evaluation.comparison",
            "Outcome": "mellea.evaluation.outcomes",
            "Pair": "mellea.evaluation.outcomes",
            "PairedTest": "mellea.evaluation.sequential",
            "Rate": "mellea.evaluation.outcomes",
            "Report": "mellea.evaluation.reports",
            "Spent": "mellea.evaluation.outcomes",
            "Summary": "mellea.evaluation.outcomes",
            "Task": "mellea.evaluation.tasks",
            "Verdict": "mellea.evaluation.outcomes",
            "acompare": "mellea.evaluation.comparing",
            "aevaluate": "mellea.evaluation.running",
            "compare": "mellea.evaluation.comparing",
            "evaluate": "mellea.evaluation.running",
            "mcnemar_pairs": "mellea.evaluation.intervals",
            "read_tasks": "mellea.evaluation.tasks",
            "wilson_interval": "mellea.evaluation.intervals",
        },
    )

__all__ = [
    "Candidate",
    "Comparison",
    "Outcome",
    "Pair",
    "PairedTest",
    "Rate",
    "Report",
    "Spent",
    "Summary",
    "Task",
    "Verdict",
    "acompare",
    "aevaluate",
    "compare",
    "evaluate",
    "mcnemar_pairs",
    "read_tasks",
    "wilson_interval",
]
