"""A backend whose answers are kept, so that the same request is not paid for twice."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import threading
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from attrs import evolve

from mellea.composition._wrapper import BackendWrapper
from mellea.core.answer_json import (
    chunk_from_json,
    chunk_to_json,
    completion_from_json,
    completion_to_json,
)
from mellea.core.backend import Backend
from mellea.core.errors import UsageError
from mellea.core.request import ChatRequest, CompletionRequest, EmbeddingRequest
from mellea.core.request_key import draws_the_same, key_of, named_request
from mellea.core.response import Chunk, Completion, EmbeddingResponse, Usage

__all__ = ["CachedBackend", "cached"]

Answer = TypeVar("Answer", Chunk, Completion)

_ENTRIES = 10_000
_USE = "UPDATE answers SET used = (SELECT MAX(used) + 1 FROM answers) WHERE key = ? RETURNING value"
_KEEP = "INSERT OR REPLACE INTO answers VALUES (?, (SELECT IFNULL(MAX(used), 0) + 1 FROM answers), ?)"
_DROP = "DELETE FROM answers WHERE key IN (SELECT key FROM answers ORDER BY used DESC LIMIT -1 OFFSET ?)"


class CachedBackend(BackendWrapper):
    """Gives the answers that it has, and asks for the others. See ``cached``."""

    def __init__(
        self, backend: Backend, path: str | os.PathLike[str] | None = None, *, max_entries: int = _ENTRIES
    ) -> None:
        if isinstance(max_entries, bool) or not isinstance(max_entries, int) or max_entries < 1:
            raise UsageError(f"max_entries is {max_entries!r}.", hint="Pass a number from 1 on.")
        super().__init__(backend)
        vars(self).update(provider=backend.provider)
        self._backend = backend
        self._store: _Store = _Memory(max_entries) if path is None else _File(Path(path), max_entries)
        self._asked: Counter[str] = Counter()
        self.hits = 0
        """How many requests were answered from what is kept."""
        self.misses = 0
        """How many were not."""

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """Give the chunks that are kept, or hand on the backend's and keep them once they are complete."""
        key = self._key(request)
        kept = await asyncio.to_thread(self._store.get, key)
        if kept is not None:
            self.hits += 1
            for chunk in kept:
                yield _unpaid(chunk_from_json(chunk))
            return
        self.misses += 1
        new = []
        async with self.chunks_of(self._backend, request) as chunks:
            async for chunk in chunks:
                new.append(chunk_to_json(chunk))
                yield chunk
        await asyncio.to_thread(self._store.put, key, new)

    async def complete(self, request: CompletionRequest) -> Sequence[Completion]:
        """Return the completions that are kept, or the backend's."""
        key = self._key(request)
        kept = await asyncio.to_thread(self._store.get, key)
        if kept is not None:
            self.hits += 1
            return [_unpaid(completion_from_json(completion)) for completion in kept]
        self.misses += 1
        completions = await self.completions_of(self._backend, request)
        await asyncio.to_thread(self._store.put, key, [completion_to_json(each) for each in completions])
        return completions

    async def embed_texts(self, request: EmbeddingRequest) -> EmbeddingResponse:
        """Return the backend's vectors, which are not kept: an index of documents keeps its own."""
        return await self.vectors_of(self._backend, request)

    def _key(self, request: ChatRequest | CompletionRequest) -> str:
        """Return what names a request, and which sample of it is wanted."""
        named = named_request(self._backend, request)
        key = key_of(named)
        if draws_the_same(named):
            return f"{key}:0"
        self._asked[key] += 1
        return f"{key}:{self._asked[key] - 1}"

    async def aclose(self) -> None:
        """Close the file and the backend."""
        try:
            await super().aclose()
        finally:
            self._store.close()


def _unpaid(answer: Answer) -> Answer:
    """Return an answer that is kept as one that took no tokens."""
    return answer if answer.usage is None else evolve(answer, usage=Usage(0, 0))


class _Store(Protocol):
    """Keeps JSON values by key."""

    def get(self, key: str) -> list[Any] | None: ...

    def put(self, key: str, value: list[Any]) -> None: ...

    def close(self) -> None: ...


class _Memory:
    """Keeps the answers that were used last."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[str, list[Any]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> list[Any] | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: str, value: list[Any]) -> None:
        with self._lock:
            self._kept[key] = value
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)

    def close(self) -> None:
        pass


class _File:
    """Keeps answers in a SQLite file, which several processes may share."""

    def __init__(self, path: Path, size: int) -> None:
        self._size = size
        self._lock = threading.Lock()
        try:
            self._file = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
            self._file.execute("PRAGMA journal_mode=WAL")
            self._file.execute("PRAGMA synchronous=NORMAL")
            self._file.execute(
                "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, used INTEGER, value TEXT)"
            )
            self._file.execute("CREATE INDEX IF NOT EXISTS by_use ON answers (used)")
        except sqlite3.Error as error:
            raise UsageError(
                f"{path} is no file to keep answers in: {error}.",
                hint="Name a file that does not exist yet, in a folder that does.",
            ) from error

    def get(self, key: str) -> list[Any] | None:
        with self._lock:
            found = self._file.execute(_USE, (key,)).fetchall()
        kept: list[Any] | None = json.loads(found[0][0]) if found else None
        return kept

    def put(self, key: str, value: list[Any]) -> None:
        with self._lock:
            self._file.execute(_KEEP, (key, json.dumps(value)))
            self._file.execute(_DROP, (self._size,))

    def close(self) -> None:
        with self._lock:
            self._file.close()


def cached(
    backend: Backend, path: str | os.PathLike[str] | None = None, *, max_entries: int = _ENTRIES
) -> CachedBackend:
    """Return a backend whose answers are kept, so that the same request is not paid for twice.

    A request is the same if its messages, options, schema, tools, model and address are. One that draws the
    same each time (a seed, or a temperature of 0) always gets the same answer. The others get as many answers
    as they were asked for: the second time that a program asks, it draws anew, and gets that same second
    answer when it runs again. Only complete answers are kept,
    without the provider's raw values, and one that is given again took no tokens.
    By name: ``start_session(backend="cached:openai", path="answers.db")``.

    Args:
        backend: The backend.
        path: A SQLite file that outlives the process; by default the process's memory.
        max_entries: How many answers are kept, those used last.

    Raises:
        UsageError: The file is none to keep answers in, or the number is below one.
    """
    return CachedBackend(backend, path, max_entries=max_entries)
