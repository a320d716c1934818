"""A table, with markdown in and out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from attrs import define, field, setters

from mellea.core.errors import UsageError
from mellea.core.notebook import html_table
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.components.mobject import MethodTool, MObject, Query, Transform, tools_of

__all__ = ["Table", "TableQuery", "TableTransform"]

_LINE_END = re.compile(r"\r\n?|<br */?>")
_DELIMITER = re.compile(r"\s*:?-+:?\s*")


@define(eq=False, slots=False, on_setattr=setters.frozen)
class TableQuery(Query):
    """A question about a table."""


@define(eq=False, slots=False, on_setattr=setters.frozen)
class TableTransform(Transform):
    """A change of a table; the answer is read as a markdown table."""


def _cells(cells: Iterable[object]) -> tuple[str, ...]:
    """Return the cells as text without blanks around it, with one kind of line end."""
    return tuple(_LINE_END.sub("\n", str(cell)).strip() for cell in cells)


def _rows(rows: Iterable[Iterable[object]]) -> tuple[tuple[str, ...], ...]:
    return tuple(_cells(row) for row in rows)


@define(slots=False, on_setattr=setters.frozen, unsafe_hash=True)
class Table(MObject):
    """A table of texts: a header and rows of the same length.

    Args:
        header: The names of the columns.
        rows: The rows; missing cells at the end of a row are empty.

    Raises:
        UsageError: There is no column, or a row is longer than the header.
    """

    header: tuple[str, ...] = field(converter=_cells)
    rows: tuple[tuple[str, ...], ...] = field(default=(), converter=_rows)

    def __attrs_post_init__(self) -> None:
        width = len(self.header)
        if not width:
            raise UsageError("A table has at least one column.", hint="Give it a header.")
        for number, row in enumerate(self.rows, 1):
            if len(row) > width:
                raise UsageError(
                    f"Row {number} has {len(row)} cells, the header {width}.", hint="Make the header as long."
                )
        object.__setattr__(self, "rows", tuple(row + ("",) * (width - len(row)) for row in self.rows))

    @classmethod
    def from_markdown(cls, text: str) -> Table:
        """Return the first markdown table in a text. Text around it does not matter.

        Raises:
            UsageError: There is none, or a row is longer than the header.
        """
        lines = re.sub(r"\r\n?", "\n", text).split("\n")
        for head, (line, below) in enumerate(pairwise(lines)):
            header = _split(line)
            if header is not None and _delimits(below, len(header)):
                return cls(header, _body(lines[head + 2 :]))
        raise UsageError(
            "There is no markdown table in the text.",
            hint="A table has a header row and a row like |---|---|.",
        )

    def to_markdown(self) -> str:
        """Return the table as markdown. ``from_markdown`` gives it back."""
        rule = "|" + " --- |" * len(self.header)
        return "\n".join([_join_cells(self.header), rule, *(_join_cells(row) for row in self.rows)])

    def transpose(self) -> Table:
        """Return the table with rows and columns exchanged: the header becomes the first column."""
        first, *others = zip(self.header, *self.rows, strict=True)
        return Table(first, others)

    def content_as_string(self) -> str:
        """Return the table as markdown."""
        return self.to_markdown()

    def tools(self) -> Mapping[str, MethodTool]:
        """Return the methods that make a table of it."""
        return tools_of(self, {"transpose"})

    def _parse(self, computed: ModelOutputThunk[Any]) -> Table:
        return Table.from_markdown(str(computed))

    def __str__(self) -> str:
        return self.to_markdown()

    def _repr_html_(self) -> str:
        return html_table(self.header, self.rows)


Table.query_type = TableQuery
Table.transform_type = TableTransform


def _split(line: str) -> tuple[str, ...] | None:
    r"""Return the cells of a row, or None for a line that is none. ``\|`` is a bar, ``\\`` a backslash."""
    cells, cell, escaped = [], "", False
    for character in line.strip():
        if escaped:
            cell += character if character in "\\|" else "\\" + character
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == "|":
            cells.append(cell)
            cell = ""
        else:
            cell += character
    cells.append(cell + "\\" * escaped)
    if len(cells) == 1:
        return None
    if line.lstrip().startswith("|"):
        del cells[0]
    if len(cells) > 1 and not cells[-1].strip():
        del cells[-1]
    return tuple(cells)


def _delimits(line: str, width: int) -> bool:
    cells = _split(line)
    return cells is not None and len(cells) == width and all(_DELIMITER.fullmatch(cell) for cell in cells)


def _body(lines: Iterable[str]) -> list[tuple[str, ...]]:
    rows = []
    for line in lines:
        row = _split(line)
        if row is None:
            break
        rows.append(row)
    return rows


def _join_cells(cells: Iterable[str]) -> str:
    escaped = (cell.replace("\\", "\\\\").replace("|", "\\|").replace("\n", "<br>") for cell in cells)
    return f"| {' | '.join(escaped)} |"
