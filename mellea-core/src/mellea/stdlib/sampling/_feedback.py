"""Reasons that tools give, as instructions that a model can follow."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mellea.core.requirement import ValidationResult

__all__ = ["ModelFriendlyFeedbackFormatter"]


class ModelFriendlyFeedbackFormatter:
    """Rewrites reasons that tools give into instructions that a model can follow."""

    RULES: Sequence[tuple[str, str]] = (
        (r"syntax ?error|invalid syntax", "The code does not parse. Write complete, valid Python."),
        (
            r"matplotlib|savefig|\bagg\b|headless",
            "Choose the Agg backend before pyplot is imported, and save the figure to the file asked for.",
        ),
        (
            r"\bimports?\b|importerror|\bmodules?\b|modulenotfound",
            "Use only the modules that are allowed, and import each one that you use.",
        ),
        (r"time(d)? ?out", "The code runs too long. Use a faster way, and no endless loop."),
        (r"no (python )?code|code block", "Put the whole program into one ```python block."),
        (r"too (long|large)|exceeds", "Make it shorter."),
        (
            r"traceback|exit code|failed to run|execution",
            "The program fails when it is run. Find the line that fails, and correct it.",
        ),
    )

    def format(self, reason: str) -> str:
        """Return the reason, with an instruction for it in front if there is one."""
        for pattern, advice in self.RULES:
            if re.search(pattern, reason, re.IGNORECASE):
                return f"{advice} ({reason})"
        return reason

    @staticmethod
    def format_python_syntax_error(validation: ValidationResult) -> str:
        """Return what to do about code that does not parse."""
        found = re.search(r"line (\d+)", validation.reason or "")
        line = f" Look at line {found[1]} first." if found else ""
        return _told(
            "The code does not parse", validation, f"write complete, valid Python; close every bracket.{line}"
        )

    @staticmethod
    def format_import_error(validation: ValidationResult) -> str:
        """Return what to do about modules that may not be imported."""
        return _told(
            "The code imports what it may not, or what is not there",
            validation,
            "use only the modules that are allowed, and import each one that you use.",
        )

    @staticmethod
    def format_execution_error(validation: ValidationResult) -> str:
        """Return what to do about a program that fails when it is run."""
        reason = validation.reason or ""
        if re.search(r"time(d)? ?out", reason, re.IGNORECASE):
            return _told("The code runs too long", validation, "use a faster way, and no endless loop.")
        named = re.search(r"NameError: name '(\w+)'", reason)
        advice = (
            f"define or import {named[1]} before it is used." if named else "correct the line that fails."
        )
        return _told("The program fails when it is run", validation, advice)

    @staticmethod
    def format_output_size_error(validation: ValidationResult) -> str:
        """Return what to do about a program that prints too much."""
        return _told("The program prints too much", validation, "print less: the result alone, or a summary.")

    @staticmethod
    def format_code_extraction_error(validation: ValidationResult) -> str:
        """Return what to do about an answer without code."""
        return _told(
            "There is no Python code in the answer",
            validation,
            "put the whole program into one ```python block.",
        )

    @staticmethod
    def format_matplotlib_backend_error(validation: ValidationResult) -> str:
        """Return what to do about a plot that needs a display."""
        return _told(
            "The plot needs a display",
            validation,
            "call matplotlib.use('Agg') before matplotlib.pyplot is imported.",
        )

    @staticmethod
    def format_plot_file_error(validation: ValidationResult) -> str:
        """Return what to do about a plot that is not saved."""
        return _told(
            "The figure is not saved", validation, "call plt.savefig(...) with the file that is asked for."
        )

    @staticmethod
    def format_plot_dependencies_error(validation: ValidationResult) -> str:
        """Return what to do about a library for plots that is not there."""
        return _told(
            "A library for plots is missing", validation, "use matplotlib and numpy alone, once installed."
        )


def _told(what: str, validation: ValidationResult, advice: str) -> str:
    reason = (validation.reason or "").strip().rstrip(".")
    return f"{what}{f': {reason}' if reason else ''}.\nTry: {advice}"
