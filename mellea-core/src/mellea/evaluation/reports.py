"""Reports: a table for the terminal, JSON, and a page that needs nothing else."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Sequence
from typing import Any

from attrs import field, frozen

from mellea.core.billing import Spent
from mellea.core.pages import page_template
from mellea.core.terminal import Writable, print_to, visible
from mellea.core.trace import write_text
from mellea.evaluation.outcomes import Outcome, Rate, Summary, summarised

__all__ = ["Report", "as_percent", "price_in_words", "spent_each", "table_of"]

_LONGEST = 60
"""The longest name that a table shows whole."""


@frozen(slots=False)
class Report:
    """What came of tasks with each of some candidates.

    Args:
        outcomes: What came of each task with each candidate.
        planned: How many there were to be; more where the run was interrupted.
        seconds: How long it took in all.
    """

    outcomes: tuple[Outcome, ...] = field(repr=False)
    planned: int = 0
    seconds: float = 0.0

    @functools.cached_property
    def summaries(self) -> tuple[Summary, ...]:
        """What came of it for each candidate."""
        names = dict.fromkeys(outcome.candidate for outcome in self.outcomes)
        return tuple(summarised(name, self.outcomes) for name in names)

    @property
    def is_complete(self) -> bool:
        """Whether every task was run."""
        return len(self.outcomes) >= self.planned

    @property
    def errors(self) -> int:
        """How many tasks ended with an error."""
        return sum(outcome.error is not None for outcome in self.outcomes)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values, without the secrets in them; the summary as 0.8 wrote it, too."""
        passed = sum(outcome.success for outcome in self.outcomes)
        total = len(self.outcomes)
        return {
            "summary": {
                "total_tests": len({outcome.task for outcome in self.outcomes}),
                "total_inputs": total,
                "passed_inputs": passed,
                "failed_inputs": total - passed,
                "overall_pass_rate": passed / total if total else 0.0,
            },
            "complete": self.is_complete,
            "planned": self.planned,
            "seconds": round(self.seconds, 6),
            "candidates": [summary.to_dict() for summary in self.summaries],
            "results": [outcome.to_dict() for outcome in self.outcomes],
        }

    def to_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)

    def to_html(self, found: str | None = None) -> str:
        """Return one page that needs nothing else: no script, no font, no network.

        Args:
            found: What its first sentence is to say.
        """
        tasks: dict[str, list[dict[str, Any]]] = {}
        for outcome in self.outcomes:
            tasks.setdefault(outcome.task, []).append(outcome.to_dict())
        page = page_template("evaluation.html.jinja2").render(
            report=self, found=found, tasks=tasks, percent=as_percent, interval=_interval, each=spent_each
        )
        return page.encode("utf-8", "replace").decode(
            "utf-8"
        )  # a lone surrogate is no text that a file can hold

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report to a file: as a page if its name ends in ``.html``, else as JSON.

        Raises:
            UsageError: It cannot be written there.
        """
        write_text(path, self.to_html() if str(path).endswith((".html", ".htm")) else self.to_json())

    def table(self) -> str:
        """Return the rates of each candidate as a table, and the errors below it."""
        head: tuple[str, ...] = ("", "passed", "rate", "95%", "requests", "tokens", "s each")
        is_free = not any(price_in_words(summary.spent) for summary in self.summaries)
        if not is_free:
            head = (*head, "cost")
        rows: list[Sequence[str]] = []
        for summary in self.summaries:
            spent = tuple(spent_each(summary).values())[: 3 if is_free else 4]
            rows.append((*_cells(summary.success, summary.name), *spent))
            rows += [(*_cells(rate, f"  {rate.name}"), *[""] * len(spent)) for rate in summary.requirements]
        return "\n".join([*table_of(head, rows), *self._notes()])

    def _notes(self) -> Iterator[str]:
        judged = sum(summary.judged.tokens for summary in self.summaries)
        if judged:
            price = price_in_words(sum((summary.judged for summary in self.summaries), Spent()))
            known = price and price != "unknown"
            yield f"The judges read and wrote {judged:,} more tokens{f', for {price}' if known else ''}."
        if not self.is_complete:
            yield f"Interrupted: {len(self.outcomes)} of {self.planned} tasks were run."
        failed = [outcome for outcome in self.outcomes if outcome.error is not None]
        for outcome in failed[:5]:
            yield visible(
                f"✗ {outcome.task} with {outcome.candidate}: {' '.join(str(outcome.error).split())}"
            )
        if len(failed) > 5:
            yield f"and {len(failed) - 5} more errors"

    def show(self, file: Writable | None = None) -> None:
        """Print the table.

        Args:
            file: Where to; by default the standard output.
        """
        print_to(file, self.table())


def as_percent(rate: float) -> str:
    """Return a rate as a person reads it."""
    return f"{100 * rate:.0f}%"


def spent_each(summary: Summary) -> dict[str, str]:
    """Return what a candidate's answers took, in words: requests, tokens and price in all, seconds each."""
    spent = summary.spent
    return {
        "requests": f"{spent.requests:,}",
        "tokens": f"{spent.tokens:,}",
        "seconds": f"{summary.seconds_each:.2f}",
        "price": price_in_words(spent),
    }


def price_in_words(spent: Spent) -> str:
    """Return what something cost: nothing for what is free, ``unknown`` where nobody knows a price."""
    if spent.whole_cost is None:
        return "unknown"
    return f"${spent.whole_cost:,.4f}" if spent.whole_cost else ""


def _interval(rate: Rate) -> str:
    low, high = rate.interval
    return f"{100 * low:.0f} to {100 * high:.0f}%"


def _cells(rate: Rate, name: str) -> tuple[str, str, str, str]:
    return name, f"{rate.passed}/{rate.total}", as_percent(rate.rate), _interval(rate)


def table_of(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Iterate over the lines of a table: the first column to the left, the others to the right."""
    shown = [head, *([_short(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in shown) for column in range(len(head))]
    for first, *others in shown:
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        yield "  ".join((first.ljust(widths[0]), *cells)).rstrip()


def _short(text: str) -> str:
    indent = text[: len(text) - len(text.lstrip())]
    line = visible(" ".join(text.split()))
    return indent + (line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}...")
