"""What a server streams: JSON values, as the data of server-sent events or line by line.

Bytes go in and events come out, whichever library carries them. What is no event is not lost: a whole
answer, a page or an error in the place of a stream is told at its end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from mellea.core.errors import MelleaError
from mellea.core.provider_errors import error_for_status
from mellea.core.provider_words import error_of_answer

__all__ = ["DONE", "Event", "EventReader"]

DONE = "[DONE]"
"""The data of the event with which a stream of chat completions ends."""
_KEPT = 100_000
"""Bytes that are kept of what is no event."""
_OTHER_FIELDS = (b"id:", b"retry:", b":")


class Event(NamedTuple):
    """One event.

    Args:
        value: What its data says.
        data: Its data as it came.
        name: Its name; empty if it has none.
        is_bare: Whether it came as a line of its own, without the frame of a server-sent event.
    """

    value: Any
    data: bytes
    name: str = ""
    is_bare: bool = False


class EventReader:
    """Reads one stream.

    Args:
        malformed: Returns the error for what does not follow the protocol.
        backend: The backend's name, for errors.
        model_id: The model asked.
        secrets: What errors may not show.
        is_chat: Whether the stream is one of chat completions. Of others a line of JSON may be an event too,
            and what they must hold is unknown.
    """

    def __init__(
        self,
        malformed: Callable[[Any], MelleaError],
        *,
        backend: str,
        model_id: str,
        secrets: Iterable[str | None] = (),
        is_chat: bool = True,
    ) -> None:
        self._malformed = malformed
        self._where: dict[str, Any] = {"backend": backend, "model_id": model_id, "secrets": secrets}
        self._is_chat = is_chat
        self._begun: list[bytes] = []  # of a line that is not complete yet
        self._data: list[bytes] = []  # of an event that is not complete yet
        self._name = ""
        self._stray: list[bytes] = []
        self._room = _KEPT  # for what is no event
        self._events = 0
        self.done = False
        """Whether the server said that the events were all."""
        self.carries = False
        """Whether an event held a piece of an answer, or its end."""

    def feed(self, piece: bytes) -> Iterator[Event]:
        """Iterate over the events that a piece of the stream completes.

        Raises:
            ProviderError: An event is an error of the server's.
            MalformedResponseError: The data of an event is no JSON.
        """
        first, *others = piece.split(b"\n")
        self._begun.append(first)
        for following in others:
            line = b"".join(self._begun).rstrip(b"\r")
            self._begun = [following]
            event = self._event(line)
            if event is not None:
                yield event

    def rest(self) -> Iterator[Event]:
        """Iterate over the event that stands in the last line, if nothing ended it."""
        yield from self.feed(b"\n")
        if self._data and self._name == "error":
            self._read(is_whole=True)

    def check(self) -> None:
        """See to it that the stream, which is over, held an answer.

        Raises:
            ProviderError: There is an error of the server's in its place.
            MalformedResponseError: There is something else in its place, or an end mark alone.
        """
        if self.carries:
            return
        stray = b"\n".join(self._stray).decode("utf-8", "replace").strip()
        if stray:
            self._refuse_error(_json_or_text(stray))
            raise self._malformed(f"in the place of a stream, {stray}")
        if self.done or self._events:
            raise self._malformed("a stream without a piece of an answer")

    def _event(self, line: bytes) -> Event | None:
        """Return the event that a line completes: as a rule that of its data, which one line holds."""
        if not line:
            event = self._read(is_whole=True) if self._data else None
            self._name = ""
            return event
        if line.startswith(b"data:"):
            data = line[5:].strip()
            if not data:  # it only keeps the connection alive
                return None
            self._data.append(data)
            return self._read(is_whole=False) if len(self._data) == 1 else None
        if line.startswith(b"event:"):
            self._name = line[6:].decode("utf-8", "replace").strip()
        elif not line.startswith(_OTHER_FIELDS):
            return self._bare(line)
        return None

    def _read(self, *, is_whole: bool) -> Event | None:
        """Return the event if its data is all there, which only the line after it tells for certain."""
        data = b"\n".join(self._data)
        text = data.decode("utf-8", "replace")
        value = DONE if text.startswith(DONE) else _json_or_text(text)
        if value is text and not is_whole:
            return None
        self._data = []
        if self._name == "error" and value is not DONE:
            raise error_for_status(None, error_of_answer(value) or value, **self._where)
        if value is text:
            raise self._malformed(text)
        return self._counted(Event(value, data, self._name))

    def _bare(self, line: bytes) -> Event | None:
        """Return the event that a line of JSON is; among chat completions it can only be an error."""
        value = _json_or_text(line.decode("utf-8", "replace"))
        self._refuse_error(value)
        if isinstance(value, Mapping) and not self._is_chat:
            return self._counted(Event(value, line, is_bare=True))
        if self._room > 0:
            self._stray.append(line[:_KEPT])
            self._room -= len(line)
        return None

    def _counted(self, event: Event) -> Event:
        self._events += 1
        if event.value is DONE:
            self.done = True
        elif not self.carries and isinstance(event.value, Mapping):
            self.carries = bool(event.value.get("choices") if self._is_chat else event.value)
        return event

    def _refuse_error(self, value: Any) -> None:
        error = error_of_answer(value)
        if error is not None:
            raise error_for_status(None, error, **self._where)


def _json_or_text(text: str) -> Any:
    """Return what JSON says; the text itself, the same object, if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
