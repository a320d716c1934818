"""Where texts come from: the user, the program, a document, a tool, an MCP server, the model from these."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Literal, Self

from attrs import Factory, field, frozen

from mellea.core.errors import UsageError

__all__ = ["MODEL", "PROGRAM", "UNKNOWN", "USER", "CallSources", "Source", "SourceKind", "Sources"]

SourceKind = Literal["program", "user", "document", "tool", "mcp", "model", "unknown"]

_IN_WORDS = {
    "program": "the program",
    "user": "the user",
    "document": "a document",
    "tool": "a tool",
    "mcp": "an MCP server",
    "model": "the model",
    "unknown": "an unknown source",
}
_NAMED = {"document": "the document", "tool": "the tool", "mcp": "the MCP server"}
_LONGEST_NAME = 60


def _known_kind(_: object, attribute: object, value: object) -> None:
    if value not in _IN_WORDS:
        raise UsageError(f"{value!r} is no kind of source.", hint=f"There are {', '.join(_IN_WORDS)}.")


@frozen(cache_hash=True)
class Source:
    """Where a text comes from.

    Args:
        kind: ``program``, what its author wrote; ``user``; ``document``; ``tool``; ``mcp``, a server's tool,
            resource or prompt; ``model``; or ``unknown``.
        name: The document's title, the tool's or the server's name.
        trusted: Whether it may decide what is done. By default a program, a user and a model may: what a
            model writes has the sources of what it read besides.

    Raises:
        UsageError: There is no such kind.
    """

    kind: SourceKind = field(validator=_known_kind)
    name: str = ""
    trusted: bool = field(
        default=Factory(lambda self: self.kind in ("program", "user", "model"), takes_self=True), kw_only=True
    )

    def __str__(self) -> str:
        if not self.name:
            return _IN_WORDS[self.kind]
        cut = "…" if len(self.name) > _LONGEST_NAME else ""
        return f"{_NAMED.get(self.kind, _IN_WORDS[self.kind])} {self.name[:_LONGEST_NAME] + cut!r}"


@frozen(cache_hash=True)
class Sources:
    """Everything that a text comes from.

    Args:
        all: The sources.
    """

    all: frozenset[Source] = frozenset()
    trusted: bool = field(init=False, eq=False, repr=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "trusted", all(source.trusted for source in self.all))

    @classmethod
    @functools.lru_cache(maxsize=1024)
    def of(cls, kind: SourceKind, name: str = "", *, trusted: bool | None = None) -> Self:
        """Return one source as all there are; see ``Source``."""
        one = Source(kind, name) if trusted is None else Source(kind, name, trusted=trusted)
        return cls(frozenset((one,)))

    @staticmethod
    def joined(several: Iterable[Sources]) -> Sources:
        """Return the sources of a text that is made of several."""
        return _joined(*several)

    @property
    def untrusted(self) -> tuple[Source, ...]:
        """Those that may not decide what is done."""
        return tuple(source for source in self if not source.trusted)

    @property
    def vouches(self) -> bool:
        """Whether what the text says was said by somebody who is trusted, and not by the model alone."""
        return self.trusted and any(source.kind != "model" for source in self.all)

    def __or__(self, other: Sources) -> Sources:
        return Sources.joined((self, other))

    def __iter__(self) -> Iterator[Source]:
        return iter(sorted(self.all, key=lambda source: (source.kind, source.name, source.trusted)))

    def __str__(self) -> str:
        doubtful = ", ".join(map(str, self.untrusted))
        if not doubtful:
            return ", ".join(map(str, self)) or "nothing"
        read = any(source.kind == "model" for source in self.all)
        return f"the model, which read {doubtful}" if read else doubtful


@functools.lru_cache(maxsize=1024)
def _joined(*several: Sources) -> Sources:
    return Sources(frozenset(source for one in several for source in one.all))


PROGRAM, USER, MODEL = Sources.of("program"), Sources.of("user"), Sources.of("model")
UNKNOWN = MODEL | Sources.of("unknown")
"""Those of a model's text of which nobody knows what it read."""


@frozen
class CallSources:
    """Where a call of a tool comes from.

    Args:
        arguments: The sources of each argument.
        read: What the model had read when it made the call.
        doubtful: The arguments that come from sources that are not trusted, but for those that only carry
            content.
        vouched: Whether somebody who is trusted names what is done: an argument stands in a trusted text, or
            the program demands the call.
    """

    arguments: Mapping[str, Sources] = field(hash=False)
    read: Sources
    doubtful: tuple[str, ...] = ()
    vouched: bool = True

    @property
    def trusted(self) -> bool:
        """Whether nothing about the call is doubtful."""
        return not self.doubtful and (self.vouched or self.read.trusted)

    def __str__(self) -> str:
        if self.doubtful:
            return "; ".join(f"{name!r} comes from {self.arguments[name]}" for name in self.doubtful)
        if not self.read.trusted:
            asked = (
                "what is trusted names an argument" if self.vouched else "nothing that is trusted asks for it"
            )
            return f"{asked}, and it comes from {self.read}"
        return f"it comes from {self.read}"
