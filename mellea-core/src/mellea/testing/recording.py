"""Recording the calls of a real backend, and playing them again without it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve

from mellea.core import errors
from mellea.core._chunk_stream import answer_of, chunks_of
from mellea.core.answer_json import (
    chunk_from_json,
    chunk_to_json,
    completion_from_json,
    completion_to_json,
)
from mellea.core.backend import Backend
from mellea.core.capabilities import Capability
from mellea.core.errors import MelleaError, ProviderError, UsageError
from mellea.core.message import Message
from mellea.core.options import OptionTable, translate_options
from mellea.core.request import ChatRequest, CompletionRequest
from mellea.core.request_key import (
    chat_request,
    completion_request,
    count_request,
    without_secrets,
    without_secrets_in_text,
)
from mellea.core.response import Chunk, Completion
from mellea.testing.cassettes import COUNT, CassetteWriter, read_cassette

if TYPE_CHECKING:
    from mellea.core.formatter import ChatFormatter

__all__ = ["RecordingBackend", "ReplayBackend", "recorded"]

_PATIENCE = 10.0
"""Seconds for which a replay waits for its reader to go away, as the one of the recording did."""
_ERROR_FIELDS = ("backend", "model_id", "status", "retry_after", "missing")


class RecordingBackend(Backend):
    """Stands in for a backend and writes every call into a JSON file, from which ``ReplayBackend`` plays it.

    Options are recorded under their common names, keys and other secrets not at all. The provider's own raw
    values are not kept.

    Args:
        inner: The backend that answers; it is closed together with this one.
        path: The file. An older one is replaced when the first call has ended.

    Raises:
        UsageError: The folder does not exist, or the path is one.
    """

    def __init__(self, inner: Backend, path: str | os.PathLike[str]) -> None:
        super().__init__(
            inner.model_id, model_options=inner.model_options, strict_options=inner.strict_options
        )
        # What callers see of the inner one; class variables, because hardly any backend has them by instance
        vars(self).update(provider=inner.provider, concurrent=inner.concurrent)
        self.capabilities = inner.capabilities - {Capability.EMBEDDINGS}  # no vectors are kept
        self.options = _common_names(inner.options.names, inner.options.spellings)
        self._inner = inner
        self._reported_below: set[str] = set()
        self._writer = CassetteWriter(path, _describe(inner))

    @property
    def formatter(self) -> ChatFormatter:
        """The inner backend's."""
        return self._inner.formatter

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """Hand on the inner backend's chunks, and record them."""
        native = evolve(request, options=self._native(request.options))
        with self._record("chat", chat_request(request)) as outcome:
            kept = outcome["chunks"] = []
            async with aclosing(chunks_of(self._inner, lambda: self._inner.stream_chat(native))) as chunks:
                async for chunk in chunks:
                    kept.append(chunk_to_json(chunk))
                    yield chunk

    async def complete(self, request: CompletionRequest) -> Sequence[Completion]:
        """Hand on the inner backend's completions, and record them."""
        native = evolve(request, options=self._native(request.options))
        with self._record("completion", completion_request(request)) as outcome:
            completions = await answer_of(self._inner, lambda: self._inner.complete(native))
            outcome["completions"] = [completion_to_json(completion) for completion in completions]
        return completions

    async def count_tokens(self, messages: Sequence[Message]) -> int | None:
        """Return what the inner backend counts, and record it."""
        with self._record(COUNT, count_request(self.model_id, messages)) as outcome:
            tokens = outcome["tokens"] = await self._inner.count_tokens(messages)
        return tokens

    def translate_error(self, error: Exception) -> MelleaError | None:
        """Return the inner backend's translation."""
        return self._inner.translate_error(error)

    async def aclose(self) -> None:
        """Write the file and close the inner backend."""
        try:
            self._writer.save()
        finally:
            await self._inner.aclose()

    def _native(self, options: Mapping[str, Any]) -> dict[str, Any]:
        return translate_options(
            options,
            self._inner.options,
            backend=self.provider,
            strict=self.strict_options,
            reported=self._reported_below,
        )

    @contextmanager
    def _record(self, kind: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Keep what comes of a call; one that is neither complete nor failed was given up by its reader."""
        number = self._writer.start(kind, request)
        outcome: dict[str, Any] = {}
        try:
            yield outcome
            outcome["complete"] = True
        except Exception as error:
            outcome["error"] = _error_to_json(self._ours(error), self._inner)
            raise
        finally:
            self._writer.end(number, outcome)

    def _ours(self, error: Exception) -> MelleaError:
        """Return the error that callers get for one of the inner backend."""
        if isinstance(error, MelleaError):
            return error
        return self.translate_error(error) or ProviderError(
            f"Backend {self.provider!r} failed: {type(error).__name__}: {error}.",
            backend=self.provider,
            model_id=self.model_id,
        )


class ReplayBackend(Backend):
    """Plays the calls of a recorded session, without network or model.

    Equal requests get the recorded answers in the order in which they were sent, streams in the same pieces,
    errors where they came. A request that was not recorded is an error that shows the nearest one.

    Args:
        path: The file that ``RecordingBackend`` wrote.
        formatter: The formatter of the recorded backend, if it was not the one that every backend has.

    Raises:
        UsageError: There is no such file, it is no cassette, or one of another version of the format.
    """

    def __init__(self, path: str | os.PathLike[str], *, formatter: ChatFormatter | None = None) -> None:
        self._cassette = read_cassette(path)
        known = self._cassette.backend
        super().__init__(
            known["model_id"],
            formatter,
            model_options=known.get("model_options"),
            strict_options=bool(known.get("strict_options")),
        )
        vars(self).update(provider=known["provider"], concurrent=bool(known.get("concurrent", True)))
        names = {capability.value for capability in Capability}
        self.capabilities = frozenset(
            Capability(name) for name in known.get("capabilities", ()) if name in names
        )
        self.options = _common_names(known.get("options", ()), known.get("spellings", {}))

    @property
    def remaining(self) -> int:
        """How many recorded calls were not asked for yet.

        0 says that the program did all that it did then.
        """
        return self._cassette.remaining

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """Give the recorded chunks."""
        call = self._cassette.next("chat", chat_request(request))
        for chunk in call.get("chunks", ()):
            yield chunk_from_json(chunk)
            await asyncio.sleep(0)
        await self._end(call)

    async def complete(self, request: CompletionRequest) -> Sequence[Completion]:
        """Give the recorded completions."""
        call = self._cassette.next("completion", completion_request(request))
        await self._end(call)
        return [completion_from_json(completion) for completion in call.get("completions", ())]

    async def count_tokens(self, messages: Sequence[Message]) -> int | None:
        """Return the recorded count."""
        request = count_request(self.model_id, messages)
        call = self._cassette.find_repeat(COUNT, request) or self._cassette.next(COUNT, request)
        await self._end(call)
        tokens: int | None = call.get("tokens")
        return tokens

    async def _end(self, call: Mapping[str, Any]) -> None:
        """End a call as it ended then."""
        if call.get("error") is not None:
            error = _error_from_json(call["error"])
            error.tries = 1  # what came of more of them is what was recorded
            raise error
        if not call.get("complete"):
            await asyncio.sleep(_PATIENCE)
            raise UsageError(
                f"{self._cassette.name} holds this answer only in part, because its reader went away "
                "when it was recorded.",
                hint="Record it again, and read the answer to its end.",
            )


def recorded(
    path: str | os.PathLike[str], open_backend: Callable[[], Backend], *, again: bool = False
) -> Backend:
    """Return a backend that plays a cassette if there is one, and otherwise records it.

    Args:
        path: The file.
        open_backend: Makes the real backend; called only to record.
        again: Whether to record even if there is a cassette.

    Raises:
        UsageError: The cassette cannot be read, or none can be written there.
    """
    return RecordingBackend(open_backend(), path) if again or not Path(path).exists() else ReplayBackend(path)


def _common_names(names: Any, spellings: Any) -> OptionTable:
    """Return a table that keeps the common names, so that a recording does not depend on the provider's."""
    return OptionTable({str(name): str(name) for name in names}, dict(spellings), native=None)


def _describe(backend: Backend) -> dict[str, Any]:
    return {
        "provider": backend.provider,
        "model_id": backend.model_id,
        "capabilities": sorted(capability.value for capability in backend.capabilities),
        "concurrent": backend.concurrent,
        "strict_options": backend.strict_options,
        "options": sorted(backend.options.names),
        "spellings": dict(backend.options.spellings),
        "model_options": without_secrets(backend.model_options),
    }


def _error_to_json(error: MelleaError, holder: Backend) -> dict[str, Any]:
    about = {key: value for key in _ERROR_FIELDS if (value := getattr(error, key, None)) is not None}
    hint = {"hint": without_secrets_in_text(error.hint, holder)} if error.hint else {}
    return {
        "type": type(error).__name__,
        "message": without_secrets_in_text(error.message, holder),
        **hint,
        **about,
    }


def _error_from_json(kept: Mapping[str, Any]) -> MelleaError:
    """Return the error that was recorded; of a class that is not known here, a plain provider's error."""
    kind = getattr(errors, str(kept.get("type")), None)
    if not isinstance(kind, type) or not issubclass(kind, MelleaError):
        kind = ProviderError
    known = {key: kept[key] for key in ("hint", *_ERROR_FIELDS) if key in kept}
    if not issubclass(kind, errors.CapabilityError):
        known.pop("missing", None)
    return kind(str(kept.get("message", "")), **known)
