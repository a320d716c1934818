"""The command line.

``mellea backends``, ``contexts``, ``strategies``, ``hooks``, ``doctor``, ``run``, ``chat``, ``map``,
``eval``, ``compare``, ``optimise``, ``train-adapter``, ``decompose``, ``serve``, ``mcp``, ``show``,
``history`` and ``new-plugin``.

The commands live in modules of their own, imported when they run: help costs nothing, and listings import no
backend.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import TextIO

from mellea.cli.arguments import make_parser

__all__ = ["main"]

_INTERRUPTED = 130
_BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The arguments; by default those of the process.

    Returns:
        The exit status: 0, 1 for an error, 2 for a usage error, 130 when interrupted, 141 when the reader of
        a pipe left.
    """
    parser = make_parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as end:  # help, the version or a usage error is printed by now
        return end.code if isinstance(end.code, int) else 0
    if arguments.handler is None:
        parser.print_help(sys.stderr)
        return 2
    arguments.asked = sys.argv[1:] if argv is None else list(argv)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        return _carry_out(arguments)


def _carry_out(arguments: argparse.Namespace) -> int:
    """Import the module of a command, run it, and turn what it raises into an exit status."""
    try:
        module, _, function = arguments.handler.partition(":")
        status: int = getattr(importlib.import_module(module), function)(arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            print(file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes once more when it ends, and would complain about it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except Exception as error:
        from mellea.core.errors import MelleaError, UsageError  # noqa: PLC0415  help and version do without the core

        if not isinstance(error, MelleaError):
            raise
        print_error(error)
        return 2 if isinstance(error, UsageError) else 1


def print_error(error: Exception) -> None:
    """Print one of our errors as a sentence; with ``MELLEA_DEBUG=1`` with its traceback before it."""
    sys.stdout.flush()
    if os.environ.get("MELLEA_DEBUG", "") not in ("", "0"):
        traceback.print_exception(error)
    from mellea.core.terminal import visible  # noqa: PLC0415  help and version do without the core

    print(f"mellea: {visible(' '.join(str(error).split()))}", file=sys.stderr)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    from mellea.core.terminal import visible  # noqa: PLC0415  help and version do without the core

    print(f"mellea: warning: {visible(' '.join(str(message).split()))}", file=file or sys.stderr)
