"""Options of a call, read and checked before anything is computed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Any

from attrs import field, frozen

from mellea.core import ModelOption, OptionTable, UsageError
from mellea_hf.option_values import read_value

__all__ = [
    "DEFAULT_MAX_NEW_TOKENS",
    "OPTIONS",
    "PROCESSED",
    "WARPERS",
    "DecodingSettings",
    "read_options",
    "served_by_generate",
]

DEFAULT_MAX_NEW_TOKENS = 512
"""The most tokens of an answer when neither the call nor the model says.

Fewer where the context window ends.
"""

OPTIONS = OptionTable(
    {
        ModelOption.MAX_NEW_TOKENS: "max_new_tokens",
        ModelOption.TEMPERATURE: "temperature",
        ModelOption.SEED: "seed",
        ModelOption.STOP_SEQUENCES: "stop_strings",
        ModelOption.LOGPROBS: "logprobs",
        ModelOption.LOGITS: "logits",
        ModelOption.RAW_LOGITS: "raw_logits",
    },
    {
        "max_new_tokens": ModelOption.MAX_NEW_TOKENS,
        "seed": ModelOption.SEED,
        "stop_strings": ModelOption.STOP_SEQUENCES,
        "logprobs": ModelOption.LOGPROBS,
    },
    native=None,
)
"""transformers' names of the common options."""

WARPERS: Mapping[str, float] = {
    "temperature": 1.0,
    "top_h": 1.0,
    "top_k": 50,
    "top_p": 1.0,
    "min_p": 0.0,
    "typical_p": 1.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
}
"""Options that shape the distribution of the next token, in transformers' order and with its defaults."""

_OWN = frozenset(
    {*WARPERS, "max_new_tokens", "seed", "stop_strings", "do_sample", "logprobs", "logits", "raw_logits"}
)
# Known to transformers, but of no effect, or of another one, on text that is drawn and handed on token by
# token.
_REFUSED = frozenset(
    {
        "max_length",
        "num_return_sequences",
        "output_attentions",
        "output_hidden_states",
        "output_logits",
        "output_scores",
        "return_dict_in_generate",
        "token_healing",
        "transformers_version",
        "watermarking_config",
    }
)

PROCESSED = frozenset(
    {
        "bad_words_ids",
        "begin_suppress_tokens",
        "encoder_no_repeat_ngram_size",
        "encoder_repetition_penalty",
        "exponential_decay_length_penalty",
        "forced_bos_token_id",
        "forced_eos_token_id",
        "min_length",
        "min_new_tokens",
        "no_repeat_ngram_size",
        "remove_invalid_values",
        "repetition_penalty",
        "sequence_bias",
        "suppress_tokens",
    }
)
"""Options that change the scores of the next token and nothing else."""
_TOKENS = frozenset({"bos_token_id", "eos_token_id", "pad_token_id"})
_OF_GENERATE: Mapping[str, Any] = {
    "assistant_early_exit": None,
    "dola_layers": None,
    "guidance_scale": 1,
    "max_time": None,
    "num_beams": 1,
    "penalty_alpha": None,
    "prompt_lookup_num_tokens": None,
    "stop_strings": None,
    "watermarking_config": None,
}
"""What a model's own generation config may ask of ``generate`` alone, with values that ask for nothing."""


@frozen
class DecodingSettings:
    """How to generate.

    Args:
        max_new_tokens: The most tokens; None takes the default.
        stops: Strings that end an answer.
        sampled: Whether tokens are drawn; otherwise the likeliest is taken.
        warpers: Values of the options in ``WARPERS``.
        seed: Seed of the draws; None takes one from the operating system.
        config: Further options of transformers' ``GenerationConfig``.
        template: Variables of the chat template.
        logprobs: How many alternatives of each token to keep with its log-probability; None keeps nothing.
        logits: Whether to keep the scores that tokens are drawn by.
        raw_logits: Whether to keep the model's own scores.
    """

    max_new_tokens: int | None = None
    stops: tuple[str, ...] = ()
    sampled: bool = False
    warpers: Mapping[str, float] = field(factory=dict)
    seed: int | None = None
    config: Mapping[str, Any] = field(factory=dict)
    template: Mapping[str, Any] = field(factory=dict)
    logprobs: int | None = None
    logits: bool = False
    raw_logits: bool = False

    @property
    def looks_at_scores(self) -> bool:
        """Whether the scores behind each token are wanted, so that none is taken without them."""
        return self.logprobs is not None or self.logits or self.raw_logits

    def check_scores(self, alone: bool, options: Collection[str]) -> None:
        """Refuse to keep scores where the engine does not draw the tokens.

        Args:
            alone: Whether ``generate`` of transformers draws them.
            options: The options for which it does; none if it is the model.

        Raises:
            UsageError: They are wanted there.
        """
        if alone and (self.logits or self.raw_logits):
            what = ", ".join(sorted(options)) or "this model"
            raise UsageError(
                f"LOGITS and RAW_LOGITS are kept by the engine, and {what} needs transformers' generate.",
                hint="Leave one of them out.",
                backend="hf",
            )


