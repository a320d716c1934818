"""A pattern as a grammar of llama.cpp, for its own server: the text needs no JSON around it there.

A model that writes a JSON string likes to close it with each sentence. Each such draw is refused, and one
that is refused costs a pass of the whole vocabulary over all ways to go on. A grammar of its own saves these
draws, and puts the ways in the order in which they are tried fastest.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["grammar_of"]

_TOKEN = re.compile(
    r"(?P<set>\[(?:\\.|[^\]\\])*\])|(?P<open>\((?:\?:)?)|(?P<close>\))|(?P<or>\|)"
    r"|(?P<count>[*+?]|\{\d+(?:,\d*)?\})|\\(?P<escape>.)"
    r"|(?P<plain>[^\\\[()|*+?{]+(?![*+?{])|.)",
    re.DOTALL,
)
_ESCAPED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}
_RUN = re.compile(r"\{(\d+),(\d+)\}")


@lru_cache(64)
def grammar_of(pattern: str) -> str:
    """Return the grammar of the texts that a pattern admits.

    Args:
        pattern: The pattern as it holds for the text itself, with or without anchors at both ends.
    """
    return _Writer().written(pattern.removeprefix("^").removesuffix("$"))


class _Writer:
    """Writes one grammar; what is counted becomes a rule of its own, once."""

    def __init__(self) -> None:
        self._rules: dict[str, str] = {}

    def written(self, pattern: str) -> str:
        groups: list[list[str]] = [[]]
        for token in _TOKEN.finditer(pattern):
            kind = token.lastgroup
            if kind == "open":
                groups.append([])
            elif kind == "close":
                body = " ".join(groups.pop())
                groups[-1].append(f"({body})")
            elif kind == "or":
                groups[-1].append("|")
            elif kind == "count":
                groups[-1][-1] = self._counted(groups[-1][-1], token[0])
            else:
                groups[-1].append(_class(token[0]) if kind == "set" else _literal(token))
        root = f"root ::= {' '.join(groups[0])}"
        return "\n".join([root, *(f"{name} ::= {body}" for body, name in self._rules.items())]) + "\n"

    def _counted(self, what: str, count: str) -> str:
        if count in {"*", "+", "?"}:
            return what + count
        run = _RUN.fullmatch(count)
        if run and what.startswith("["):
            return self._run(what, int(run[1]), int(run[2]))
        name = what if what.startswith('"') else self._rule(what)
        return name if count == "{1}" else name + count

    def _run(self, what: str, least: int, most: int) -> str:
        """Return a run of characters; that it goes on stands last, which is tried first."""
        name = ""
        for number in range(1, most - least + 1):
            name = self._rule(f"| {what} {name}".rstrip(), f"run{number}")
        return " ".join([what] * least + [name] * bool(name))

    def _rule(self, body: str, stem: str = "part") -> str:
        return self._rules.setdefault(body, f"{stem}-{len(self._rules)}")


def _class(text: str) -> str:
    return re.sub(
        r"\\(.)", lambda found: f"\\x{ord(found[1]):02X}" if found[1] not in "nrt" else found[0], text
    )


def _literal(token: re.Match[str]) -> str:
    sign = _CONTROLS.get(token["escape"], token["escape"]) if token["escape"] is not None else token["plain"]
    return f'"{"".join(_ESCAPED.get(each, each) for each in sign)}"'
