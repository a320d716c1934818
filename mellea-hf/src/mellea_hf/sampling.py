"""Draws of the next token, with randomness of the call's own. Runs in the engine's thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import LogitsProcessor
from transformers.generation.logits_process import (
    EpsilonLogitsWarper,
    EtaLogitsWarper,
    MinPLogitsWarper,
    TemperatureLogitsWarper,
    TopHLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
    TypicalLogitsWarper,
)

from mellea.core import UsageError
from mellea_hf.options import DecodingSettings

__all__ = ["DrawProcessor", "Race", "drawn", "race_of", "sampling_processors", "shaped"]

_LIKELY = 1e-6
"""The probability from which on a token is looked at first."""

# Each with the values for which it changes something; in the order in which transformers applies them.
_WARPERS: Mapping[str, tuple[Callable[[Any], Any], Callable[[float], bool]]] = {
    "temperature": (TemperatureLogitsWarper, lambda value: value != 1),
    "top_h": (TopHLogitsWarper, lambda value: value < 1),
    "top_k": (TopKLogitsWarper, lambda value: value > 0),
    "top_p": (TopPLogitsWarper, lambda value: value < 1),
    "min_p": (MinPLogitsWarper, lambda value: value > 0),
    "typical_p": (TypicalLogitsWarper, lambda value: value < 1),
    "epsilon_cutoff": (EpsilonLogitsWarper, lambda value: 0 < value < 1),
    "eta_cutoff": (EtaLogitsWarper, lambda value: 0 < value < 1),
}

_WIDENING = (TemperatureLogitsWarper, TopKLogitsWarper, MinPLogitsWarper)
"""Those that cut off no token because others are ruled out."""


class DrawProcessor(LogitsProcessor):  # type: ignore[misc]  # transformers is not typed
    """Draws a token for each row and leaves only its score, so that greedy search has to take it.

    transformers' own draws come from the process-wide generator. Here each row has one, seeded alike: what is
    drawn for a prompt depends on the prompt and the seed, not on what else is in the batch or runs in the
    process.

    Args:
        rows: Number of rows.
        seed: Seed of every row; None takes a seed for each from the operating system.
        device: Where the scores are.
    """

    def __init__(self, rows: int, seed: int | None, device: Any) -> None:
        self._generators = [torch.Generator(device) for _ in range(rows)]
        for generator in self._generators:
            if seed is None:
                generator.seed()
            else:
                generator.manual_seed(seed)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return scores in which one token of each row is possible."""
        tokens = [
            self._drawn(own, generator) for own, generator in zip(scores, self._generators, strict=True)
        ]
        only = torch.full_like(scores, float("-inf"))
        return only.scatter_(1, torch.tensor(tokens, device=scores.device)[:, None], 0.0)

    def token(self, scores: torch.Tensor) -> int:
        """Return the token drawn by scores of shape (vocabulary), for a draw of one row."""
        return self._drawn(scores, self._generators[0])

    def race(self, scores: torch.Tensor, kept: torch.Tensor) -> Race:
        """Return what draws on a CPU, for a draw of one row.

        Args:
            scores: Scores of shape (vocabulary).
            kept: The same, where those that are cut off are minus infinity.
        """
        return self._race(scores, self._generators[0], (kept > float("-inf")).numpy())

    def _drawn(self, scores: torch.Tensor, generator: torch.Generator) -> int:
        if scores.device.type != "cpu":
            return int(torch.multinomial(torch.softmax(scores, dim=-1), 1, generator=generator))
        first = self._race(scores, generator).first()
        if first is None:
            raise RuntimeError("The scores of the next token are not numbers.")
        return first

    def _race(self, scores: torch.Tensor, generator: torch.Generator, kept: Any = None) -> Race:
        chances = torch.empty(len(scores), dtype=torch.float64).uniform_(generator=generator)
        return Race(_probabilities(scores), chances.numpy(), kept)


def _probabilities(scores: torch.Tensor) -> NDArray[np.float32]:
    probabilities: NDArray[np.float32] = torch.softmax(scores, dim=-1).float().numpy()
    return probabilities


