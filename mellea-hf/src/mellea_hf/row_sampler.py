"""How one row takes its next token from the model's scores. Runs in the engine's thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from mellea_hf.generation_config import config_processors
from mellea_hf.homeward import draw_homeward, draw_steered
from mellea_hf.logprobs import LogprobRecorder
from mellea_hf.model import LoadedModel
from mellea_hf.row import Row
from mellea_hf.sampling import drawn, sampling_processors, shaped
from mellea_hf.vocabulary_scores import VocabularyScores

__all__ = ["RowSampler", "row_sampler"]


class RowSampler:
    """Takes the next token of one row.

    Args:
        row: The row.
        shapers: What changes the scores, one after the other, before a token is drawn.
        draw: What then leaves one token that is possible; where it is empty, the likeliest is taken.
        recorder: Notes how likely it was.
        device: Where the scores are.
    """

    def __init__(
        self,
        row: Row,
        shapers: Sequence[Any],
        draw: Sequence[Any],
        recorder: LogprobRecorder | None,
        device: Any,
    ) -> None:
        self._row = row
        self._shapers = shapers
        self._draw = draw
        self._recorder = recorder
        self._tokens = row.answer.tokens
        self._start = self._length = len(row.prompt)
        self._ids = torch.tensor([*row.prompt, *[0] * len(row.prompt)], device=device)[None]

    def __call__(self, scores: torch.Tensor) -> int:
        """Return the token that comes next, by scores of shape (vocabulary)."""
        ids, scores = self._history(), scores[None]
        if self._recorder is not None:
            self._recorder(ids, scores)
        kept = self._row.answer.scores
        if kept is not None:
            kept.note_raw(scores[0])
        scores, row = shaped(self._shapers, ids, scores), self._row
        if row.steered is not None:
            token, tokens, values = draw_steered(self._draw, ids, scores[0], row.steered)
            if kept is not None:
                scores.fill_(float("-inf"))[0, tokens] = values
        elif row.constraint is not None:
            if kept is not None:
                row.constraint.apply(scores[0])
            token = draw_homeward(self._draw, ids, scores, row.constraint, row.tokens_left - 1)
        else:
            token = drawn(self._draw, ids, scores)
        if self._recorder is not None:
            self._recorder.note(0, token)
        if kept is not None:
            kept.note(ids, scores, self._draw)
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
    shapers = config_processors(loaded, settings, row.prompt, request.limit)
    draw = sampling_processors(settings, 1, device)
    if settings.logits or settings.raw_logits:
        row.answer.scores = VocabularyScores(settings.logits, settings.raw_logits)
    is_held = row.constraint is not None or row.steered is not None
    if not settings.looks_at_scores and not shapers and not draw and not is_held:
        return None
    return RowSampler(row, shapers, draw, recorder, device)
