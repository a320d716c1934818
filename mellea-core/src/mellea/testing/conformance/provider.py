"""The scripted provider: what the author of a backend puts in the place of the real one."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, ClassVar, Literal, Self, TypeAlias

from attrs import field, frozen

from mellea.core.logprobs import TokenLogprob
from mellea.core.response import Usage
from mellea.testing.conformance.terms import Play

__all__ = ["Answer", "Provider", "Script"]

KEY = "sesame-4711-open"
"""A key that nothing may show."""


def _pieces(text: str | Sequence[str]) -> tuple[str, ...]:
    return ((text,) if text else ()) if isinstance(text, str) else tuple(text)


@frozen
class Answer:
    """What the provider does with the next request.

    Args:
        pieces: The text, or the pieces that it comes in where it is streamed.
        finish_reason: Why it ends.
        usage: The tokens that it tells; None for no word of them.
        thinking: Reasoning that comes before the text.
        refusal: The words in which the model refuses, in place of the text.
        tool_calls: The tools that it calls: names and arguments.
        logprobs: Its tokens with their log-probabilities, in the last piece.
        others: The texts of the other answers, where several are drawn at once.
        ends: ``whole``; ``cut``: the connection breaks after the pieces; ``short``: it ends properly, but
            without the provider's own end mark; ``stall``: nothing more comes until the client leaves.
        status: The HTTP status.
        words: What the provider says of a failure.
        retry_after: Seconds after which it asks to be tried again.
        location: Where it sends the client instead.
        body: What comes in the place of an answer.
        split: Whether the bytes come one by one, so that characters are cut within.
        latency: Seconds before it.
    """

    pieces: tuple[str, ...] = field(default=("Fine.",), converter=_pieces)
    finish_reason: str = field(default="stop", kw_only=True)
    usage: Usage | None = field(default=Usage(3, 2), kw_only=True)
    thinking: str = field(default="", kw_only=True)
    refusal: str = field(default="", kw_only=True)
    tool_calls: tuple[tuple[str, Mapping[str, Any]], ...] = field(default=(), kw_only=True)
    logprobs: tuple[TokenLogprob, ...] = field(default=(), kw_only=True)
    others: tuple[str, ...] = field(default=(), kw_only=True)
    ends: Literal["whole", "cut", "short", "stall"] = field(default="whole", kw_only=True)
    status: int = field(default=200, kw_only=True)
    words: str = field(default="", kw_only=True)
    retry_after: float | None = field(default=None, kw_only=True)
    location: str = field(default="", kw_only=True)
    body: bytes | None = field(default=None, kw_only=True)
    split: bool = field(default=False, kw_only=True)
    latency: float = field(default=0.0, kw_only=True)

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.pieces)


Script: TypeAlias = Answer | Callable[[str], Answer]
"""An answer, or a function from what was received, as text, to one."""


class Provider(ABC):
    """A provider that answers as the kit says.

    Make it speak your provider's protocol. It is made without arguments, and is a context manager: what it
    holds open ends with the block.
    """

    plays: ClassVar[frozenset[Play]] = frozenset()
    """What it can do beside plain answers, streams and silence."""
    key: str = KEY
    """The secret that its clients are given, if it takes one; it may be shown nowhere."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scripts: list[Script] = [Answer()]
        self.requests: list[str] = []
        """What was received, as text."""
        self.asked = threading.Event()
        """Whether something was received."""
        self.left = threading.Event()
        """Whether the client went away from a stalled answer."""

    @property
    @abstractmethod
    def arguments(self) -> Mapping[str, Any]:
        """Arguments of the backend that lead here."""

    @property
    def unreachable(self) -> Mapping[str, Any]:
        """Arguments that lead to an address where nobody answers, where it plays ``address``."""
        return self.arguments

    def play(self, *scripts: Script) -> None:
        """Answer with these in turn from now on, with the last one for ever."""
        with self._lock:
            self._scripts = list(scripts)
            self.requests.clear()
        self.asked.clear()
        self.left.clear()

    def answer_to(self, said: str) -> Answer:
        """Note what was received and return the answer to it."""
        with self._lock:
            self.requests.append(said)
            script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        self.asked.set()
        return script if isinstance(script, Answer) else script(said)

    def start(self) -> None:  # noqa: B027  most need nothing
        """Open what it needs."""

    def close(self) -> None:  # noqa: B027  the same
        """Close what it opened."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