class Race:
    """What draws one token, and what it would have drawn where tokens are ruled out.

    ``torch.multinomial`` gives every token a wait, exponentially distributed, and takes the token with the
    greatest probability for its wait. So does this, and seeds mean what they mean there. The logarithms
    behind the waits take the time; they are computed where a probability can win. Ruling out tokens
    afterwards is the same as before, since it changes the probabilities of all others alike.

    Args:
        values: The probabilities, which it changes; scores of which the greatest wins, without chances.
        chances: For each token a number from 0 to below 1; None without chance.
        kept: Which tokens can be drawn at all; some others can where those are ruled out. None for all.
    """

    def __init__(
        self,
        values: NDArray[np.float32],
        chances: NDArray[np.float64] | None,
        kept: NDArray[np.bool_] | None = None,
    ) -> None:
        self._values, self._chances, self._kept = values, chances, kept

    def first(self) -> int | None:
        """Return the token that wins; None where none is possible, or it is not sure which does."""
        if self._chances is None:
            best = int(self._values.argmax())
            return best if self._values[best] > -np.inf else None
        least = float(self._chances.min())
        winner, speed = self._fastest(np.flatnonzero(self._values >= _LIKELY))
        if winner is None or speed * least <= _LIKELY:  # which a less likely one may beat
            winner, _ = self._fastest(np.flatnonzero(self._values > 0))
        return winner if winner is None or self._kept is None or self._kept[winner] else None

    def without(self, token: int) -> None:
        """Rule out a token."""
        self._values[token] = -np.inf

    def among(self, scores: torch.Tensor) -> int | None:
        """Return the token that wins by scores of shape (vocabulary) from which all others are cut off."""
        return Race(
            scores.numpy() if self._chances is None else _probabilities(scores), self._chances
        ).first()

    def _fastest(self, tokens: NDArray[np.intp]) -> tuple[int | None, float]:
        """Return which of some tokens has the greatest probability for its wait, with that."""
        if self._chances is None or not len(tokens):
            return None, 0.0
        waits = -np.log1p(-self._chances[tokens]).astype(np.float32)
        with np.errstate(divide="ignore"):  # a wait may be nothing
            speeds = self._values[tokens] / waits
        best = int(speeds.argmax())
        return int(tokens[best]), float(speeds[best])


def race_of(processors: Sequence[Any], ids: torch.Tensor, scores: torch.Tensor) -> Race | None:
    """Return what draws by scores of shape (1, vocabulary), before tokens are ruled out.

    ``top_k`` and ``min_p`` keep what they keep of all tokens when some of these are ruled out. None with
    other options, and off the CPU.
    """
    warpers = processors[:-1]
    if scores.device.type != "cpu" or not all(isinstance(each, _WIDENING) for each in warpers):
        return None
    if not processors:
        return Race(scores[0].to(torch.float32, copy=True).numpy(), None)
    heated = [each for each in warpers if isinstance(each, TemperatureLogitsWarper)]
    scores = shaped(heated, ids, scores)
    kept = shaped([each for each in warpers if each not in heated], ids, scores)
    race: Race = processors[-1].race(scores[0], kept[0])
    return race


def sampling_processors(settings: DecodingSettings, rows: int, device: Any) -> list[Any]:
    """Return the processors that draw as the settings say; none when the likeliest token is taken.

    Raises:
        UsageError: transformers refuses the value of an option.
    """
    processors: list[Any] = []
    if not settings.sampled:
        return processors
    for name, (make, matters) in _WARPERS.items():
        value = settings.warpers[name]
        if matters(value):
            try:
                processors.append(make(float(value) if name == "temperature" else value))
            except ValueError as error:
                raise UsageError(f"{name} cannot be {value!r}: {error}.", backend="hf") from error
    processors.append(DrawProcessor(rows, settings.seed, device))
    return processors


def shaped(processors: Sequence[Any], ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Return scores as processors leave them, one after the other.

    ``LogitsProcessorList`` does the same, and looks at the signature of each at each token.
    """
    for processor in processors:
        scores = processor(ids, scores)
    return scores


def drawn(processors: Sequence[Any], ids: torch.Tensor, scores: torch.Tensor) -> int:
    """Return the token that processors take by scores of shape (1, vocabulary): drawn, or the likeliest."""
    if processors and isinstance(processors[-1], DrawProcessor):
        return processors[-1].token(shaped(processors[:-1], ids, scores)[0])
    return int(shaped(processors, ids, scores)[0].argmax())
