"""What values the options of a call may have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from attrs import frozen

from mellea.core import UsageError

__all__ = ["read_value"]

_MOST = 2**31 - 1


@frozen
class _Number:
    """A number within bounds, which belong to it.

    Args:
        low: The least.
        high: The greatest.
        whole: Whether it is a whole number.
        or_zero: Whether it may be 0 too, which is below the least.
    """

    low: float
    high: float
    whole: bool = False
    or_zero: bool = False

    def read(self, name: str, value: object) -> int | float:
        if self.whole and not _is_whole(value):
            raise _wrong(f"{name} is a whole number, not {value!r}.")
        if not isinstance(value, bool) and isinstance(value, Real):
            number = int(value) if isinstance(value, Integral) else float(value)
            if self.low <= number <= self.high or (self.or_zero and number == 0):
                return number if self.whole else float(number)
        zero = "is 0 or " if self.or_zero else ""
        raise _wrong(f"{name} {zero}lies between {self.low:.10g} and {self.high:.10g}; {value!r} does not.")


_SMALL = 1e-6  # anything nearer to 0 divides to infinity in single precision
_SHARE = _Number(0.0, 1.0)
_SOME = _Number(_SMALL, 1.0)
_FACTOR = _Number(_SMALL, 1e6)
_COUNT = _Number(0, _MOST, whole=True)

_NUMBERS: Mapping[str, _Number] = {
    "temperature": _Number(_SMALL, 1e6, or_zero=True),
    "top_k": _COUNT,
    "top_p": _SHARE,
    "top_h": _SOME,
    "min_p": _SHARE,
    "typical_p": _SOME,
    "epsilon_cutoff": _SHARE,
    "eta_cutoff": _SHARE,
    "max_new_tokens": _Number(1, _MOST, whole=True),
    "min_new_tokens": _COUNT,
    "min_length": _COUNT,
    "seed": _Number(-(2**63), 2**64 - 1, whole=True),
    "repetition_penalty": _FACTOR,
    "encoder_repetition_penalty": _FACTOR,
    "no_repeat_ngram_size": _COUNT,
    "encoder_no_repeat_ngram_size": _COUNT,
    "guidance_scale": _Number(-1e6, 1e6),
    "max_time": _Number(_SMALL, 1e9),
}


def read_value(name: str, value: Any, vocabulary: int | None = None) -> Any:
    """Return the value of an option, numbers in the type that transformers wants.

    Args:
        name: The option, under transformers' name.
        value: What was given.
        vocabulary: How many tokens the model knows; None checks no token ids.

    Raises:
        UsageError: The option cannot have this value; the message says which it can have.
    """
    if name in _NUMBERS:
        return _NUMBERS[name].read(name, value)
    if name in {"do_sample", "logits", "raw_logits"} and not isinstance(value, bool):
        raise _wrong(f"{name} is True or False, not {value!r}.")
    if name in _TOKENS and vocabulary is not None:
        what, fits = _TOKENS[name]
        if not fits(value, vocabulary):
            raise _wrong(f"{name} is {what}, each from 0 to {vocabulary - 1}, not {value!r}.")
    if name == "exponential_decay_length_penalty":
        return _decay(name, value)
    return value


def _decay(name: str, value: Any) -> tuple[int, float]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise _wrong(f"{name} is a number of tokens and a factor, such as (20, 1.1), not {value!r}.")
    start, factor = value
    return int(_COUNT.read(f"The start of {name}", start)), _FACTOR.read(f"The factor of {name}", factor)


def _is_whole(value: object) -> bool:
    return not isinstance(value, bool) and isinstance(value, Integral)


def _is_token(value: Any, vocabulary: int) -> bool:
    return _is_whole(value) and 0 <= int(value) < vocabulary


def _are_tokens(value: object, vocabulary: int) -> bool:
    return isinstance(value, Sequence) and all(_is_token(token, vocabulary) for token in value)


def _is_or_are(value: object, vocabulary: int) -> bool:
    return _is_token(value, vocabulary) or (_are_tokens(value, vocabulary) and bool(value))


def _are_words(value: object, vocabulary: int) -> bool:
    return (
        isinstance(value, Sequence)
        and bool(value)
        and all(bool(word) and _are_tokens(word, vocabulary) for word in value)
    )


_ONE = ("a token id", _is_token)
_SOME_TOKENS = ("a list of token ids", _are_tokens)
_TOKENS: Mapping[str, tuple[str, Callable[[object, int], bool]]] = {
    "eos_token_id": ("a token id or a list of them", _is_or_are),
    "forced_eos_token_id": ("a token id or a list of them", _is_or_are),
    "forced_bos_token_id": _ONE,
    "bos_token_id": _ONE,
    "pad_token_id": _ONE,
    "suppress_tokens": _SOME_TOKENS,
    "begin_suppress_tokens": _SOME_TOKENS,
    "bad_words_ids": ("a list of words, each a list of token ids", _are_words),
}


def _wrong(what: str) -> UsageError:
    return UsageError(what, backend="hf")
