"""Reasoning parted from the answer, piece by piece."""

from __future__ import annotations

__all__ = ["ReasoningParser", "held_back"]

_END = "</think>"


class ReasoningParser:
    """Parts what a model says after its template opened the reasoning."""

    def __init__(self) -> None:
        self.ended = False
        self._held = ""
        self._begun = False  # whether the part at hand has more than white space

    def add(self, piece: str) -> tuple[str, str]:
        """Return what a piece adds to the reasoning and to the answer."""
        if self.ended:
            return "", self._begin(piece)
        thought, end, rest = (self._held + piece).partition(_END)
        if end:
            self.ended, self._held = True, ""
            thought, self._begun = self._begin(thought), False
            return thought, self._begin(rest)
        kept = held_back(thought, _END)
        self._held = thought[len(thought) - kept :]
        return self._begin(thought[: len(thought) - kept]), ""

    def rest(self) -> str:
        """Return what was held back as the possible start of an end that did not come."""
        held, self._held = self._held, ""
        return held

    def _begin(self, text: str) -> str:
        """Return the text without the white space that a part begins with."""
        shown = text if self._begun else text.lstrip()
        self._begun = self._begun or bool(shown)
        return shown


def held_back(text: str, mark: str) -> int:
    """Return how many characters at the end of a text may be the start of a mark."""
    return next(
        (size for size in range(min(len(mark) - 1, len(text)), 0, -1) if mark.startswith(text[-size:])), 0
    )
