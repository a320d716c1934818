"""``mellea decompose``: a task taken apart from the command line."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from mellea.cli.talking import open_session
from mellea.cli.writing import check_writable
from mellea.core.errors import UsageError
from mellea.core.terminal import visible
from mellea.core.trace import write_text
from mellea.decompose.decomposing import decompose as take_apart
from mellea.stdlib.context.simple import SimpleContext

__all__ = ["decompose"]


def decompose(arguments: Namespace) -> int:
    """Print the program of a task, or write it to a folder with the JSON of 0.8."""
    task = _task(arguments)
    files = [_written(arguments, ending) for ending in ("json", "py")] if arguments.out_dir else []
    with open_session(arguments, SimpleContext()) as m:
        found = take_apart(task, m, variables=arguments.input_var or None)
    for path, text in zip(files, (found.to_json(), found.program), strict=False):
        write_text(path, text)
        print(path, file=sys.stderr)
    if arguments.json:
        print(found.to_json())
    elif not arguments.out_dir:
        print(visible(found.program, lines=True), end="")
    return 0


def _written(arguments: Namespace, ending: str) -> Path:
    """Return a file that is written, once it is known to be writable."""
    place = Path(arguments.out_dir)
    if not place.is_dir():
        raise UsageError(f"There is no folder {place}.", hint="Make it, or name another with --out-dir.")
    path = place / f"{arguments.out_name}.{ending}"
    check_writable(path, "--out-dir DIR or --out-name")
    return path


def _task(arguments: Namespace) -> str:
    """Return the task; programs of 0.8 write ``decompose run`` before it."""
    words = arguments.task[1:] if arguments.task[:1] == ["run"] else arguments.task
    if bool(words) == bool(arguments.input_file):
        raise UsageError(
            "There is no task." if not words else "There are two tasks.",
            hint='Write one, as in mellea decompose "Answer the mail.", or name its file with --input-file.',
        )
    if words:
        return " ".join(words)
    try:
        return Path(arguments.input_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{arguments.input_file} cannot be read: {why}.", hint="Name a text.") from error
