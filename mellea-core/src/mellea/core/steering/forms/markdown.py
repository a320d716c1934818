"""Forms of texts that are laid out as a whole: markdown lists and markdown tables."""

from __future__ import annotations

import re
from collections.abc import Iterable

from attrs import field, frozen

from mellea.core.errors import UsageError
from mellea.core.steering.forms.base import Form, as_texts, some_text, whole_number
from mellea.core.steering.lexis import Lexis, lexis_of
from mellea.core.steering.pattern import Letters, Node, choice, repeat, sequence
from mellea.core.steering.plan import Bounds, NotSteerableError, TextPlan

__all__ = ["MarkdownList", "Table", "items_of"]

_ITEM = re.compile(r"\s*+(?:[-*+]|\d++[.)])\s++(\S.*)")
_RULE = re.compile(r":?-++:?")
_WIDTHS = Bounds(2, 4)
"""Columns of a table that says nothing of them."""
_ITEM_WORDS, _CELL_WORDS = 16, 4
"""Most words of an item, and of a cell."""
_ITEMS, _ROWS = 20, 12
"""Most lines of a list or a table that says nothing of them."""
_BESIDE = frozenset(["avoided", "absent", "case", "digits", "wanted", "script", "in script"])
"""What the words of a list or a table keep to."""
_MOST = 30
"""Most lines or columns of a plan."""


