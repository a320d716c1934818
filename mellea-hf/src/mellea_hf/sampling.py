"""Draws of the next token, with randomness of the call's own. Runs in the engine's thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
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

__all__ = ["DrawProcessor", "sampling_processors", "shaped"]

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
        probabilities = torch.softmax(scores, dim=-1)
        drawn = [_drawn(row, own) for row, own in zip(probabilities, self._generators, strict=True)]
        only = torch.full_like(scores, float("-inf"))
        return only.scatter_(1, torch.stack(drawn), 0.0)


def _drawn(probabilities: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return the token that ``torch.multinomial`` draws, of shape (1), in a third of its time on a CPU.

    It gives every token a wait, exponentially distributed, and takes the token with the greatest probability
    for its wait. The random numbers behind the waits are drawn for all tokens, so that seeds mean what they
    mean there; the waits, whose logarithms take the time, are computed where a probability is left.
    """
    if probabilities.device.type != "cpu":
        return torch.multinomial(probabilities, 1, generator=generator)
    possible = probabilities.nonzero()[:, 0]
    uniform = torch.empty(len(probabilities), dtype=torch.float64).uniform_(generator=generator)
    waits = -torch.log1p(-uniform[possible])
    speeds = probabilities[possible] / waits.to(probabilities.dtype)
    if not bool(speeds.max() > 0):  # which nothing is that is not a number
        raise RuntimeError("The scores of the next token are not numbers.")
    return possible[speeds.argmax(keepdim=True)]


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
