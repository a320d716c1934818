"""Log-probabilities of tokens: one shape, whichever provider gives them, and how they are asked for."""

from __future__ import annotations

import builtins
import math
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve, field, frozen

from mellea.core.errors import UsageError

__all__ = [
    "TokenLogprob",
    "check_logprobs",
    "completion_logprobs",
    "logprob_options",
    "logprobs_from",
    "logprobs_to_json",
    "with_alternatives",
]


def _alternatives(value: Iterable[TokenLogprob]) -> tuple[TokenLogprob, ...]:
    return tuple(value)


def _bytes(value: Any) -> builtins.bytes | None:
    """Return bytes, which providers write as a list of numbers.

    Raises:
        TypeError: It is something else.
    """
    if value is None or isinstance(value, bytes):
        return value
    if not isinstance(value, list):
        raise TypeError(f"a token's bytes are a list of numbers, not {value!r}")
    try:
        return bytes(value)
    except ValueError as error:
        raise TypeError(f"a token's bytes are numbers below 256, not {value!r}") from error


@frozen
class TokenLogprob:
    """One token that a model wrote, and how likely it was.

    Args:
        token: Its text; of a token that is part of a letter, what stands for such a part.
        logprob: The natural logarithm of its probability, at most 0 but for rounding; minus infinity for a
            token that cannot come.
        bytes: What it adds to the text, in UTF-8; None if the provider does not say.
        alternatives: The likeliest tokens at this place, the likeliest first, of which the token itself may
            be one.

    Raises:
        TypeError: The token is no text, the log-probability no number, or the bytes are none.
    """

    token: str
    logprob: float
    bytes: builtins.bytes | None = field(default=None, converter=_bytes)
    alternatives: tuple[TokenLogprob, ...] = field(default=(), converter=_alternatives)

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.token, str):
            raise TypeError(f"a token is text, not {self.token!r}")
        if type(self.logprob) not in (int, float) or math.isnan(self.logprob):
            raise TypeError(f"a log-probability is a number, not {self.logprob!r}")

    @property
    def probability(self) -> float:
        """How likely the token was, from 0 to 1."""
        return math.exp(min(self.logprob, 0.0))


def check_logprobs(value: Any, *, backend: str) -> None:
    """Refuse what the option LOGPROBS cannot be.

    Raises:
        UsageError: It is neither true or false nor a number of alternatives.
    """
    if value is None or isinstance(value, bool) or (isinstance(value, int) and value > 0):
        return
    raise UsageError(
        f"LOGPROBS is {value!r}; nothing was sent.",
        hint="Pass True, or how many alternatives of each token to give, from 1.",
        backend=backend,
    )


def logprob_options(value: Any) -> Mapping[str, Any]:
    """Return the option LOGPROBS as chat completions and Ollama take it."""
    if not value:
        return {}
    return {"logprobs": True} if value is True else {"logprobs": True, "top_logprobs": value}


def completion_logprobs(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a chat as plain completions take them, where ``logprobs`` is a number."""
    changed = dict(options)
    most = changed.pop("top_logprobs", None)
    if changed.get("logprobs") is True:
        changed["logprobs"] = most or 1
    return changed


def with_alternatives(logprobs: Iterable[TokenLogprob], asked: Any) -> tuple[TokenLogprob, ...] | None:
    """Return log-probabilities with no more alternatives than were asked for; None where there are none.

    Args:
        logprobs: What the provider gave.
        asked: The value of LOGPROBS; None where it was asked for in the provider's own words.
    """
    most = 0 if asked is True else asked or None
    return (
        tuple(
            one if most is None or len(one.alternatives) <= most else _trimmed(one, most) for one in logprobs
        )
        or None
    )


def _trimmed(logprob: TokenLogprob, most: int) -> TokenLogprob:
    return evolve(logprob, alternatives=logprob.alternatives[:most])


def logprobs_from(said: Any) -> tuple[TokenLogprob, ...]:
    """Return what a provider says of the tokens of an answer, or of a piece of one; empty if nothing.

    It reads the shape of chat completions, which Ollama has too, and that of plain completions.

    Raises:
        TypeError: It is in no shape that is known.
    """
    if not said:
        return ()
    if isinstance(said, Mapping):
        if isinstance(said.get("tokens"), list):
            return tuple(_of_columns(said))
        said = [*(said.get("content") or ()), *(said.get("refusal") or ())]
    if not isinstance(said, list):
        raise TypeError(f"log-probabilities are a list, not {said!r}")
    return tuple(_of_entry(entry) for entry in said)


def _of_entry(entry: Any) -> TokenLogprob:
    if not isinstance(entry, Mapping):
        raise TypeError(f"a log-probability is an object, not {entry!r}")
    others = entry.get("top_logprobs") or ()
    if not isinstance(others, list | tuple):
        raise TypeError(f"alternatives are a list, not {others!r}")
    logprob: Any = entry.get("logprob")
    return TokenLogprob(entry.get("token", ""), logprob, entry.get("bytes"), map(_of_entry, others))


def _of_columns(said: Mapping[str, Any]) -> Iterable[TokenLogprob]:
    """Iterate over the tokens of the older shape; those that a prompt begins with have no probability."""
    tokens, known = said["tokens"], said.get("token_logprobs")
    others = said.get("top_logprobs") or [None] * len(tokens)
    if not (
        isinstance(known, list) and isinstance(others, list) and len(tokens) == len(known) == len(others)
    ):
        raise TypeError("log-probabilities of some tokens are missing")
    for token, logprob, beside in zip(tokens, known, others, strict=True):
        if logprob is not None:
            ranked = sorted((beside or {}).items(), key=lambda item: -item[1])
            yield TokenLogprob(token, logprob, None, tuple(TokenLogprob(*item) for item in ranked))


def logprobs_to_json(logprobs: Iterable[TokenLogprob]) -> list[dict[str, Any]]:
    """Return log-probabilities in the shape of chat completions, which ``logprobs_from`` reads."""
    return [
        {
            "token": one.token,
            "logprob": one.logprob,
            "bytes": None if one.bytes is None else list(one.bytes),
            "top_logprobs": logprobs_to_json(one.alternatives),
        }
        for one in logprobs
    ]
