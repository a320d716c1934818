"""One answer in the making: tokens go in, text comes out, and why it ended is kept."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tokenizers.decoders import DecodeStream

from mellea.core import TokenLogprob
from mellea_hf.stops import StopScanner

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from mellea_hf.vocabulary_scores import VocabularyScores

__all__ = ["Answer"]

_CONTEXT = 8
"""Tokens of a raw prompt that the decoder sees, so that a continuation keeps its leading space."""


class Answer:
    """The answer to one prompt.

    Args:
        tokenizer: Turns tokens into text.
        end_tokens: Tokens that end an answer.
        stops: Strings that end an answer and are no part of it.
        continued: The prompt's tokens, when the answer continues its text.
        emit: Called with each piece of text as soon as it is certain.
        marks: Control tokens that are kept in the text, which others are not.
        opening: What the text begins with, since the prompt has it at its end.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        end_tokens: Collection[int],
        stops: Sequence[str] = (),
        continued: Sequence[int] = (),
        emit: Callable[[str], None] | None = None,
        marks: Mapping[int, str] | None = None,
        opening: str = "",
    ) -> None:
        self._tokenizer = tokenizer
        self.end_tokens = end_tokens
        self._context = list(continued[-_CONTEXT:])
        self._stream = DecodeStream(self._context, skip_special_tokens=True)
        self._scanner = StopScanner(stops)
        self._emit = emit
        self._decoded = 0
        self._pieces: list[str] = []
        self.tokens: list[int] = []
        self.logprobs: list[TokenLogprob] = []
        self.scores: VocabularyScores | None = None
        self.finish_reason: str | None = None
        self.cached_tokens = 0
        """Tokens of its prompt that were not computed again."""
        self._marks = marks or {}
        self._show(opening)

    @property
    def known(self) -> dict[str, Any]:
        """What is known of the answer besides its text, as parts of a chunk."""
        scores = self.scores
        return {
            "finish_reason": self.finish_reason,
            "logprobs": tuple(self.logprobs),
            "logits": scores and scores.logits,
            "raw_logits": scores and scores.raw_logits,
        }

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._pieces)

    def push(self, token: int) -> bool:
        """Take the next token and tell whether it was the last."""
        self.tokens.append(token)
        if token in self.end_tokens:
            self.finish("stop")
        elif token in self._marks:
            self._show(self._scanner.push(self._marks[token]))
        elif piece := self._stream.step(self._tokenizer, token):
            self._decoded += len(piece)
            self._show(self._scanner.push(piece))
            if self._scanner.stopped:
                self.finish_reason = "stop"
        return self.finish_reason is not None

    def finish(self, reason: str) -> None:
        """End the answer, unless it has ended: show what was held back."""
        if self.finish_reason is None:
            self._show(self._scanner.push(self._pending_text()))
            self._show(self._scanner.finish())
            self.finish_reason = "stop" if self._scanner.stopped else reason

    def _pending_text(self) -> str:
        """Return the text of the last tokens that make no whole character."""
        tokens = [token for token in self.tokens if token not in self.end_tokens]
        before = self._tokenizer.decode(self._context, skip_special_tokens=True)
        return self._tokenizer.decode(self._context + tokens, skip_special_tokens=True)[
            len(before) + self._decoded :
        ]

    def _show(self, text: str) -> None:
        if text:
            self._pieces.append(text)
            if self._emit is not None:
                self._emit(text)
