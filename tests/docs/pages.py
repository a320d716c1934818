"""The pages of the documentation as tests read them: their code, and their tables."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

from attrs import frozen

__all__ = ["DOCS", "EXAMPLES", "ROOT", "Block", "blocks", "code", "listings", "run", "table", "tree"]

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXAMPLES = DOCS / "examples"
_FENCE = re.compile(r"^```(\w*)([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TITLE = re.compile(r'title="(.+?)"')


@frozen
class Block:
    """A fenced block.

    Args:
        language: What stands behind the fence.
        line: Number of the line before its first one.
        text: What is in it.
    """

    language: str
    line: int
    text: str


def blocks(page: Path, language: str) -> Iterator[Block]:
    """Iterate over the blocks of a language; not over those that show a file, which has tests of its own."""
    text = page.read_text(encoding="utf-8")
    for found in _FENCE.finditer(text):
        if found[1] == language and not _TITLE.search(found[2]) and "--8<--" not in found[3]:
            yield Block(found[1], text.count("\n", 0, found.start(3)), found[3])


def listings(page: Path) -> dict[str, str]:
    """Return the files that a page shows in whole: the titles of its blocks, and what is in them."""
    text = page.read_text(encoding="utf-8")
    return {
        title[1]: found[3]
        for found in _FENCE.finditer(text)
        if (title := _TITLE.search(found[2])) and "--8<--" not in found[3]
    }


def code(page: Path) -> Iterator[str]:
    """Iterate over the lines of all fenced blocks, and of the files that they show."""
    for found in _FENCE.finditer(page.read_text(encoding="utf-8")):
        shown = re.findall(r'^--8<-- "(.+)"$', found[3], re.MULTILINE)
        yield from found[3].splitlines()
        for path in shown:
            yield from (ROOT / path).read_text(encoding="utf-8").splitlines()


def run(page: Path, replacing: Mapping[str, str] | None = None) -> int:
    """Run the Python of a page, as one program, and return the number of blocks that were run.

    Args:
        page: The page.
        replacing: Texts, such as a server's address, and what to put in their place.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    program = list(blocks(page, "python"))
    for block in program:
        source = block.text
        for old, new in (replacing or {}).items():
            source = source.replace(old, new)
        # The empty lines make a traceback show the page's own line numbers.
        exec(compile("\n" * block.line + source, str(page), "exec", dont_inherit=True), namespace)
    return len(program)


def table(page: Path, first_heading: str) -> list[list[str]]:
    """Return the cells of the first table whose first column has this heading, without the headings."""
    return tables(page, first_heading)[0][1:]


def tables(page: Path, first_heading: str) -> list[list[list[str]]]:
    """Return the cells of all tables whose first column has this heading, with the headings."""
    lines = page.read_text(encoding="utf-8").splitlines()
    starts = [place for place, line in enumerate(lines) if line.startswith(f"| {first_heading} |")]
    found = []
    for start in starts:
        rows = list(takewhile(lambda line: line.startswith("|"), lines[start:]))
        cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
        found.append([cells[0], *cells[2:]])
    return found


def tree(text: str) -> dict[str, tuple[str, ...]]:
    """Return, for each class in a drawn tree, its bases: the one it hangs from, and those in brackets."""
    above: dict[int, str] = {}
    bases: dict[str, tuple[str, ...]] = {}
    for line in text.splitlines():
        found = re.match(r"^([│├└─ ]*)(\w+)(?: \(([\w, ]+)\))?", line)
        if found:
            depth = len(found[1]) // 4
            above[depth] = found[2]
            parent = (above[depth - 1],) if depth else ("Exception",)
            bases[found[2]] = (*parent, *(found[3] or "").replace(" ", "").split(",")) if found[3] else parent
    return bases
