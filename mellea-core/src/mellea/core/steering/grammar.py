"""A pattern as a grammar of llama.cpp, for its own server: the text needs no JSON around it there.

A model that writes a JSON string likes to close it with each sentence. Each such draw is refused, and one
that is refused costs a pass of the whole vocabulary over all ways to go on. A grammar of its own saves these
draws, and puts the ways in the order in which they are tried fastest.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["grammar_of"]

_UNIT = re.compile(r"\\(?P<escape>.)|\[(?:\\.|[^\]\\])*\]", re.DOTALL)
_INNERMOST = re.compile(r"\((?:\?:)?([^()]*)\)")
_SIGNS = range(0xF0000, 0xFFFFE)  # for private use
_NO_SIGN = f"^|*+?{{{chr(_SIGNS[0])}-{chr(_SIGNS[-1])}"
_TOKEN = re.compile(
    rf"(?P<or>\|)|(?P<count>[*+?]|\{{\d+(?:,\d*)?\}})|(?P<plain>[{_NO_SIGN}]+(?![*+?{{]))|.", re.DOTALL
)
_ESCAPED = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}
_LONG = 24
_RUN = re.compile(r"\{(\d+),(\d+)\}")


@lru_cache(64)
def grammar_of(pattern: str) -> str:
    """Return the grammar of the texts that a pattern admits.

    Args:
        pattern: The pattern as it holds for the text itself, with or without anchors at both ends.
    """
    return _Writer(pattern.removeprefix("^").removesuffix("$")).written()


class _Writer:
    """Writes one grammar; what is counted or long becomes a rule of its own, once.

    The pattern is read from the inside out, each text of a set or a group once: a sign stands for it then.
    """

    def __init__(self, pattern: str) -> None:
        self._rules: dict[str, str] = {}
        self._signs: dict[str, str] = {}
        self._meant: dict[str, str] = {}
        self._free = (sign for sign in map(chr, _SIGNS) if sign not in pattern)
        self._pattern = pattern

    def written(self) -> str:
        inside, pattern = "", _UNIT.sub(self._unit, self._pattern)
        while pattern != inside:
            inside, pattern = pattern, _INNERMOST.sub(self._group, pattern)
        root = f"root ::= {self._body(pattern)}"
        return "\n".join([root, *(f"{name} ::= {body}" for body, name in self._rules.items())]) + "\n"

    def _unit(self, unit: re.Match[str]) -> str:
        """Return the sign of a set or an escaped character."""
        sign = unit["escape"]
        return self._signs.get(unit[0]) or self._sign(
            unit[0], _class(unit[0]) if sign is None else _literal(_CONTROLS.get(sign, sign))
        )

    def _group(self, group: re.Match[str]) -> str:
        """Return the sign of a group without groups in it."""
        if (sign := self._signs.get(group[0])) is not None:
            return sign
        body = self._body(group[1])
        # the server would make a rule of it at each place
        return self._sign(group[0], self._rule(body) if len(body) > _LONG else f"({body})")

    def _sign(self, text: str, meant: str) -> str:
        self._signs[text] = sign = next(self._free)
        self._meant[sign] = meant
        return sign

    def _body(self, pattern: str) -> str:
        """Return what signs, counts and texts side by side are in a grammar."""
        parts: list[str] = []
        for token in _TOKEN.finditer(pattern):
            match token.lastgroup:
                case "count":
                    parts[-1] = self._counted(parts[-1], token[0])
                case "or":
                    parts.append("|")
                case _:
                    parts.append(self._meant.get(token[0]) or _literal(token[0]))
        return " ".join(parts)

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


def _literal(text: str) -> str:
    return f'"{"".join(_ESCAPED.get(each, each) for each in text)}"'
