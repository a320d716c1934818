"""LoRA weights, and where in a pass they act. Runs in the engine's thread.

The model stays what it is: hooks on its linear layers add what the weights make of the tokens that they are
for, so that one pass computes rows of different adapters, and of none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count, groupby
from typing import Any, Protocol

import torch
from attrs import define, field, frozen

__all__ = ["LoraHooks", "LoraWeights", "Packed", "Padded", "Span", "spans_of"]

_serials = count(1)
_VOCABULARY = 2**32
"""More tokens than any model knows."""


@define(eq=False)
class LoraWeights:
    """The weights of one adapter.

    Args:
        name: The adapter's.
        pairs: By the name of a layer, what makes few numbers of its input, of shape (input, rank), and what
            makes its output of these, of shape (rank, output), scaled.
        invocation: The tokens from which it acts; empty for one that acts from the first token.
    """

    name: str
    pairs: Mapping[str, tuple[torch.Tensor, torch.Tensor]]
    invocation: tuple[int, ...] = ()
    serial: int = field(factory=lambda: next(_serials), init=False)

    def invoked(self, prompt: Sequence[int]) -> tuple[list[int], int]:
        """Return a prompt that holds the invocation, and the place from which the weights act.

        That is where the invocation stands last; where it stands nowhere, it ends the prompt.
        """
        length = len(self.invocation)
        if not length:
            return list(prompt), 0
        for start in range(len(prompt) - length, -1, -1):
            if tuple(prompt[start : start + length]) == self.invocation:
                return list(prompt), start
        return [*prompt, *self.invocation], len(prompt)

    def key(self, tokens: Sequence[int], start: int) -> Sequence[int]:
        """Return what names the keys and values of tokens: those before the weights act are anybody's."""
        if start >= len(tokens):
            return tokens
        mark = -1 - (self.serial * _VOCABULARY + tokens[start])
        return [*tokens[:start], mark, *tokens[start + 1 :]]


@frozen
class Span:
    """A stretch of a packed sequence on which weights act."""

    lora: LoraWeights
    start: int
    end: int


def spans_of(acting: Sequence[LoraWeights | None]) -> list[Span]:
    """Return the stretches of tokens on which weights act, given which act on each token."""
    spans, at = [], 0
    for lora, group in groupby(acting):
        end = at + sum(1 for _ in group)
        if lora is not None:
            spans.append(Span(lora, at, end))
        at = end
    return spans


class Acting(Protocol):
    """What acts in a pass."""

    @property
    def layers(self) -> set[str]:
        """The layers on which it acts."""
        ...

    def add(self, layer: str, given: torch.Tensor, output: torch.Tensor) -> None:
        """Add what weights make of a layer's input to its output."""
        ...


@frozen
class Packed:
    """Weights that act on stretches of a packed sequence.

    Args:
        tokens: How many tokens the sequence has.
        spans: The stretches.
        kept: The same for the tokens whose scores are wanted, which alone reach the last layer.
        whole: Whether to compute each on the whole sequence, whose shape is the same in every pass.
    """

    tokens: int
    spans: Sequence[Span]
    kept: Sequence[Span]
    whole: bool = False

    @property
    def layers(self) -> set[str]:
        """The layers on which any of them acts."""
        return {name for span in self.spans for name in span.lora.pairs}

    def add(self, layer: str, given: torch.Tensor, output: torch.Tensor) -> None:
        """Add what weights make of a layer's input to its output."""
        spans = self.spans if given.shape[-2] == self.tokens else self.kept
        for span in spans:
            pair = span.lora.pairs.get(layer)
            if pair is None:
                continue
            if self.whole:
                more = _made_of(given, pair)[..., span.start : span.end, :]
            else:
                more = _made_of(given[..., span.start : span.end, :], pair)
            output[..., span.start : span.end, :] += more.to(output.dtype)


@frozen
class Padded:
    """Weights that act on all rows of a padded batch, each from its own place on.

    Args:
        lora: The weights.
        lengths: On how many tokens at the end of each prompt they act.
    """

    lora: LoraWeights
    lengths: torch.Tensor

    @property
    def layers(self) -> set[str]:
        """The layers on which they act."""
        return set(self.lora.pairs)

    def add(self, layer: str, given: torch.Tensor, output: torch.Tensor) -> None:
        """Add what the weights make of a layer's input to its output."""
        more = _made_of(given, self.lora.pairs[layer])
        rows, tokens = given.shape[0], given.shape[-2]
        if self.lora.invocation and tokens > 1:
            lengths = self.lengths.repeat_interleave(rows // len(self.lengths))
            places = torch.arange(tokens, device=given.device)
            more = more * (places >= tokens - lengths[:, None])[..., None]
        output += more.to(output.dtype)


class LoraHooks:
    """Lets weights act in the passes of a model.

    Args:
        model: A transformers model.
    """

    def __init__(self, model: Any) -> None:
        self._layers = dict(model.named_modules())
        self._hooks: dict[str, Any] = {}
        self._acting: Acting | None = None

    @contextmanager
    def acting(self, acting: Acting | None) -> Iterator[None]:
        """Let weights act meanwhile. The hooks stay for the passes that follow, while these have any."""
        wanted = set() if acting is None else acting.layers
        for name in self._hooks.keys() - wanted:
            self._hooks.pop(name).remove()
        for name in wanted - self._hooks.keys():
            self._hooks[name] = self._layers[name].register_forward_hook(self._hook(name))
        self._acting = acting
        try:
            yield
        finally:
            self._acting = None

    def _hook(self, name: str) -> Any:
        def add(layer: Any, given: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            if self._acting is not None:
                self._acting.add(name, given[0], output)

        return add


def _made_of(given: torch.Tensor, pair: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    down, up = pair
    return given.to(down.dtype) @ down @ up
