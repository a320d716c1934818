"""``mellea backends``, ``mellea contexts``, ``mellea strategies`` and ``mellea hooks``.

What is installed, without importing it; with ``--check`` each factory is imported and looked at.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import textwrap
from argparse import Namespace
from collections.abc import Sequence

from attrs import asdict

from mellea.plugins.registry import Kind, PluginInfo, PluginRegistry, registry
from mellea.plugins.wellknown import WELL_KNOWN

__all__ = [
    "backends",
    "contexts",
    "hooks",
    "lenient_registry",
    "paragraph",
    "strategies",
    "table",
    "terminal_width",
]

_NARROWEST = 16
"""Fewest columns that the last column of a table gets."""
_JOINT = "\N{NO-BREAK SPACE}"


def backends(arguments: Namespace) -> int:
    """List the installed backends."""
    rows, status = _list("backend", "backend", arguments)
    missing = sorted(set(WELL_KNOWN.values()) - {row.name for row in rows})
    if missing and not arguments.json:
        print(f"\nNot installed: {', '.join(missing)}.")
        print(f'Install one with: pip install "mellea-core[{missing[0]}]"')
    return status


def contexts(arguments: Namespace) -> int:
    """List the installed context types."""
    return _list("context", "context type", arguments)[1]


def strategies(arguments: Namespace) -> int:
    """List the installed sampling strategies."""
    return _list("strategy", "sampling strategy", arguments)[1]


def hooks(arguments: Namespace) -> int:
    """List the installed handlers of hooks."""
    return _list("hooks", "handler of hooks", arguments)[1]


def _list(kind: Kind, words: str, arguments: Namespace) -> tuple[list[PluginInfo], int]:
    """Print what is installed of a kind, and return it with the exit status."""
    check: bool = arguments.check
    if check:
        from mellea.plugins.checks import checked_listing, is_broken  # noqa: PLC0415  a listing imports less

        # In strict mode the first broken plugin would end the list that is there to show it.
        rows = checked_listing(lenient_registry(), kind)
        status = int(any(is_broken(row) for row in rows))
    else:
        rows, status = registry().listing(kind), 0
    if arguments.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        print(table(kind, rows, terminal_width(), checked=check) if rows else f"No {words} is installed.")
    return rows, status


def lenient_registry() -> PluginRegistry:
    """Return a registry that keeps every problem, whatever ``MELLEA_STRICT_PLUGINS`` says."""
    return PluginRegistry({key: value for key, value in os.environ.items() if key != "MELLEA_STRICT_PLUGINS"})


def terminal_width() -> int:
    """Return the columns of the terminal, 80 where there is none."""
    return max(shutil.get_terminal_size((80, 24)).columns, 40)


def table(kind: Kind, rows: Sequence[PluginInfo], width: int, *, checked: bool = False) -> str:
    """Return rows in aligned columns, with the problem and remedy of a plugin below its row."""
    last = "FACTORY" if checked else "CAPABILITIES" if kind == "backend" else "SUMMARY"
    cells = [("NAME", "DISTRIBUTION", "VERSION", "STATUS")]
    cells += [(row.name, row.distribution, row.version, row.status) for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [_line(cells[0], widths, last, width)]
    for row, short in zip(rows, cells[1:], strict=True):
        said = {"FACTORY": row.factory, "CAPABILITIES": ", ".join(row.capabilities), "SUMMARY": row.summary}
        lines.append(_line(short, widths, said[last], width))
        lines += [paragraph(text, width, indent=4) for text in (row.problem, row.remedy) if text]
    return "\n".join(lines)


def _line(cells: Sequence[str], widths: Sequence[int], last: str, width: int) -> str:
    start = "".join(f"{cell:<{size}}  " for cell, size in zip(cells, widths, strict=True))
    room = max(width - len(start), _NARROWEST)
    wrapped = textwrap.wrap(last, room, break_long_words=False, break_on_hyphens=False) or [""]
    return f"\n{' ' * len(start)}".join([f"{start}{wrapped[0]}".rstrip(), *wrapped[1:]])


def paragraph(text: str, width: int, indent: int = 0) -> str:
    """Return a text in indented lines, in which no path and no install command is broken."""
    margin = " " * indent
    kept = re.sub(r"pip install( --\S+)* \S+", lambda command: command[0].replace(" ", _JOINT), text)
    lines = textwrap.fill(
        kept,
        width,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines.replace(_JOINT, " ")
