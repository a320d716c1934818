"""Recording the calls of a real backend, and playing them again without it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mellea.composition._wrapper import BackendWrapper
from mellea.core.answer_json import (
    chunk_from_json,
    chunk_to_json,
    completion_from_json,
    completion_to_json,
)
from mellea.core.backend import Backend
from mellea.core.capabilities import Capabilities, Capability, SchemaDialect
from mellea.core.errors import MelleaError, ProviderError, UsageError
from mellea.core.message import Message
from mellea.core.options import OptionTable
from mellea.core.request import ChatRequest, CompletionRequest
from mellea.core.request_key import (
    chat_request,
    completion_request,
    count_request,
    without_secrets,
)
from mellea.core.response import Chunk, Completion
from mellea.testing.cassettes import COUNT, CassetteWriter, read_cassette
from mellea.testing.error_json import error_from_json, error_to_json

if TYPE_CHECKING:
    from mellea.core.formatter import ChatFormatter

__all__ = ["RecordingBackend", "ReplayBackend", "recorded"]

_PATIENCE = 10.0
"""Seconds for which a replay waits for its reader to go away, as the one of the recording did."""


class RecordingBackend(BackendWrapper):
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
        self._inner = inner
        self._told: dict[str, dict[str, Any]] = {
            "calls_tools": {},
            "draws_for_patterns": {},
            "whole_words": {},
        }
        self._writer = CassetteWriter(path)
        super().__init__(inner)
        self.model_options = inner.model_options
        vars(self).update(provider=inner.provider)  # a class variable, because hardly any has it by instance
        self._writer.describe(_describe(self, self._told))

    def _combined(self, declared: Sequence[Capabilities]) -> Capabilities:
        return super()._combined(declared) - {Capability.EMBEDDINGS}  # no vectors are kept

    def _take_over(self) -> None:
        super()._take_over()
        self._writer.describe(_describe(self, self._told))

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """Hand on the inner backend's chunks, and record them."""
        with self._record("chat", chat_request(request)) as outcome:
            kept = outcome["chunks"] = []
            async with self.chunks_of(self._inner, request) as chunks:
                async for chunk in chunks:
                    kept.append(chunk_to_json(chunk))
                    yield chunk

    async def complete(self, request: CompletionRequest) -> Sequence[Completion]:
        """Hand on the inner backend's completions, and record them."""
        with self._record("completion", completion_request(request)) as outcome:
            completions = await self.completions_of(self._inner, request)
            outcome["completions"] = [completion_to_json(completion) for completion in completions]
        return completions

    async def count_tokens(self, messages: Sequence[Message]) -> int | None:
        """Return what the inner backend counts, and record it."""
        with self._record(COUNT, count_request(self.model_id, messages)) as outcome:
            tokens = outcome["tokens"] = await self._inner.count_tokens(messages)
        return tokens

    async def calls_tools(self, choice: str, *, with_schema: bool) -> bool:
        """Tell what the inner backend tells, and record it."""
        can = await self._inner.calls_tools(choice, with_schema=with_schema)
        self._keep("calls_tools", {_tool_question(choice, with_schema): can})
        return can

    def draws_for_patterns(self, temperature: float, repetition_penalty: float) -> Mapping[str, Any]:
        """Return what the inner backend returns, and record it."""
        options = self._inner.draws_for_patterns(temperature, repetition_penalty)
        self._keep("draws_for_patterns", {_draws_question(temperature, repetition_penalty): dict(options)})
        return options

    async def whole_words(self, words: Collection[str]) -> Collection[str] | None:
        """Return what the inner backend returns, and record it."""
        whole = await self._inner.whole_words(words)
        if whole is not None:
            self._keep("whole_words", {word: word in whole for word in words})
        return whole

    async def aclose(self) -> None:
        """Write the file and close the inner backend."""
        try:
            self._writer.save()
        finally:
            await super().aclose()

    def _keep(self, question: str, answers: Mapping[str, Any]) -> None:
        """Keep what the inner backend says of itself."""
        self._told[question] |= answers
        self._writer.describe(_describe(self, self._told))

    @contextmanager
    def _record(self, kind: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Keep what comes of a call; one that is neither complete nor failed was given up by its reader."""
        number = self._writer.start(kind, request)
        outcome: dict[str, Any] = {}
        try:
            yield outcome
            outcome["complete"] = True
        except Exception as error:
            outcome["error"] = error_to_json(self._ours(error), self._inner)
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
        vars(self).update(
            provider=known["provider"],
            concurrent=bool(known.get("concurrent", True)),
            default_max_new_tokens=known.get("default_max_new_tokens"),
        )
        names = {capability.value for capability in Capability}
        self.capabilities = frozenset(
            Capability(name) for name in known.get("capabilities", ()) if name in names
        )
        names_of_options = map(str, known.get("options", ()))
        self.options = OptionTable(
            {name: name for name in names_of_options}, known.get("spellings", {}), native=None
        )
        self.plain_patterns = bool(known.get("plain_patterns"))
        if known.get("schema_dialect") in set(SchemaDialect):
            self.schema_dialect = SchemaDialect(known["schema_dialect"])
        self._told: Mapping[str, Mapping[str, Any]] = known.get("asked", {})

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

    async def calls_tools(self, choice: str, *, with_schema: bool) -> bool:
        """Return what the recorded backend told."""
        told = self._told.get("calls_tools", {}).get(_tool_question(choice, with_schema))
        return await super().calls_tools(choice, with_schema=with_schema) if told is None else bool(told)

    def draws_for_patterns(self, temperature: float, repetition_penalty: float) -> Mapping[str, Any]:
        """Return what the recorded backend returned."""
        told = self._told.get("draws_for_patterns", {}).get(_draws_question(temperature, repetition_penalty))
        return super().draws_for_patterns(temperature, repetition_penalty) if told is None else dict(told)

    async def whole_words(self, words: Collection[str]) -> Collection[str] | None:
        """Return what the recorded backend returned."""
        told = self._told.get("whole_words", {})
        return {word for word in words if told.get(word)} if told else None

    async def _end(self, call: Mapping[str, Any]) -> None:
        """End a call as it ended then."""
        if call.get("error") is not None:
            error = error_from_json(call["error"])
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


def _tool_question(choice: str, with_schema: bool) -> str:
    return f"{choice}, with a schema" if with_schema else choice


def _draws_question(temperature: float, repetition_penalty: float) -> str:
    return f"{temperature:g}, {repetition_penalty:g}"


def _describe(backend: Backend, told: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what a replay must know of a backend."""
    return {
        "provider": backend.provider,
        "model_id": backend.model_id,
        "capabilities": sorted(capability.value for capability in backend.capabilities),
        "concurrent": backend.concurrent,
        "strict_options": backend.strict_options,
        "options": sorted(backend.options.names),
        "spellings": dict(backend.options.spellings),
        "model_options": without_secrets(backend.model_options),
        "default_max_new_tokens": backend.default_max_new_tokens,
        "plain_patterns": backend.plain_patterns,
        "schema_dialect": backend.schema_dialect.value,
        "asked": {question: dict(answers) for question, answers in told.items() if answers},
    }
