"""``mellea map``: rows of a file through a program."""

from __future__ import annotations

import gc
import json
import os
import shlex
import signal
import sys
import threading
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Self, TextIO

from mellea.cli.writing import check_writable
from mellea.core.errors import UsageError
from mellea.core.options import ModelOption
from mellea.core.terminal import visible
from mellea.history.history import DEFAULT
from mellea.mapping.estimating import estimate
from mellea.mapping.mapping import map as map_rows
from mellea.mapping.progress import Progress, duration
from mellea.mapping.results import MappedRow
from mellea.mapping.running import SyncResults

__all__ = ["map_file"]

_INTERRUPTED = 130


def map_file(arguments: Namespace) -> int:
    """Take the rows of a file through a program, and write what comes of them."""
    given: dict[str, Any] = {
        "backend": arguments.backend,
        "model": arguments.model,
        "model_options": _options(arguments),
        "seed": arguments.seed,
        "journal": False if arguments.no_journal else (arguments.journal or True),
        "passes": arguments.passes,
        "at_most": arguments.limit,
        "engine": arguments.engine,
        "workers": arguments.workers,
        "resources": None if arguments.num_gpus is None else {"num_gpus": arguments.num_gpus},
    }
    if arguments.concurrency:
        given["concurrency"] = arguments.concurrency
    if arguments.estimate is not None:
        found = estimate(arguments.program, arguments.input, sample=arguments.estimate, **given)
        print(found)
        return 0
    if arguments.output is None:
        raise UsageError("There is no file for the results.", hint="Name one: --output results.jsonl.")
    _refuse_shared_files(arguments)
    output, failed = _OutputRows(arguments.output), _FailedRows(_failed_path(arguments))
    results = map_rows(arguments.program, arguments.input, ordered=not arguments.as_they_come, **given)
    with output, failed:
        is_cut_short = _write(results, output, failed)
    _report(results.progress, failed, arguments, is_cut_short=is_cut_short)
    if is_cut_short:
        return _INTERRUPTED
    return 1 if failed.count else 0


def _options(arguments: Namespace) -> dict[str, Any]:
    named = {ModelOption.TEMPERATURE: arguments.temperature, ModelOption.MAX_NEW_TOKENS: arguments.max_tokens}
    return {key: value for key, value in named.items() if value is not None}


def _refuse_shared_files(arguments: Namespace) -> None:
    """Refuse to write over what is read, or over what else is written."""
    written = {"the results": arguments.output, "the rows that fail": _failed_path(arguments)}
    if not arguments.no_journal:
        written["the journal"] = arguments.journal or os.environ.get("MELLEA_HISTORY") or DEFAULT
    known = {Path(arguments.input).resolve(): "the rows", _program_path(arguments.program): "the program"}
    for what, name in written.items():
        if name == "-":
            continue
        path = Path(name).resolve()
        if path in known:
            raise UsageError(f"{name} would be {known[path]} and {what}.", hint="Name a file for each.")
        known[path] = what


def _program_path(name: str) -> Path:
    """Return the file of a program, as far as it is named by one."""
    return Path(name if name.endswith(".py") else name.rpartition(":")[0]).resolve()


def _write(results: SyncResults, output: _OutputRows, failed: _FailedRows) -> bool:
    """Write the results as they come, and tell whether an interrupt cut them short.

    The first interrupt lets what is under way end; another one ends it.
    """
    interrupts = 0

    def stop(*_: object) -> None:
        nonlocal interrupts
        interrupts += 1
        if interrupts > 1:
            raise KeyboardInterrupt
        results.stop()
        print("\nEnding what is under way; press again to leave it.", file=sys.stderr)

    is_begun = False
    with _on_interrupt(stop):
        try:
            while (taken := results.take()) or not (is_begun or interrupts):
                if not is_begun:
                    is_begun = True
                    output.begin()
                    failed.begin()
                    gc.freeze()  # all is imported, and need not be looked through again with the rows
                for result in taken:
                    _write_row(result, output, failed)
                output.flush()
        except KeyboardInterrupt:
            interrupts += 1
        finally:
            gc.unfreeze()
            results.close()
    return interrupts > 0


@contextmanager
def _on_interrupt(handle: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle an interrupt where it comes, instead of breaking off what is under way there."""
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _write_row(result: MappedRow, output: _OutputRows, failed: _FailedRows) -> None:
    line = json.dumps(result.to_dict(), ensure_ascii=False)
    if result.error is None:
        output.write(line)
    else:
        failed.write(line, result.error)


class _OutputRows:
    """The file of the results; what is in it by now stays until there are some.

    Args:
        name: The file; ``-`` for standard output.

    Raises:
        UsageError: It cannot be written.
    """

    def __init__(self, name: str) -> None:
        self._path = None if name == "-" else Path(name)
        self._file = sys.stdout
        if self._path is not None:
            check_writable(self._path, "--output")

    def __enter__(self) -> Self:
        return self

    def begin(self) -> None:
        """Begin anew."""
        if self._path is not None:
            self._file = self._path.open("w", encoding="utf-8")

    def write(self, line: str) -> None:
        """Write a row."""
        print(line, file=self._file)

    def flush(self) -> None:
        """Hand on what was written."""
        self._file.flush()

    def __exit__(self, *exc: object) -> None:
        if self._file is not sys.stdout:
            self._file.close()


class _FailedRows:
    """The file of the rows that failed, which is there only if there are any.

    Args:
        path: The file.

    Raises:
        UsageError: It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self.first = ""
        """The error of the first of them."""
        self._file: TextIO | None = None
        check_writable(path, "--failed")

    def __enter__(self) -> Self:
        return self

    def begin(self) -> None:
        """Begin anew."""
        self.path.unlink(missing_ok=True)

    def write(self, line: str, error: str) -> None:
        """Write a row."""
        if self._file is None:
            self.first = error
            self._file = self.path.open("w", encoding="utf-8")
        print(line, file=self._file, flush=True)
        self.count += 1

    def __exit__(self, *exc: object) -> None:
        if self._file is not None:
            self._file.close()


def _failed_path(arguments: Namespace) -> Path:
    if arguments.failed:
        return Path(arguments.failed)
    output = Path(arguments.output)
    if arguments.output == "-" or (output.exists() and not output.is_file()):
        output = Path("results.jsonl")
    return output.with_name(f"{output.stem}.failed.jsonl")


def _report(progress: Progress, failed: _FailedRows, arguments: Namespace, *, is_cut_short: bool) -> None:
    """Say on standard error what came of it, and how to go on."""
    lines = [
        f"{progress} in {duration(progress.seconds)}",
        f"all answers took {progress.spent}; this run paid for {progress.paid}",
    ]
    if failed.count:
        lines.append(
            f"rows that failed, with why: {failed.path}; the first: {' '.join(failed.first.split())}"
        )
    if is_cut_short:
        lines.append("interrupted: nothing that was answered is lost")
    if is_cut_short or failed.count:
        again = "go on" if is_cut_short else "try those again"
        lines.append(f"{again} with: mellea {shlex.join(arguments.asked)}")
    for line in lines:
        print(visible(line), file=sys.stderr)
