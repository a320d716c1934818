"""The scores of the whole vocabulary behind each token of an answer. Runs in the engine's thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from attrs import define, field

from mellea_hf.sampling import DrawProcessor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["VocabularyScores"]


@define(eq=False)
class VocabularyScores:
    """The scores of one answer, as the model gave them and as its tokens were drawn by them.

    Args:
        wants: Whether the processed ones are kept.
        wants_raw: Whether the model's own are kept.
    """

    wants: bool
    wants_raw: bool
    _processed: list[torch.Tensor] = field(factory=list, init=False)
    _raw: list[torch.Tensor] = field(factory=list, init=False)

    def note_raw(self, scores: torch.Tensor) -> None:
        """Keep the scores of the next token, of shape (vocabulary), before anything changes them."""
        if self.wants_raw:
            self._raw.append(scores.to("cpu", torch.float32, copy=True))

    def note(self, ids: torch.Tensor, scores: torch.Tensor, draw: Sequence[Any]) -> None:
        """Keep the scores, of shape (1, vocabulary), that a token was drawn by.

        Args:
            ids: The tokens before it.
            scores: The scores as masks and penalties left them.
            draw: What shapes them further, and the draw itself.
        """
        if not self.wants:
            return
        shaped = scores.clone()
        for processor in draw:
            if not isinstance(processor, DrawProcessor):
                shaped = processor(ids, shaped)
        self._processed.append(shaped[0].float().cpu())

    @property
    def logits(self) -> NDArray[np.float32] | None:
        """The processed scores, of shape (tokens, vocabulary); None where they were not wanted."""
        return torch.stack(self._processed).numpy() if self._processed else None

    @property
    def raw_logits(self) -> NDArray[np.float32] | None:
        """The model's own scores, of shape (tokens, vocabulary); None where they were not wanted."""
        return torch.stack(self._raw).numpy() if self._raw else None
