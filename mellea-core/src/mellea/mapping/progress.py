"""How far a map is, and the line on a terminal that says so."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from attrs import field, frozen

from mellea.core.billing import Spent
from mellea.core.terminal import is_terminal, terminal_width
from mellea.mapping.results import MappedRow

__all__ = ["Progress", "ProgressLine", "Tally", "duration"]

_PAUSE = 0.2
"""Seconds between two lines."""
_ENOUGH = 5
"""Rows after which the rate says something."""


@frozen
class Progress:
    """How far a map is.

    Args:
        done: Rows that have a value.
        failed: Rows that have an error.
        from_journal: Those of ``done`` that the journal had.
        total: How many rows there are; None where nobody knows.
        seconds: How long it has taken.
        spent: What the answers took, those from the journal included.
        paid: What was paid for in this run.
    """

    done: int = 0
    failed: int = 0
    from_journal: int = 0
    total: int | None = None
    seconds: float = 0.0
    spent: Spent = field(factory=Spent)
    paid: Spent = field(factory=Spent)

    @property
    def rate(self) -> float | None:
        """Rows that went through the program, a second; None before there are some."""
        run = self.done + self.failed - self.from_journal
        return run / self.seconds if run >= _ENOUGH and self.seconds > 0 else None

    @property
    def seconds_left(self) -> float | None:
        """How long the rest is going to take; None where nobody knows."""
        if self.total is None or not self.rate:
            return None
        return (self.total - self.done - self.failed) / self.rate

    def __str__(self) -> str:
        of = "" if self.total is None else f" of {self.total:,}"
        parts = [f"{self.done:,}{of} rows"]
        if self.from_journal:
            parts[0] += f" ({self.from_journal:,} from the journal)"
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        if self.rate:
            parts.append(f"{self.rate:,.1f}/s" if self.rate < 100 else f"{self.rate:,.0f}/s")
        if self.seconds_left:
            parts.append(f"{duration(self.seconds_left)} left")
        parts.append(f"{self.paid.tokens:,} tokens")
        if self.paid.cost:
            parts.append(f"${self.paid.cost:,.4f}")
        return " · ".join(parts)


class Tally:
    """Counts rows as they end.

    Args:
        total: How many there are; None where nobody knows.
    """

    def __init__(self, total: int | None) -> None:
        self._started = time.perf_counter()
        self._total = total
        self._done = self._failed = self._from_journal = 0
        self._spent = self._paid = Spent()

    def count(self, result: MappedRow) -> None:
        """Count a row that has ended."""
        if result.error is None:
            self._done += 1
        else:
            self._failed += 1
        self._from_journal += result.from_journal
        self._spent += result.spent

    def pay(self, paid: Spent) -> None:
        """Count what was paid, also for a row that is tried again."""
        self._paid += paid

    def progress(self) -> Progress:
        """Return how far it is."""
        seconds = time.perf_counter() - self._started
        return Progress(
            self._done, self._failed, self._from_journal, self._total, seconds, self._spent, self._paid
        )


class ProgressLine:
    """A line on a terminal, written over and over; nothing is written anywhere else.

    Args:
        file: What is written to; by default standard error.
    """

    def __init__(self, file: TextIO | None = None) -> None:
        self._file = sys.stderr if file is None else file
        self._shows = is_terminal(self._file)
        self._next = 0.0

    def show(self, tally: Tally) -> None:
        """Show how far it is, unless that was shown just now."""
        if self._shows and (now := time.monotonic()) >= self._next:
            self._next = now + _PAUSE
            line = str(tally.progress())[: terminal_width(self._file, 80) - 1]
            print(f"\r\x1b[K{line}", end="", file=self._file, flush=True)

    def end(self) -> None:
        """Take the line away."""
        if self._shows:
            print("\r\x1b[K", end="", file=self._file, flush=True)


def duration(seconds: float) -> str:
    """Return seconds in words."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
