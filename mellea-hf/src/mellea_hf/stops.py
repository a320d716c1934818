"""Stop strings on text that arrives in pieces."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["StopScanner"]


class StopScanner:
    """Lets text through up to the first stop string, whatever the pieces it comes in.

    The first stop string is the one that is complete first; of several that end there, the longest. A suffix
    that may begin a stop string is held back until more text decides.

    Args:
        stops: The stop strings, none of them empty.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._longest = max(map(len, stops), default=0)
        self._held = ""
        self.stopped = False
        """Whether a stop string was found; nothing goes through after it."""

    def push(self, text: str) -> str:
        """Take the next piece and return what may be shown now."""
        if not self._stops:
            return text
        if self.stopped:
            return ""
        text = self._held + text
        found = [(start + len(stop), start) for stop in self._stops if (start := text.find(stop)) >= 0]
        if found:
            self.stopped, self._held = True, ""
            return text[: min(found)[1]]
        shown = len(text) - self._length_undecided(text)
        self._held = text[shown:]
        return text[:shown]

    def finish(self) -> str:
        """Return what was held back, when the text ends without a stop string."""
        held, self._held = self._held, ""
        return held

    def _length_undecided(self, text: str) -> int:
        """Return the length of the longest suffix that begins a stop string."""
        for length in range(min(self._longest - 1, len(text)), 0, -1):
            suffix = text[-length:]
            if any(stop.startswith(suffix) for stop in self._stops):
                return length
        return 0
