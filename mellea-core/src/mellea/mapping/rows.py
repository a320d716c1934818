"""Rows of data from where they are: a file, or anything that gives them one after the other."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, TypeAlias

from mellea.core.errors import UsageError

__all__ = ["Rows", "Source", "as_json", "source_of"]

Rows: TypeAlias = "str | os.PathLike[str] | Iterable[Any] | AsyncIterable[Any]"
"""A file, or the rows."""


class Source:
    """Where rows come from.

    Args:
        read: Begins to read them.
        total: How many there are; None where nobody knows before the end.
        again: Whether they can be read more than once.
    """

    def __init__(
        self, read: Callable[[], Iterable[Any] | AsyncIterable[Any]], total: int | None, *, again: bool
    ) -> None:
        self._read = read
        self.total = total
        self.again = again

    async def rows(self) -> AsyncGenerator[Any, None]:
        """Iterate over the rows."""
        read = self._read()
        if isinstance(read, AsyncIterable):
            async for row in read:
                yield row
            return
        for row in read:
            yield row


def source_of(given: Rows) -> Source:
    """Return where rows come from: a JSON Lines, JSON, CSV, TSV or Parquet file, or an iterable.

    Args:
        given: The name of the file, or the rows.

    Raises:
        UsageError: It is neither, or of a kind that is not read here.
    """
    if isinstance(given, str | os.PathLike):
        return _of_file(Path(given))
    if isinstance(given, AsyncIterable):
        return Source(lambda: given, None, again=False)
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise UsageError(
            f"{type(given).__name__} is no rows.",
            hint="Pass a file, or an iterable with a mapping for each row.",
        )
    again = isinstance(given, Sized)
    return Source(lambda: given, len(given) if isinstance(given, Sized) else None, again=again)


def _of_file(path: Path) -> Source:
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise UsageError(
            f"{path} is of a kind that is not read here.", hint=f"Pass a file of {', '.join(_READERS)}."
        )
    if not path.is_file():
        raise UsageError(f"There is no file {path}.", hint="Name the file with the rows.")
    total = _rows_in_parquet(path) if path.suffix.lower() == ".parquet" else None
    if total is None:
        total = sum(1 for _ in read(path))
    return Source(lambda: read(path), total, again=True)


def _json_lines(path: Path) -> Iterator[Any]:
    with _opened(path) as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    yield json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise UsageError(
                        f"{path}, line {number} is no JSON: {error}.",
                        hint="Write one JSON value in each line.",
                    ) from error


def _json(path: Path) -> Iterator[Any]:
    with _opened(path) as file:
        text = file.read()
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no JSON: {error}.", hint="Write a list with the rows.") from error
    if not isinstance(rows, list):
        raise UsageError(f"{path} has no list in it.", hint="Write a list with the rows.")
    yield from rows


def _separated(separator: str) -> Callable[[Path], Iterator[Any]]:
    def read(path: Path) -> Iterator[Any]:
        import csv  # noqa: PLC0415  few files need it

        with _opened(path) as file:
            rows = csv.DictReader(file, delimiter=separator, strict=True)
            try:
                names = rows.fieldnames or ()
                if twice := sorted({name for name in names if names.count(name) > 1}):
                    raise UsageError(
                        f"{path} has more than one column {', '.join(map(repr, twice))}.",
                        hint="Give each a name of its own, in the first line.",
                    )
                for row in rows:
                    if None in row or None in row.values():
                        raise UsageError(
                            f"{path}: a row has another number of fields than the first line: {dict(row)!r}.",
                            hint="Quote the fields in which the separator or a line end occurs.",
                        )
                    yield row
            except csv.Error as error:
                raise UsageError(
                    f"{path}, line {rows.line_num + 1} cannot be read: {error}.",
                    hint="Write a quotation mark within quoted text twice, and long texts as JSON Lines.",
                ) from error

    return read


def _parquet(path: Path) -> Iterator[Any]:
    with _parquet_file(path) as file:
        for batch in file.iter_batches(batch_size=1024):
            yield from batch.to_pylist()


def _rows_in_parquet(path: Path) -> int:
    with _parquet_file(path) as file:
        return int(file.metadata.num_rows)


def _parquet_file(path: Path) -> Any:
    try:
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415  an extra
    except ImportError as error:
        raise UsageError(
            f"{path} cannot be read: pyarrow is not installed.",
            hint='Install it with: pip install "mellea-core[parquet]"',
        ) from error
    try:
        return ParquetFile(path)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} is no Parquet file: {error}.", hint="Name another file.") from error


_READERS: Mapping[str, Callable[[Path], Iterator[Any]]] = {
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json,
    ".csv": _separated(","),
    ".tsv": _separated("\t"),
    ".parquet": _parquet,
}


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", hint="Name another file.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text in UTF-8: {error}.", hint="Save it as UTF-8.") from error


def as_json(value: Any, what: str) -> Any:
    """Return a value as JSON values: those of pydantic, dataclasses, dates and sets too.

    Args:
        value: The value.
        what: What to call it in errors.

    Raises:
        UsageError: JSON cannot hold it.
    """
    if value is None or type(value) in (str, int, bool):
        return value
    from pydantic_core import PydanticSerializationError, to_jsonable_python  # noqa: PLC0415  whoever maps texts needs none

    try:
        return to_jsonable_python(value, inf_nan_mode="strings")
    except (PydanticSerializationError, ValueError) as error:
        raise UsageError(
            f"{what} cannot be told as JSON: {error}.", hint="Let it be texts, numbers, lists and mappings."
        ) from error
