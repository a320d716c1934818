"""Rows of a transaction, inserted many at a time.

Each statement lets go of the interpreter and waits until it is free again, which under load takes longer than
the statement. One for all new rows of a table waits once.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

__all__ = ["Inserts", "execute"]

T = TypeVar("T")

_CONFLICTS = {"mapped": ("of_row", "version")}
"""The columns by which a new row takes the place of an old one, by table."""


class Inserts:
    """The rows that wait to be inserted.

    Args:
        file: The open file, within a transaction of whoever calls.
    """

    def __init__(self, file: sqlite3.Connection) -> None:
        self._file = file
        self._most = file.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
        self._waiting: list[tuple[str, Mapping[str, Any]]] = []
        self._last: dict[str, int] = {}

    def add(self, table: str, row: Mapping[str, Any]) -> None:
        """Let a row wait; what changes in it until it is inserted counts."""
        self._waiting.append((table, row))

    def number(self, table: str) -> int:
        """Return the number of a new row, which nobody else can give it in this transaction."""
        if table not in self._last:
            query = f"SELECT ifnull(max(id), 0) FROM {table}"  # noqa: S608  names of ours alone
            self._last[table] = self._file.execute(query).fetchone()[0]
        self._last[table] += 1
        return self._last[table]

    def found(self, table: str, column: str, values: Iterable[bytes]) -> dict[bytes, int]:
        """Return the numbers of the rows in the file whose column has one of some values, by that value."""
        found: dict[bytes, int] = {}
        for part in _batched(values, self._most):
            query = f"SELECT {column}, id FROM {table} WHERE {column} IN ({', '.join('?' * len(part))})"  # noqa: S608  see above
            found |= self._file.execute(query, part)
        return found

    def write(self) -> None:
        """Insert all."""
        alike: dict[tuple[str, tuple[str, ...]], list[Mapping[str, Any]]] = {}
        for table, row in self._waiting:
            alike.setdefault((table, tuple(row)), []).append(row)
        self._waiting.clear()
        for (table, names), rows in alike.items():
            for part in _batched(rows, self._most // len(names)):
                execute(
                    self._file, _inserting(table, names, len(part)), [v for row in part for v in row.values()]
                )

    def forget(self) -> None:
        """Forget what waits, and what numbers were given: the transaction is over."""
        self._waiting.clear()
        self._last.clear()


def execute(file: sqlite3.Connection, query: str, values: Sequence[Any]) -> None:
    """Execute a statement. SQLite knows no lone surrogates; in their place is what stands for them."""
    try:
        file.execute(query, values)
    except UnicodeEncodeError:
        sound = [each.encode("utf-8", "replace").decode() if type(each) is str else each for each in values]
        file.execute(query, sound)


def _batched(values: Iterable[T], most: int) -> Iterator[tuple[T, ...]]:
    left = iter(values)
    while some := tuple(islice(left, most)):
        yield some


@functools.lru_cache
def _inserting(table: str, names: tuple[str, ...], count: int) -> str:
    """Return the statement that inserts rows."""
    row = f"({', '.join('?' * len(names))})"
    query = f"INSERT INTO {table} ({', '.join(names)}) VALUES {', '.join([row] * count)}"  # noqa: S608  see above
    if (unless := _CONFLICTS.get(table)) is None:
        return query
    changed = ", ".join(f"{name} = excluded.{name}" for name in names if name not in unless)
    return f"{query} ON CONFLICT ({', '.join(unless)}) DO UPDATE SET {changed}"
