"""Evaluating programs and models on tasks, and comparing two of them.

``evaluate`` runs tasks and checks the answers; ``compare`` stops as soon as it is known which
of two is better.
"""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.evaluation.agreement import Agreement
    from mellea.evaluation.calibration import Calibration, Labelled, TrustedJudge, acalibrate, calibrate
    from mellea.evaluation.candidates import Candidate
    from mellea.evaluation.comparing import acompare, compare
    from mellea.evaluation.comparison import Comparison
    from mellea.evaluation.intervals import mcnemar_pairs, most_errors, wilson_interval
    from mellea.evaluation.outcomes import Outcome, Pair, Rate, Summary, Verdict
    from mellea.evaluation.reports import Report
    from mellea.evaluation.running import aevaluate, evaluate
    from mellea.evaluation.sequential import PairedTest
    from mellea.evaluation.tasks import Task, read_tasks
else:
    __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Agreement": "mellea.evaluation.agreement",
            "Calibration": "mellea.evaluation.calibration",
            "Candidate": "mellea.evaluation.candidates",
            "Comparison": "mellea.evaluation.comparison",
            "Labelled": "mellea.evaluation.calibration",
            "Outcome": "mellea.evaluation.outcomes",
            "Pair": "mellea.evaluation.outcomes",
            "PairedTest": "mellea.evaluation.sequential",
            "Rate": "mellea.evaluation.outcomes",
            "Report": "mellea.evaluation.reports",
            "Summary": "mellea.evaluation.outcomes",
            "Task": "mellea.evaluation.tasks",
            "TrustedJudge": "mellea.evaluation.calibration",
            "Verdict": "mellea.evaluation.outcomes",
            "acalibrate": "mellea.evaluation.calibration",
            "acompare": "mellea.evaluation.comparing",
            "aevaluate": "mellea.evaluation.running",
            "calibrate": "mellea.evaluation.calibration",
            "compare": "mellea.evaluation.comparing",
            "evaluate": "mellea.evaluation.running",
            "mcnemar_pairs": "mellea.evaluation.intervals",
            "most_errors": "mellea.evaluation.intervals",
            "read_tasks": "mellea.evaluation.tasks",
            "wilson_interval": "mellea.evaluation.intervals",
        },
    )

__all__ = [
    "Agreement",
    "Calibration",
    "Candidate",
    "Comparison",
    "Labelled",
    "Outcome",
    "Pair",
    "PairedTest",
    "Rate",
    "Report",
    "Summary",
    "Task",
    "TrustedJudge",
    "Verdict",
    "acalibrate",
    "acompare",
    "aevaluate",
    "calibrate",
    "compare",
    "evaluate",
    "mcnemar_pairs",
    "most_errors",
    "read_tasks",
    "wilson_interval",
]
