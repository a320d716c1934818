"""Where the requests of a block go through: what may answer them from what it has, and keep what they get.

It stands between whoever asks a backend and the backend, whichever that is, so that it sees the requests of
judges, of lanes and of sessions that a program opens itself. Embeddings do not go through it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Protocol

from mellea.core.setting import Setting

if TYPE_CHECKING:
    from mellea.core.model_api import ModelAPI
    from mellea.core.request import ChatRequest, CompletionRequest
    from mellea.core.response import Chunk, Completion

__all__ = ["Journal", "asking_chat", "asking_completions", "journalled"]


class Journal(Protocol):
    """What requests go through. Each of its answers is to one request; asked again, it tries that again."""

    def asking_chat(self, backend: ModelAPI, request: ChatRequest, /) -> Callable[[], AsyncIterator[Chunk]]:
        """Return what gives the chunks of an answer."""
        ...

    def asking_completions(
        self, backend: ModelAPI, request: CompletionRequest, /
    ) -> Callable[[], Awaitable[Sequence[Completion]]]:
        """Return what gives completions."""
        ...


_journal: ContextVar[Journal | None] = ContextVar("mellea_journal", default=None)


def journalled(journal: Journal) -> AbstractContextManager[None]:
    """Let the requests of a block, and of what is started in it, go through a journal."""
    return Setting(_journal, journal)


def asking_chat(backend: ModelAPI, request: ChatRequest) -> Callable[[], AsyncIterator[Chunk]]:
    """Return what gives the chunks of an answer: the backend, or the journal in front of it."""
    journal = _journal.get()
    return partial(backend.stream_chat, request) if journal is None else journal.asking_chat(backend, request)


def asking_completions(
    backend: ModelAPI, request: CompletionRequest
) -> Callable[[], Awaitable[Sequence[Completion]]]:
    """Return what gives completions: the backend, or the journal in front of it."""
    journal = _journal.get()
    if journal is None:
        return partial(backend.complete, request)
    return journal.asking_completions(backend, request)
