"""The log-probabilities of the tokens of an answer. Runs in the engine's thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import LogitsProcessor

from mellea.core import TokenLogprob
from mellea_hf.answer import Answer

__all__ = ["LogprobRecorder"]


class LogprobRecorder(LogitsProcessor):  # type: ignore[misc]  # transformers is not typed
    """Notes how likely each token was in the model's own scores.

    They are those before a schema or a temperature changes them, so it comes first among the
    processors. Tokens that end an answer are no part of its text, and are left out.

    Args:
        answers: The answers, one for each row.
        alternatives: How many of the likeliest tokens to keep at each place.
        vocabulary: llguidance's tokenizer, which knows the bytes of a token.
    """

    def __init__(self, answers: Sequence[Answer], alternatives: int, vocabulary: Any) -> None:
        self._answers = answers
        self._most = alternatives
        self._vocabulary = vocabulary
        self._known = torch.empty(0)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Keep what is known of the next token, and return the scores as they are."""
        self._known = torch.log_softmax(scores.float(), dim=-1)
        return scores

    def note(self, row: int, token: int) -> None:
        """Note which token came."""
        answer, known = self._answers[row], self._known[row]
        if token in answer.end_tokens:
            return
        likeliest = torch.topk(known, min(self._most, len(known)))
        others = zip(likeliest.indices.tolist(), likeliest.values.tolist(), strict=True)
        answer.logprobs.append(
            self._of(token, float(known[token]), [self._of(other, logprob) for other, logprob in others])
        )

    def _of(self, token: int, logprob: float, others: Sequence[TokenLogprob] = ()) -> TokenLogprob:
        said: bytes = self._vocabulary.decode_bytes([token])
        return TokenLogprob(said.decode(errors="replace"), logprob, said, tuple(others))
