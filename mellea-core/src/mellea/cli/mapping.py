"""``mellea map``: rows of a file through a program."""

from __future__ import annotations

import gc
import json
import shlex
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self, TextIO

from mellea.core.errors import UsageError
from mellea.core.options import ModelOption
from mellea.core.terminal import visible
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
    results = map_rows(arguments.program, arguments.input, ordered=not arguments.as_they_come, **given)
    with ExitStack() as stack:
        output = stack.enter_context(_writing(arguments.output))
        failed = stack.enter_context(_FailedRows(_failed_path(arguments)))
        is_cut_short = _write(results, output, failed)
    _report(results.progress, failed, arguments, is_cut_short=is_cut_short)
    if is_cut_short:
        return _INTERRUPTED
    return 1 if failed.count else 0


def _options(arguments: Namespace) -> dict[str, Any]:
    named = {ModelOption.TEMPERATURE: arguments.temperature, ModelOption.MAX_NEW_TOKENS: arguments.max_tokens}
    return {key: value for key, value in named.items() if value is not None}


def _write(results: SyncResults, output: TextIO, failed: _FailedRows) -> bool:
    """Write the results as they come, and tell whether an interrupt cut them short.

    The first interrupt lets what is under way end; another one ends it.
    """
    is_cut_short = is_under_way = False
    try:
        while True:
            try:
                taken = results.take()
            except KeyboardInterrupt:
                if is_cut_short:
                    return True
                is_cut_short = True
                results.stop()
                print("\nEnding what is under way; press again to leave it.", file=sys.stderr)
                continue
            if not taken:
                return is_cut_short
            if not is_under_way:
                is_under_way = True
                gc.freeze()  # all is imported, and need not be looked through again with the rows
            for result in taken:
                _write_row(result, output, failed)
            output.flush()
    finally:
        gc.unfreeze()
        results.close()


def _write_row(result: MappedRow, output: TextIO, failed: _FailedRows) -> None:
    line = json.dumps(result.to_dict(), ensure_ascii=False)
    if result.error is None:
        print(line, file=output)
    else:
        failed.write(line)


@contextmanager
def _writing(path: str) -> Iterator[TextIO]:
    if path == "-":
        yield sys.stdout
        return
    try:
        file = Path(path).open("w", encoding="utf-8")  # noqa: SIM115  the block below closes it
    except OSError as error:
        raise UsageError(
            f"{path} cannot be written: {error.strerror}.", hint="Name another file: --output FILE."
        ) from error
    with file:
        yield file


class _FailedRows:
    """The file of the rows that failed, which is there only if there are any.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._file: TextIO | None = None

    def __enter__(self) -> Self:
        self.path.unlink(missing_ok=True)
        return self

    def write(self, line: str) -> None:
        """Write a row."""
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8")
        print(line, file=self._file, flush=True)
        self.count += 1

    def __exit__(self, *exc: object) -> None:
        if self._file is not None:
            self._file.close()


def _failed_path(arguments: Namespace) -> Path:
    if arguments.failed:
        return Path(arguments.failed)
    output = Path("results.jsonl" if arguments.output == "-" else arguments.output)
    return output.with_name(f"{output.stem}.failed.jsonl")


def _report(progress: Progress, failed: _FailedRows, arguments: Namespace, *, is_cut_short: bool) -> None:
    """Say on standard error what came of it, and how to go on."""
    lines = [
        f"{progress} in {duration(progress.seconds)}",
        f"all answers took {progress.spent}; this run paid for {progress.paid}",
    ]
    if failed.count:
        lines.append(f"rows that failed, with why: {failed.path}")
    if is_cut_short:
        lines.append("interrupted: nothing that was answered is lost")
    if is_cut_short or failed.count:
        again = "go on" if is_cut_short else "try those again"
        lines.append(f"{again} with: mellea {shlex.join(arguments.asked)}")
    for line in lines:
        print(visible(line), file=sys.stderr)
