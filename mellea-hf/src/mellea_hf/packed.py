"""One forward pass over stretches of several rows, packed one behind the other. Runs in the engine's thread.

Everything but attention works on each token by itself, so the tokens of all rows go through the model as one
sequence, without padding; attention alone is computed row by row, each with its own keys and values.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, Cache, DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from mellea_hf.keys_values import KeysValues, KeysValuesShape
from mellea_hf.lora import LoraHooks, Packed, spans_of
from mellea_hf.row import Stretch

__all__ = ["PackedModel"]

_ATTENTION = "mellea_packed"
_PLAIN = "sdpa"
"""The attention that the packed one stands for."""
_PROBE = [3, 1, 4, 1, 5, 9]
"""Token ids that every model has."""
_TOLERANCE = 0.05
"""What half precision may make of a score, as a share of it."""


class _Passage(Cache):  # type: ignore[misc]  # transformers is not typed
    """What the model takes for its cache: it writes keys and values to the rows they belong to."""

    def __init__(self, stretches: Sequence[Stretch], masks: Sequence[torch.Tensor | None]) -> None:
        super().__init__(layer_class_to_replicate=DynamicLayer)
        self.stretches = stretches
        self.masks = masks
        self.layer = 0

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self.layer = layer_idx
        at = 0
        for stretch in self.stretches:
            start, count = stretch.past.length, len(stretch.tokens)
            keys, values = stretch.past.layers[layer_idx]
            keys[:, :, start : start + count].copy_(key_states[:, :, at : at + count])
            values[:, :, start : start + count].copy_(value_states[:, :, at : at + count])
            at += count
        return key_states, value_states


class PackedModel:
    """A model that is run on packed stretches.

    Args:
        model: A transformers model whose attention goes through transformers' attention interface.

    Raises:
        ValueError: It cannot be run in this way; the message says why.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        self._configs = _configs_of(model)
        self._lora = LoraHooks(model)
        self._keeps = "logits_to_keep" in inspect.signature(model.forward).parameters
        self.shape = self._shape()
        self._check()

    def run_padded(self, stretches: Sequence[Stretch], width: int, *, one: bool = False) -> torch.Tensor:
        """Run stretches in a pass of a fixed width, so that what comes out does not depend on their number.

        Each matrix then has the same shape in every pass, and torch adds up each row in the same order.

        Args:
            stretches: What to compute, of different rows.
            width: Tokens of the pass; what is missing is filled up.
            one: Whether only the scores after the last token of the only stretch are wanted.

        Returns:
            Scores of shape (tokens or 1, vocabulary), those of the stretches first.
        """
        missing = width - sum(len(stretch.tokens) for stretch in stretches)
        if missing:
            stretches = [*stretches, Stretch([0] * missing, KeysValues(self.shape, missing))]
        last = len(stretches[0].tokens) - 1
        return self.run(stretches, only=[last] if one else list(range(width)), whole=True)

    def run(
        self,
        stretches: Sequence[Stretch],
        *,
        only: Sequence[int] = (),
        whole: bool = False,
    ) -> torch.Tensor:
        """Return the scores after the last tokens of each stretch.

        The keys and values of the tokens are written behind those of their rows, and belong to them from the
        moment on that the caller raises ``past.length``.

        Args:
            stretches: What to compute, of different rows.
            only: The places of the tokens whose scores are wanted, if others than the stretches say.
            whole: Whether adapters compute the whole pass, so that it has the same shapes whatever they are.

        Returns:
            Scores of shape (wanted, vocabulary), in single precision.
        """
        device = self.shape.device
        ids = [token for stretch in stretches for token in stretch.tokens]
        places = [
            place
            for stretch in stretches
            for place in range(stretch.past.length, stretch.past.length + len(stretch.tokens))
        ]
        for stretch in stretches:
            stretch.past.reserve(len(stretch.tokens))
        masks = [self._mask(stretch) for stretch in stretches]
        last = None
        kept = list(only or _wanted(stretches))
        if len(kept) < len(ids):
            last = torch.tensor(kept, device=device)
        keep = {} if last is None or not self._keeps else {"logits_to_keep": last}
        acting = self._lora.acting(_acting(stretches, kept, whole=whole))
        with torch.inference_mode(), _packed(self._configs, stretches, masks) as passage, acting:
            logits: torch.Tensor = self._model(
                input_ids=torch.tensor([ids], device=device),
                position_ids=torch.tensor([places], device=device),
                past_key_values=passage,
                use_cache=True,
                **keep,
            ).logits[0]
            if last is not None and not self._keeps:
                logits = logits[last]
            return logits.float()

    def _mask(self, stretch: Stretch) -> torch.Tensor | None:
        """Return what is added to the scores of attention; None where nothing is hidden, or torch knows."""
        past, count = stretch.past.length, len(stretch.tokens)
        if count == 1 or not past:
            return None
        mask = torch.full(
            (count, past + count), float("-inf"), dtype=self.shape.dtype, device=self.shape.device
        )
        return mask.triu_(past + 1)[None, None]

    def _shape(self) -> KeysValuesShape:
        """Return what one token leaves, as a first pass shows.

        Raises:
            ValueError: It is not plain keys and values of one shape.
        """
        cache = DynamicCache(config=self._model.config)
        with torch.inference_mode():
            self._model(
                input_ids=torch.tensor([[0, 1]], device=self._model.device),
                past_key_values=cache,
                use_cache=True,
            )
        if any(type(layer) is not DynamicLayer or layer.keys is None for layer in cache.layers):
            raise ValueError("its layers keep more, or less, than keys and values of all tokens")
        tensors = [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]
        if not tensors or any(
            tensor.shape != tensors[0].shape or tensor.device != tensors[0].device for tensor in tensors
        ):
            raise ValueError("its layers keep keys and values of different shapes")
        _, heads, _, size = tensors[0].shape
        return KeysValuesShape(len(cache.layers), heads, size, tensors[0].dtype, tensors[0].device)

    def _check(self) -> None:
        """Hold packed rows against the model's own pass over one of them.

        Raises:
            ValueError: They come out differently.
        """
        with torch.inference_mode():
            plain = self._model(
                input_ids=torch.tensor([_PROBE], device=self._model.device), use_cache=False
            ).logits[0, -1]
        row, other = KeysValues(self.shape, len(_PROBE)), KeysValues(self.shape, len(_PROBE))
        scores = plain
        for first, second in (
            (_PROBE[:3], _PROBE[4:6]),
            (_PROBE[3:5], _PROBE[:1]),
            (_PROBE[5:], _PROBE[2:4]),
        ):
            scores = self.run([Stretch(second, other), Stretch(first, row)])[1]
            row.length += len(first)
            other.length += len(second)
        difference = (scores - plain.float()).abs().max()
        if difference > _TOLERANCE * (1 + plain.float().abs().max()):
            raise ValueError("packed rows come out differently from rows of their own")


