"""How one row takes its next token from the model's scores. Runs in the engine's thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList

from mellea_hf.constraint import RowConstraint
from mellea_hf.generation_config import config_processors
from mellea_hf.logprobs import LogprobRecorder
from mellea_hf.model import LoadedModel
from mellea_hf.row import Row
from mellea_hf.sampling import sampling_processors

__all__ = ["RowSampler", "row_sampler"]


class _ConstraintProcessor(LogitsProcessor):  # type: ignore[misc]  # transformers is not typed
    """Rules out what a row's constraint does not allow."""

    def __init__(self, constraint: RowConstraint) -> None:
        self._constraint = constraint

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores with those of forbidden tokens at minus infinity."""
        self._constraint.apply(scores[0])
        return scores


class RowSampler:
    """Takes the next token of one row.

    Args:
        processors: What changes the scores, one after the other; the likeliest token of the outcome is taken.
        recorder: Notes how likely it was.
        prompt: The row's prompt.
        tokens: The tokens of its answer, which grow.
        device: Where the scores are.
    """

    def __init__(
        self,
        processors: Sequence[Any],
        recorder: LogprobRecorder | None,
        prompt: Sequence[int],
        tokens: Sequence[int],
        device: Any,
    ) -> None:
        self._processors = LogitsProcessorList(processors)
        self._recorder = recorder
        self._tokens = tokens
        self._start = self._length = len(prompt)
        self._ids = torch.tensor([*prompt, *[0] * len(prompt)], device=device)[None]

    def __call__(self, scores: torch.Tensor) -> int:
        """Return the token that comes next, by scores of shape (vocabulary)."""
        ids, scores = self._history(), scores[None]
        if self._recorder is not None:
            self._recorder(ids, scores)
        token = int(self._processors(ids, scores)[0].argmax())
        if self._recorder is not None:
            self._recorder.note(0, token)
        return token

    def _history(self) -> torch.Tensor:
        """Return the ids of all tokens so far."""
        length = self._start + len(self._tokens)
        while length > self._ids.shape[1]:
            self._ids = torch.cat([self._ids, torch.zeros_like(self._ids)], dim=1)
        if length > self._length:
            new = self._tokens[self._length - self._start :]
            self._ids[0, self._length : length] = torch.tensor(new, device=self._ids.device)
            self._length = length
        return self._ids[:, :length]


def row_sampler(loaded: LoadedModel, row: Row) -> RowSampler | None:
    """Return what takes a row's tokens; None where it is the likeliest by the model's own scores.

    Raises:
        UsageError: transformers refuses an option.
    """
    request = row.request
    settings, device = request.settings, loaded.model.device
    recorder = None
    if settings.logprobs is not None:
        recorder = LogprobRecorder([row.answer], settings.logprobs, request.vocabulary)
    processors = [
        *config_processors(loaded, settings, row.prompt, request.limit),
        *([_ConstraintProcessor(row.constraint)] if row.constraint is not None else ()),
        *sampling_processors(settings, 1, device),
    ]
    if recorder is None and not processors:
        return None
    return RowSampler(processors, recorder, row.prompt, row.answer.tokens, device)
