"""What a provider answers, looked at before LiteLLM reads it.

LiteLLM's own clients leave out what they cannot read, take an error for the end of a stream, and the end mark
within a text for the end. Where LiteLLM takes a client of ours, its answers come through here.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from attrs import define

from mellea.core.errors import MalformedResponseError, MelleaError
from mellea.core.event_reader import DONE, Event, EventReader
from mellea.core.provider_errors import error_for_status
from mellea.core.provider_words import error_of_answer
from mellea.core.redaction import redacted

__all__ = ["Told", "WireCheck", "of_this_call"]

_STREAMS = re.compile(rb'(?<!\\)"stream"\s*:\s*true')
_MISREAD = re.compile(rb"\[DONE\]|\xe2\x80[\xa8\xa9]|\xc2\x85|[\x0b\x0c\x1c-\x1e\r\n]")
"""What LiteLLM takes for the end of a stream, or of a line, wherever it stands."""


@define
class Told:
    """What a call has brought beside what LiteLLM makes of it.

    Args:
        error: The error that counts, whatever LiteLLM raises or leaves out.
        streams: Whether the request, as it was sent, asks for a stream.
        is_done: Whether the provider said that the stream is over.
    """

    error: MelleaError | None = None
    streams: bool = False
    is_done: bool = False

    def instead_of(self, error: Exception) -> MelleaError | None:
        """Return the error that counts in place of one that LiteLLM raises, if there is another one."""
        return None if self.error is error else self.error


of_this_call: ContextVar[Told | None] = ContextVar("of_this_call", default=None)
"""What the call at hand is told."""


class WireCheck:
    """Looks at the answers to one backend's requests: a hook for the responses of an HTTP client.

    Args:
        model_id: The model asked.
        secrets: Returns what errors may not show.
    """

    def __init__(self, model_id: str, secrets: Callable[[], tuple[str | None, ...]]) -> None:
        self._model_id = model_id
        self._secrets = secrets

    async def __call__(self, response: Any) -> None:
        """Refuse a whole answer that is an error or none; let a stream be looked at as it comes.

        Args:
            response: A response of ``httpx`` or ``httpx2``.

        Raises:
            ProviderError: It is an error of the provider's.
            MalformedResponseError: It is no JSON.
        """
        told = of_this_call.get()
        if told is None:
            return
        path = response.request.url.path
        with suppress(RuntimeError):  # of a request that was sent again, after a redirect, nothing is kept
            told.streams = "stream" in path.lower() or bool(_STREAMS.search(response.request.content))
        if not response.is_success:
            return
        is_chat = "/completions" in path
        if told.streams:
            reader = EventReader(
                self._malformed,
                backend="litellm",
                model_id=self._model_id,
                secrets=self._secrets(),
                is_chat=is_chat,
            )
            read = response.aiter_bytes
            response.aiter_bytes = lambda *args, **kwargs: _CheckedBytes(
                read(*args, **kwargs), reader, told, self
            )
        elif is_chat or b'"error"' in await response.aread():
            told.error = self._wrong_in(await response.aread())
            if told.error is not None:
                raise told.error

    def _wrong_in(self, answer: bytes) -> MelleaError | None:
        try:
            self.refuse(json.loads(answer))
        except MelleaError as error:
            return error
        except (ValueError, RecursionError):
            return self._malformed(answer.decode("utf-8", "replace"))
        return None

    def refuse(self, value: Any) -> None:
        """Raise what a value says if it is an error, or cannot be a part of an answer."""
        error = error_of_answer(value)
        if error is not None:
            raise error_for_status(
                None, error, backend="litellm", model_id=self._model_id, secrets=self._secrets()
            )
        if not isinstance(value, Mapping):
            raise self._malformed(value)

    def clean(self, event: Event) -> bytes:
        """Return an event as LiteLLM reads it rightly."""
        if event.value is DONE:
            return b"data: [DONE]\n\n"
        for value in event.value if event.value and isinstance(event.value, list) else (event.value,):
            self.refuse(value)
        is_mended = isinstance(event.value, dict) and self._mend(event.value)
        data = event.data
        if is_mended or _MISREAD.search(data):
            data = json.dumps(event.value).replace(DONE, f"\\u005b{DONE[1:]}").encode()
        if event.is_bare:
            return data + b"\n"
        name = f"event: {event.name}\n".encode() if event.name else b""
        return b"%sdata: %s\n\n" % (name, data)

    def _mend(self, value: dict[str, Any]) -> bool:
        """Let nothing stand for no choices and for no piece; tell whether there was something to do."""
        if "choices" not in value:
            return False
        is_mended = value["choices"] is None
        choices = [] if is_mended else value["choices"]
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise self._malformed(value)
        value["choices"] = choices
        for choice in choices:
            if "delta" in choice and choice["delta"] is None:
                choice["delta"], is_mended = {}, True
            if not isinstance(choice.get("delta", {}), dict):
                raise self._malformed(value)
        return is_mended

    def _malformed(self, data: Any) -> MelleaError:
        said = " ".join(redacted(str(data), self._secrets())[:200].split())
        return MalformedResponseError(
            f"The provider of {self._model_id!r} sent no valid answer: {said or 'nothing'}.",
            hint="Check that base_url leads to the provider that the model id names.",
            backend="litellm",
            model_id=self._model_id,
        )


class _CheckedBytes:
    """The bytes of a stream without what LiteLLM could not read; an error in it is raised where it stands."""

    def __init__(
        self, pieces: AsyncIterator[bytes], reader: EventReader, told: Told, check: WireCheck
    ) -> None:
        self._pieces = pieces
        self._reader = reader
        self._told = told
        self._check = check
        self._is_over = False

    def __aiter__(self) -> _CheckedBytes:
        return self

    async def __anext__(self) -> bytes:
        while self._told.error is None and not self._is_over:
            piece = await anext(self._pieces, None)
            self._is_over = piece is None
            if events := self._cleaned(piece):
                return events
        if self._told.error is not None:
            raise self._told.error
        raise StopAsyncIteration

    def _cleaned(self, piece: bytes | None) -> bytes:
        """Return the events that a piece, or the end, completes, up to one that is an error."""
        events = []
        try:
            for event in self._reader.rest() if piece is None else self._reader.feed(piece):
                if self._reader.done:
                    self._told.is_done = True
                    self._reader.check()
                events.append(self._check.clean(event))
            if self._is_over:
                self._reader.check()
        except MelleaError as error:
            self._told.error = error
        return b"".join(events)
