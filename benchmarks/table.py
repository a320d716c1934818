"""Rows of the result, and the table that shows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from attrs import frozen

__all__ = ["Row", "as_json", "as_text"]


@frozen
class Row:
    """One comparison.

    Args:
        name: What was measured.
        ours: What it costs with the framework.
        baseline: What it costs without; None when there is nothing to compare with.
        unit: Unit of both.
        by: Whether the bound is on ``ours / baseline`` or on ``ours - baseline``.
        bound: The bound; None for a row that only informs.
        at_least: Whether the bound is the least that is good enough; otherwise it is the most.
        note: What else there is to say.
    """

    name: str
    ours: float
    baseline: float | None
    unit: str
    by: Literal["ratio", "difference"] = "ratio"
    bound: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def result(self) -> float | None:
        """The ratio or the difference; None without a baseline."""
        if self.baseline is None:
            return None
        return self.ours / self.baseline if self.by == "ratio" else self.ours - self.baseline

    @property
    def ok(self) -> bool:
        """Whether the bound holds."""
        if self.bound is None or self.result is None:
            return True
        return self.result >= self.bound if self.at_least else self.result <= self.bound

    def cells(self) -> tuple[str, ...]:
        """Return the row as it is printed."""
        verdict = "" if self.bound is None else "ok" if self.ok else "OVER"
        limit = "" if self.bound is None else f"{'>=' if self.at_least else '<='} {self._shown(self.bound)}"
        baseline = "" if self.baseline is None else f"{self.baseline:,.2f}"
        result = "" if self.result is None else self._shown(self.result)
        return self.name, f"{self.ours:,.2f}", baseline, self.unit, result, limit, verdict, self.note

    def _shown(self, value: float) -> str:
        return f"{value:.2f} x" if self.by == "ratio" else f"{value:+.2f} {self.unit}"


_HEAD = ("row", "ours", "baseline", "unit", "result", "bound", "", "")
_LEFT = (0, 3, 6, 7)


def as_text(rows: Iterable[Row]) -> str:
    """Return the rows as one table."""
    lines = [_HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "  ".join(_padded(cell, column, widths[column]) for column, cell in enumerate(line)).rstrip()
        for line in lines
    )


def _padded(cell: str, column: int, width: int) -> str:
    return cell.ljust(width) if column in _LEFT else cell.rjust(width)


def as_json(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Return the rows as JSON values."""
    return [
        {
            "name": row.name,
            "ours": row.ours,
            "baseline": row.baseline,
            "unit": row.unit,
            "by": row.by,
            "result": row.result,
            "bound": row.bound,
            "at_least": row.at_least,
            "ok": row.ok,
        }
        for row in rows
    ]