def read_options(
    options: Mapping[str, Any],
    defaults: Mapping[str, Any],
    known: Collection[str],
    template: str = "",
    *,
    vocabulary: int | None = None,
) -> DecodingSettings:
    """Return the settings of a call.

    Tokens are drawn when the call gives a temperature above 0, a seed, or another sampling option, or when
    the model's own generation config says so; ``do_sample`` decides where it is given.

    Args:
        options: Options under transformers' names.
        defaults: The model's own generation config.
        known: Names that transformers' ``GenerationConfig`` knows.
        template: The chat template, whose variables may be given too.
        vocabulary: How many tokens the model knows; None checks no token ids.

    Raises:
        UsageError: An option is unknown, or its value is not one it can have.
    """
    own: dict[str, Any] = {}
    config: dict[str, Any] = {}
    variables: dict[str, Any] = {}
    for name, value in options.items():
        if name in _OWN:
            own[name] = read_value(name, value)
        elif name in known and name not in _REFUSED:
            config[name] = read_value(name, value, vocabulary)
        elif template and re.search(rf"(?<![\w.'\"]){re.escape(name)}\b", template):
            variables[name] = value
        else:
            raise _unknown_option(name, {*_OWN, *known} - _REFUSED)
    return DecodingSettings(
        max_new_tokens=own.get("max_new_tokens", defaults.get("max_new_tokens")),
        stops=_stops(own.get("stop_strings")),
        sampled=_is_sampled(own, defaults),
        warpers={
            name: _first(own.get(name), defaults.get(name), neutral) for name, neutral in WARPERS.items()
        },
        seed=own.get("seed"),
        config=config,
        template=variables,
        logprobs=int(own["logprobs"]) - (own["logprobs"] is True) if own.get("logprobs") else None,
        logits=bool(own.get("logits")),
        raw_logits=bool(own.get("raw_logits")),
    )


def served_by_generate(settings: DecodingSettings, defaults: Mapping[str, Any]) -> frozenset[str]:
    """Return the options that only transformers' ``generate`` knows; a request with any of them runs alone.

    Args:
        settings: The options of the call.
        defaults: The model's own generation config.
    """
    own = {
        name for name, nothing in _OF_GENERATE.items() if defaults.get(name, nothing) not in (nothing, None)
    }
    return frozenset(own | (set(settings.config) - PROCESSED - _TOKENS))


def _is_sampled(options: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
    if options.get("temperature") == 0:
        return False
    if "do_sample" in options:
        return bool(options["do_sample"])
    return "seed" in options or any(name in options for name in WARPERS) or bool(defaults.get("do_sample"))


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)


def _stops(value: object) -> tuple[str, ...]:
    """Return the stop strings that are given as one string or as several."""
    stops = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(stops, list | tuple) or not all(isinstance(stop, str) and stop for stop in stops):
        raise UsageError(
            f"Stop sequences are texts, none of them empty, not {value!r}.",
            hint='Pass ["\\n\\n"].',
            backend="hf",
        )
    return tuple(stops)


def _unknown_option(name: str, known: Collection[str]) -> UsageError:
    if name in _REFUSED:
        return UsageError(
            f"Backend 'hf' cannot honour the option {name!r}.", hint="Leave it out.", backend="hf"
        )
    near = difflib.get_close_matches(name, sorted(known), n=3, cutoff=0.5)
    hint = (
        f"Did you mean {' or '.join(near)}?" if near else "See transformers' GenerationConfig for the names."
    )
    return UsageError(
        f"Neither transformers nor the model's chat template knows the option {name!r}.",
        hint=hint,
        backend="hf",
    )