def _configs_of(model: Any) -> list[Any]:
    """Return the configs in which the model's parts look for their attention.

    Raises:
        ValueError: It is not the one of transformers' interface.
    """
    if model.config.is_encoder_decoder:
        raise ValueError("it is an encoder with a decoder")
    if not getattr(model, "_supports_attention_backend", False):
        raise ValueError("its attention does not go through transformers' interface")
    if "position_ids" not in inspect.signature(model.forward).parameters:
        raise ValueError("it takes no positions of tokens")
    configs = {id(part.config): part.config for part in model.modules() if hasattr(part, "config")}
    kinds = {getattr(config, "_attn_implementation", None) for config in configs.values()}
    if kinds != {_PLAIN}:
        raise ValueError(f"its attention is {' and '.join(sorted(map(str, kinds)))}, not {_PLAIN}")
    return list(configs.values())


@contextmanager
def _packed(
    configs: Sequence[Any], stretches: Sequence[Stretch], masks: Sequence[torch.Tensor | None]
) -> Iterator[_Passage]:
    """Let a model's attention be the packed one meanwhile."""
    passage = _Passage(stretches, masks)
    _current.append(passage)
    try:
        for config in configs:
            config._attn_implementation_internal = _ATTENTION  # noqa: SLF001  the setter walks all parts at each call
        yield passage
    finally:
        for config in configs:
            config._attn_implementation_internal = _PLAIN  # noqa: SLF001
        _current.pop()


_current: list[_Passage] = []
"""The pass that runs; the engine's thread runs one at a time."""


def _attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    *,
    scaling: float | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """Attend row by row, each to its own keys and values."""
    passage = _current[-1]
    is_plain = all(more.get(name) is None for name in _CHANGES)
    outputs, at = [], 0
    for stretch, mask in zip(passage.stretches, passage.masks, strict=True):
        count = len(stretch.tokens)
        end = stretch.past.length + count
        keys, values = stretch.past.layers[passage.layer]
        keys, values = keys[:, :, :end], values[:, :, :end]
        queries = query[:, :, at : at + count]
        if count == 1 and is_plain:  # what transformers does too, without its many small steps
            grouped = queries.reshape(1, keys.shape[1], -1, keys.shape[3])
            output = scaled_dot_product_attention(grouped, keys, values, scale=scaling)
            outputs.append(output.reshape(1, 1, -1, keys.shape[3]))
        else:
            outputs.append(
                sdpa_attention_forward(module, queries, keys, values, mask, scaling=scaling, **more)[0]
            )
        at += count
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1), None


_CHANGES = ("position_bias", "softcap", "s_aux")
"""What some models hand to their attention that is more than queries, keys and values."""

AttentionInterface.register(_ATTENTION, _attend)


def _acting(stretches: Sequence[Stretch], kept: Sequence[int], *, whole: bool) -> Packed | None:
    """Return which weights act where; None where none do."""
    if all(stretch.lora is None for stretch in stretches):
        return None
    acting = [lora for stretch in stretches for lora in stretch.acting()]
    spans = spans_of(acting)
    return Packed(len(acting), spans, spans_of([acting[place] for place in kept]), whole) if spans else None


def _wanted(stretches: Sequence[Stretch]) -> list[int]:
    """Return the places in the packed sequence after which scores are wanted."""
    places: list[int] = []
    end = 0
    for stretch in stretches:
        end += len(stretch.tokens)
        places += range(end - stretch.scored, end)
    return places
