"""Writes the table of capabilities in backends.md from what the manifests declare.

python docs/capability_table.py
"""

import re
from pathlib import Path

from mellea.core import Capability
from mellea.plugins.registry import registry

PAGE = Path(__file__).with_name("backends.md")
FIRST = ("hf", "ollama", "openai", "litellm")


def with_table(text: str) -> str:
    """Return a page with its table of capabilities as the manifests say."""
    return re.sub(r"^\| capability \|.*\n(\|.*\n)*", _table(), text, flags=re.MULTILINE)


def _table() -> str:
    declared = {
        row.name: row.capabilities
        for row in registry().listing("backend")
        if row.distribution.startswith("mellea-")
    }
    names = [*FIRST, *sorted(declared.keys() - set(FIRST))]
    rows = [("capability", *names), ("---",) * (len(names) + 1)]
    for capability in Capability:
        has = ["yes" if capability in declared[name] else "" for name in names]
        if any(has):
            rows.append((f"`{capability}`", *has))
    return "".join(_line(row) for row in rows)


def _line(cells: tuple[str, ...]) -> str:
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells) + "\n"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
