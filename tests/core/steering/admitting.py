"""Whether a pattern admits a text, found by walking over its nodes."""

from __future__ import annotations

from mellea.core.steering.pattern import Choice, Letters, Literal, Node, Repeat, Sequence


def admits(node: Node, text: str) -> bool:
    """Return whether a pattern admits a text as a whole."""
    return len(text) in _ends(node, text, frozenset([0]))


def _ends(node: Node, text: str, starts: frozenset[int]) -> frozenset[int]:
    """Return where a pattern may end that begins at one of some places."""
    match node:
        case Literal(wanted):
            return frozenset(start + len(wanted) for start in starts if text.startswith(wanted, start))
        case Letters():
            return frozenset(start + 1 for start in starts if start < len(text) and text[start] in node)
        case Sequence(parts):
            for part in parts:
                starts = _ends(part, text, starts) if starts else starts
            return starts
        case Choice(options):
            return frozenset().union(*(_ends(option, text, starts) for option in options))
        case Repeat(inner, least, most):
            return _repeated(inner, least, most, text, starts)


def _repeated(inner: Node, least: int, most: int | None, text: str, starts: frozenset[int]) -> frozenset[int]:
    found = starts if least == 0 else frozenset()
    turn = 0
    while starts and (most is None or turn < most):
        starts, turn = _ends(inner, text, starts), turn + 1
        if turn >= least:
            if most is None and starts <= found:
                break
            found |= starts
    return found
