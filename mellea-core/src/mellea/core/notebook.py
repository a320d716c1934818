"""Values as a notebook shows them: small pieces of HTML in which every text is text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["html_table", "html_text"]

_TEXT = "white-space: pre-wrap; overflow-wrap: anywhere; text-align: start"


def html_text(text: str, label: str = "") -> str:
    """Return a text with its line breaks, below a label."""
    head = f"<strong>{_escaped(label)}</strong>" if label else ""
    return f'<div>{head}<pre dir="auto" style="{_TEXT}">{_escaped(text)}</pre></div>'


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """Return a table."""
    lines = [f"<tr>{''.join(_cell('td', cell) for cell in row)}</tr>" for row in rows]
    title = f'<caption style="{_TEXT}">{_escaped(caption)}</caption>' if caption else ""
    first = "".join(_cell("th", cell) for cell in head)
    return f"<table>{title}<thead><tr>{first}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _cell(tag: str, text: str) -> str:
    return f'<{tag} dir="auto" style="{_TEXT}">{_escaped(text)}</{tag}>'


def _escaped(text: str) -> str:
    import html  # noqa: PLC0415  few programs run in a notebook

    return html.escape(text).encode("utf-8", "replace").decode("utf-8")  # a lone surrogate is no text
