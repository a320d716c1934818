"""Scoring: how likely given continuations are to a model, without writing any of them. An optional contract.

A backend that can score is a ``ScoringAPI`` too; ``score`` asks it, and refuses any other before anything
is sent.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from mellea.core.adapter import adapter_of
from mellea.core.errors import UsageError
from mellea.core.message import Message
from mellea.core.model_api import ModelAPI
from mellea.core.optional_contracts import missing_contract, translated_errors
from mellea.core.options import ModelOption

__all__ = ["Score", "ScoreRequest", "ScoringAPI", "score"]


@frozen
class ScoreRequest:
    """What may come, and what it comes after.

    Args:
        model_id: The model, as the provider names it.
        prefix: A conversation that the model is about to answer, or a plain text.
        continuations: The texts, none of them empty.
        options: Provider options, already translated.
        adapter: The adapter that scores; only for a backend that declares ``ADAPTERS``.
    """

    model_id: str
    prefix: tuple[Message, ...] | str
    continuations: tuple[str, ...]
    options: Mapping[str, Any] = field(factory=dict)
    adapter: str | None = None


@frozen
class Score:
    """How likely one continuation is.

    Args:
        text: The continuation.
        logprobs: The natural logarithm of the probability of each of its tokens after those before it.
    """

    text: str
    logprobs: tuple[float, ...]

    @property
    def logprob(self) -> float:
        """The logarithm of the probability that the model's answer begins with it."""
        return sum(self.logprobs)


class ScoringAPI(ABC):
    """What a backend is besides, if it can score."""

    @abstractmethod
    async def score(self, request: ScoreRequest) -> Sequence[Score]:
        """Return a score for each continuation, in their order."""


async def score(
    backend: ModelAPI,
    prefix: Sequence[Message] | str,
    continuations: Sequence[str],
    *,
    adapter: str | None = None,
    **options: Any,
) -> Sequence[Score]:
    """Return how likely continuations of a prefix are to a model.

    Args:
        backend: The model.
        prefix: A conversation that the model is about to answer, or a plain text.
        continuations: What may come.
        adapter: The adapter that scores; None for the model alone.
        options: Options of the provider, such as variables of a chat template.

    Raises:
        CapabilityError: The backend cannot score.
        UsageError: A continuation is empty, or there is no such adapter.
        MelleaError: The backend failed.
    """
    if not isinstance(backend, ScoringAPI):
        raise missing_contract(backend, ScoringAPI, "score", "nothing was sent")
    if not all(continuations):
        raise UsageError("An empty text continues nothing.", hint="Leave it out.", backend=backend.provider)
    asked = prefix if isinstance(prefix, str) else tuple(prefix)
    named = adapter_of(backend, {ModelOption.ADAPTER: adapter})
    request = ScoreRequest(backend.model_id, asked, tuple(continuations), options, named)
    with translated_errors(backend):
        return await backend.score(request)
