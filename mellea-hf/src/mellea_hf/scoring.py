"""How likely given continuations are: one packed pass behind a prefix. Runs in the engine's thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from mellea.core import GenerationCancelledError
from mellea_hf.keys_values import KeysValues
from mellea_hf.packed import PackedModel
from mellea_hf.prefix_cache import PrefixCache
from mellea_hf.row import Stretch

__all__ = ["score_continuations"]

_READ = 256
"""Tokens of a prefix in one pass; a cancelled request ends between two."""


@torch.inference_mode()
def score_continuations(
    packed: PackedModel,
    cache: PrefixCache,
    prefix: Sequence[int],
    continuations: Sequence[Sequence[int]],
    *,
    at_once: int,
    must_stop: Callable[[], bool],
) -> list[list[float]]:
    """Return the log-probabilities of the tokens of each continuation.

    Args:
        packed: The model.
        cache: What is known of the prefix is taken from there, and what is computed of it is kept there.
        prefix: Token ids, one at least.
        continuations: Token ids of each, one at least.
        at_once: How many continuations one pass computes at most.
        must_stop: Asked between passes whether to give up.

    Raises:
        GenerationCancelledError: It was.
    """
    past = KeysValues(packed.shape, len(prefix))
    pinned = cache.load(prefix, past)
    try:
        while past.length < len(prefix) - 1:
            _check(must_stop)
            tokens = prefix[past.length : min(past.length + _READ, len(prefix) - 1)]
            packed.run([Stretch(tokens, past)])
            past.length += len(tokens)
        cache.store(prefix[: past.length], past)
    finally:
        if pinned is not None:
            cache.release(pinned)
    scores: list[list[float]] = []
    for start in range(0, len(continuations), at_once):
        _check(must_stop)
        scores += _scored(packed, past, prefix[-1], continuations[start : start + at_once])
    return scores


def _scored(
    packed: PackedModel, past: KeysValues, last: int, continuations: Sequence[Sequence[int]]
) -> list[list[float]]:
    """Score continuations in one pass, each in a row that begins with the prefix."""
    known = past.copy(0, past.length)
    stretches = []
    for continuation in continuations:
        row = KeysValues(packed.shape, past.length + len(continuation))
        row.append(known, past.length)
        stretches.append(Stretch([last, *continuation[:-1]], row))
    logprobs = torch.log_softmax(packed.run(stretches, every=True), dim=-1)
    wanted = torch.tensor([token for one in continuations for token in one], device=logprobs.device)
    values = iter(logprobs.gather(1, wanted[:, None])[:, 0].tolist())
    return [[next(values) for _ in continuation] for continuation in continuations]


def _check(must_stop: Callable[[], bool]) -> None:
    if must_stop():
        raise GenerationCancelledError("The scoring was cancelled.", backend="hf")
