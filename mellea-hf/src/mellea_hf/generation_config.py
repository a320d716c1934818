"""transformers' options of a call, as its ``GenerationConfig`` and as processors of scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers import GenerationConfig
from transformers.generation import GenerationMode

from mellea.core import UsageError
from mellea_hf.model import LoadedModel
from mellea_hf.options import PROCESSED, DecodingSettings

__all__ = ["config_processors", "generation_config", "options_named"]


def config_processors(
    loaded: LoadedModel, settings: DecodingSettings, prompt: Sequence[int], limit: int
) -> Sequence[Any]:
    """Return transformers' own processors for one prompt: penalties, bias, and what is forced or forbidden.

    Raises:
        UsageError: transformers refuses an option.
    """
    if PROCESSED.isdisjoint(settings.config) and PROCESSED.isdisjoint(loaded.defaults):
        return ()
    model = loaded.model
    with options_named(settings):
        config, _ = model._prepare_generation_config(generation_config(loaded, settings, len(prompt), limit))  # noqa: SLF001
        model._prepare_special_tokens(config, True, device=model.device, batch_size=1)  # noqa: SLF001
        processors: Sequence[Any] = model._get_logits_processor(  # noqa: SLF001  so that they are the same as with generate
            config,
            input_ids_seq_length=len(prompt),
            encoder_input_ids=torch.tensor([prompt], device=model.device),
            device=model.device,
        )
    return processors


def generation_config(
    loaded: LoadedModel, settings: DecodingSettings, width: int, limit: int
) -> GenerationConfig:
    """Return the generation config of a call.

    Draws are a processor of ours, so that for transformers it is always greedy search.

    Args:
        loaded: The model.
        settings: The options of the call.
        width: Tokens of the prompt.
        limit: The most tokens of an answer.

    Raises:
        UsageError: transformers refuses an option, or it asks for more than token-by-token generation.
    """
    try:
        config = GenerationConfig(
            **{
                "eos_token_id": sorted(loaded.end_tokens) or None,
                "pad_token_id": loaded.pad_token,
                **settings.config,
                # A model's own limit would take precedence over the total length.
                "max_new_tokens": limit if loaded.defaults.get("max_new_tokens") else None,
                "max_length": width + limit,
                "do_sample": False,
                # Neutral values: those that a model brings along would be reported as unused.
                "temperature": 1.0,
                "top_k": 50,
                "top_p": 1.0,
            }
        )
        mode = config.get_generation_mode()
    except (ValueError, TypeError) as error:
        raise UsageError(f"transformers refuses the options: {error}.", backend="hf") from error
    if mode != GenerationMode.GREEDY_SEARCH:
        raise UsageError(
            f"The options {', '.join(settings.config)} ask for {mode.value}, which backend 'hf' does not do.",
            hint="It generates token by token: leave out beams and assistants.",
            backend="hf",
        )
    return config


@contextmanager
def options_named(settings: DecodingSettings) -> Iterator[None]:
    """Name the options when transformers refuses one of them.

    Raises:
        UsageError: It does.
    """
    try:
        yield
    except UsageError:
        raise
    except (ValueError, TypeError, LookupError, ImportError) as error:
        if not settings.config:
            raise
        raise UsageError(
            f"transformers refuses an option, {' or '.join(settings.config)}: {str(error).rstrip('.')}.",
            hint="Leave it out, or see transformers' GenerationConfig for the values.",
            backend="hf",
        ) from error