@frozen
class MarkdownList(Form):
    """A markdown list and nothing else, of bullet points or of numbered items.

    A model is held to bullet points of 16 words at most, and to 20 of them where no bound is given.

    Args:
        at_least: The least number of items.
        at_most: The most; None for any number.
    """

    at_least: int = field(default=1)
    at_most: int | None = field(default=None)

    beside = _BESIDE

    def __attrs_post_init__(self) -> None:
        _check_bounds(self.at_least, self.at_most)

    def describe(self) -> str:
        """Return the form in words."""
        return f"Format the answer as a markdown list{_with(_counted(self, 'item'))} and nothing else."

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether it is a list of so many items."""
        items = items_of(text)
        if items is None:
            return False, "it is no markdown list"
        return len(items) in Bounds(self.at_least, self.at_most), f"it has {len(items)} items"

    def edit(self, plan: TextPlan) -> TextPlan:
        """Settle the whole text."""
        lexis, counts = lexis_of(plan), _lines(self.at_least, self.at_most, _ITEMS)
        if "*" in plan.absent:
            raise NotSteerableError("its items begin with asterisks.")
        item = sequence("* ", _words(plan, lexis, lexis.inner, _ITEM_WORDS), repeat(lexis.ends, 0, 1))
        node = sequence(item, repeat(sequence("\n", item), counts.least - 1, counts.top - 1))
        return plan.edited(self, whole=node, words=Bounds(0, counts.top * (_ITEM_WORDS + 1)))


def _columns(given: Iterable[str] | int | None) -> tuple[str, ...] | int | None:
    return given if given is None or isinstance(given, int) else as_texts(given)


@frozen
class Table(Form):
    """A markdown table and nothing else.

    A model is held to cells of 4 words at most, to 2 to 4 columns where nothing is said of them, and to 12
    rows where no bound is given.

    Args:
        columns: What stands in its head, or how many columns it has; None for any.
        at_least: Rows below the head.
        at_most: Most rows below the head; None for any number.

    Raises:
        UsageError: The numbers make no sense, or a name has a vertical bar.
    """

    columns: tuple[str, ...] | int | None = field(default=None, converter=_columns)
    at_least: int = field(default=1)
    at_most: int | None = field(default=None)

    beside = _BESIDE

    def __attrs_post_init__(self) -> None:
        _check_bounds(self.at_least, self.at_most)
        if isinstance(self.columns, tuple):
            for name in self.columns:
                some_text(name, "Table")
            if not self.columns or any(set(name) & set("|\n\\") for name in self.columns):
                raise UsageError(
                    "Table takes names without vertical bars for its columns.",
                    hint='Write it as Table(["name", "city"]).',
                )
        elif self.columns is not None:
            whole_number(self.columns, "columns", 1)

    def describe(self) -> str:
        """Return the form in words."""
        columns = ""
        if isinstance(self.columns, tuple):
            columns = f"the columns {', '.join(self.columns)}"
        elif self.columns is not None:
            columns = f"{self.columns} column{'s' * (self.columns > 1)}"
        said = _with(columns, _counted(self, "row"))
        return f"Format the answer as a markdown table{said} and nothing else."

    def check(self, text: str) -> tuple[bool, str]:
        """Return whether it is a table of that size."""
        lines = text.strip().splitlines()
        if len(lines) < 2 or not all("|" in line for line in lines[:1] + lines[2:]) or not _is_rule(lines[1]):
            return False, "it is no markdown table with a head and a rule below it"
        head = _cells(lines[0])
        uneven = [number for number, line in enumerate(lines, 1) if len(_cells(line)) != len(head)]
        if uneven:
            return False, f"line {uneven[0]} has another number of cells than the head"
        if self.columns not in (None, len(head), head):
            return False, f"its columns are {', '.join(head)}"
        rows = len(lines) - 2
        return rows in Bounds(self.at_least, self.at_most), f"it has {rows} rows"

    def edit(self, plan: TextPlan) -> TextPlan:
        """Settle the whole text."""
        if isinstance(self.columns, tuple):
            widths = Bounds(len(self.columns), len(self.columns))
        else:
            widths = _WIDTHS if self.columns is None else Bounds(self.columns, self.columns)
        if widths.top > _MOST:
            raise NotSteerableError(f"a plan has tables of {_MOST} columns at most.")
        if {"|", "-"} & set(plan.absent):
            raise NotSteerableError("a table has vertical bars and hyphens.")
        for name in self.columns if isinstance(self.columns, tuple) else ():
            plan.written(self, name)
        lexis, rows = lexis_of(plan), _lines(self.at_least, self.at_most, _ROWS)
        cell = _words(plan, lexis, lexis.tag, _CELL_WORDS)
        tables = []
        for width in range(widths.least, widths.top + 1):
            head = self.columns if isinstance(self.columns, tuple) else (cell,) * width
            below = sequence("\n", _row((cell,) * width))
            tables.append(
                sequence(_row(head), "\n", _row(("---",) * width), repeat(below, rows.least, rows.top))
            )
        most = (rows.top + 2) * widths.top * (_CELL_WORDS + 1)
        return plan.edited(self, whole=choice(*tables), words=Bounds(0, most))


def _row(cells: tuple[Node | str, ...]) -> Node:
    return sequence("|", *(part for cell in cells for part in (" ", cell, " |")))


def items_of(text: str) -> list[str] | None:
    """Return the items of a markdown list, or None if the text is something else."""
    items: list[list[str]] = []
    for line in text.splitlines():
        found = _ITEM.fullmatch(line)
        if found:
            items.append([found.group(1).strip()])
        elif items and line.startswith((" ", "\t")):
            items[-1].append(line.strip())
        elif line.strip():
            return None
    return [" ".join(filter(None, parts)) for parts in items] or None


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip().strip("|").split("|"))


def _is_rule(line: str) -> bool:
    cells = line.strip().removeprefix("|").removesuffix("|").split("|")
    return all(_RULE.fullmatch(cell.strip()) for cell in cells)


def _check_bounds(at_least: int, at_most: int | None) -> None:
    whole_number(at_least, "at_least")
    if at_most is not None and whole_number(at_most, "at_most", 1) < at_least:
        raise UsageError(
            f"at_least is {at_least}, which is more than at_most, {at_most}.", hint="Swap the two bounds."
        )


def _words(plan: TextPlan, lexis: Lexis, word: Node, most: int) -> Node:
    """Return some words, among which numbers may be where no form forbids them."""
    if plan.wanted:
        raise NotSteerableError("something would have to occur in it.")
    digit = Letters.of("09").without(plan.absent)
    numbers = bool(digit.ranges) and (plan.digits or plan.owner("digits") is None)
    one = choice(word, repeat(digit, 1, 4)) if numbers else word
    lettered = plan.case is not None or plan.owner("in script") is not None  # they ask for a letter
    return sequence(word if lettered else one, repeat(sequence(lexis.space, one), 0, most - 1))


def _lines(at_least: int, at_most: int | None, usual: int) -> Bounds:
    """Return how many lines a plan has, open bounds closed.

    Raises:
        NotSteerableError: They are too many.
    """
    least = max(at_least, 1)
    if least > _MOST:
        raise NotSteerableError(f"a plan has {_MOST} such lines at most.")
    return Bounds(least, min(_MOST, max(usual, least) if at_most is None else at_most))


def _counted(form: MarkdownList | Table, noun: str) -> str:
    """Return the number of lines of a form in words; nothing where any number will do."""
    if form.at_least <= 1 and form.at_most is None:
        return ""
    return f"{Bounds(form.at_least, form.at_most)} {noun}{'s' * (max(form.at_least, form.at_most or 0) > 1)}"


def _with(*parts: str) -> str:
    said = " and ".join(filter(None, parts))
    return f" with {said}" if said else ""
