"""``mellea show``: the attempts of a stored result, as a tree or as a page."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path

from mellea.core.errors import UsageError
from mellea.core.trace import as_html, print_tree, read_trace, write_text

__all__ = ["show"]


def show(arguments: Namespace) -> int:
    """Print the attempts of a trace, or write them as an HTML page."""
    name = "Standard input" if arguments.trace == "-" else arguments.trace
    trace = read_trace(_read(arguments.trace), name)
    if arguments.html:
        write_text(arguments.html, as_html(trace))
        print(f"Wrote {arguments.html}")
    else:
        print_tree(trace)
    return 0


def _read(path: str) -> str:
    try:
        return sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror or error}.",
            hint="Pass a file that result.save(path) wrote.",
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{path} is no text in UTF-8: {error}.", hint="Pass a file that result.save(path) wrote."
        ) from error
