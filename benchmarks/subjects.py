"""What the tasks with rules are about: what to write, words to use and to avoid, phrases, headings."""

from __future__ import annotations

import csv
from pathlib import Path

from attrs import frozen

__all__ = ["SUBJECTS", "Subject"]


@frozen
class Subject:
    """What to write, and what its rules may be about.

    Args:
        held_out: Whether its tasks are for the result, and not looked at while work goes on.
        ask: What to write.
        words: Words to use.
        avoid: Words to avoid.
        begin: The first words.
        end: The last words.
        headings: Headings of sections.
    """

    held_out: bool
    ask: str
    words: tuple[str, ...]
    avoid: tuple[str, ...]
    begin: str
    end: str
    headings: tuple[str, ...]


def _read() -> tuple[Subject, ...]:
    with Path(__file__).with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            Subject(
                row["for"] == "result",
                row["ask"],
                tuple(row["words"].split()),
                tuple(row["avoid"].split()),
                row["begin"],
                row["end"],
                tuple(row["headings"].split("/")),
            )
            for row in csv.DictReader(file)
        )


SUBJECTS = _read()
"""The subjects of all tasks."""
