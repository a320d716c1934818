"""What a scripted call gets: replies, and the faults that a program must live with."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from attrs import field, frozen

from mellea.core.errors import (
    ProviderConnectionError,
    ProviderTimeoutError,
    StreamInterruptedError,
    UsageError,
)
from mellea.core.logprobs import TokenLogprob
from mellea.core.provider_errors import error_for_status
from mellea.core.request import ChatRequest, CompletionRequest
from mellea.core.response import Usage
from mellea.testing.instances import minimal_instance, schema_of

__all__ = ["Answer", "Fault", "Reply", "Request", "filled"]

Request: TypeAlias = ChatRequest | CompletionRequest
Answer: TypeAlias = "str | Exception | Reply | Sequence[str | Exception] | Callable[[Any], Answer]"
"""What a script says: a text, an error to raise, pieces, a reply, or a function of the request.

The pieces are those of a stream; an error among them cuts it.
"""

_ANSWER = "This answer has a few words too many to arrive in one piece."
_AT: dict[str, Any] = {"backend": "scripted", "model_id": "script"}


def _not_negative(_: object, attribute: Any, value: Any) -> None:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < math.inf:
        raise UsageError(f"{attribute.name} is {value!r}.", hint="Pass a number of at least 0.")


@frozen
class Reply:
    """One answer, down to its details.

    Args:
        text: The text, its pieces, or a function that makes the text from the request.
        thinking: The reasoning that comes before it.
        finish_reason: Why it ended; None when the provider does not say.
        usage: Tokens that it reports; ``"counted"`` counts the words, None reports nothing.
        logprobs: Its tokens with their log-probabilities.
        latency: Seconds before its first piece.
        error: Raised after the pieces that are handed on.
        stalls: Whether it falls silent after the pieces that are handed on, until the reader goes away.
        after: How many pieces are handed on before the error or the silence. A whole text is cut into words.
        tool_calls: The calls of tools in it: names and arguments, these as a mapping or as JSON text.

    Raises:
        UsageError: A number is negative or no number.
    """

    text: str | Sequence[str] | Callable[[Any], str] = ""
    thinking: str = field(default="", kw_only=True)
    finish_reason: str | None = field(default="stop", kw_only=True)
    usage: Usage | Literal["counted"] | None = field(default="counted", kw_only=True)
    logprobs: Sequence[TokenLogprob] = field(default=(), kw_only=True)
    latency: float = field(default=0.0, kw_only=True, validator=_not_negative)
    error: Exception | None = field(default=None, kw_only=True)
    stalls: bool = field(default=False, kw_only=True)
    after: int = field(default=0, kw_only=True, validator=_not_negative)
    tool_calls: Sequence[tuple[str, Mapping[str, Any] | str]] = field(default=(), kw_only=True)

    def pieces(self, request: Request) -> list[str]:
        """Return the pieces that are handed on to whoever sent the request."""
        text = self.text(request) if callable(self.text) else self.text
        if self.error is None and not self.stalls:
            return [text] if isinstance(text, str) else list(text)
        words = re.findall(r"\s*\S+\s*", text) if isinstance(text, str) else list(text)
        return words[: self.after]


class Fault:
    """What goes wrong with models and providers, by name.

    Each is a reply for the script of a ``ScriptedBackend``.
    """

    @staticmethod
    def bad_json() -> Reply:
        """Return a reply that is cut in the middle of the JSON that was asked for."""
        return Reply(_cut_json, finish_reason="length")

    @staticmethod
    def cut_stream(after: int = 1, answer: str | Sequence[str] = _ANSWER) -> Reply:
        """Return a reply whose connection breaks.

        Args:
            after: Pieces that arrive before.
            answer: The text, of which each word is a piece, or the pieces.
        """
        error = StreamInterruptedError("The scripted stream broke off.", hint="Try again.", **_AT)
        return Reply(answer, error=error, after=after)

    @staticmethod
    def stall(after: int = 0, answer: str | Sequence[str] = _ANSWER) -> Reply:
        """Return a reply that falls silent for ever.

        Args:
            after: Pieces that arrive before.
            answer: The text, of which each word is a piece, or the pieces.
        """
        return Reply(answer, stalls=True, after=after)

    @staticmethod
    def cut_by_length(answer: str = _ANSWER) -> Reply:
        """Return a reply that ends because it reached the most tokens allowed."""
        return Reply(answer, finish_reason="length")

    @staticmethod
    def wrong_usage(answer: str = _ANSWER, usage: Usage | None = Usage(10**9, 10**9)) -> Reply:  # noqa: B008  a frozen value
        """Return a reply that reports impossible counts of tokens; with None, none at all."""
        return Reply(answer, usage=usage)

    @staticmethod
    def status(status: int, message: str = "scripted", *, retry_after: float | None = None) -> Reply:
        """Return the error for an HTTP status, as the real backends raise it."""
        return Reply(error=error_for_status(status, message, retry_after=retry_after, **_AT))

    @staticmethod
    def rate_limit(retry_after: float | None = None) -> Reply:
        """Return "too many requests".

        Args:
            retry_after: Seconds after which the provider asks to be tried again.
        """
        return Fault.status(429, "too many requests", retry_after=retry_after)

    @staticmethod
    def server_error(status: int = 500) -> Reply:
        """Return a failure of the provider itself."""
        return Fault.status(status, "internal error")

    @staticmethod
    def context_window() -> Reply:
        """Return "the prompt does not fit into the context window"."""
        return Fault.status(400, "the prompt exceeds the maximum context length")

    @staticmethod
    def no_connection() -> Reply:
        """Return "no connection"."""
        return Reply(
            error=ProviderConnectionError("The scripted backend cannot be reached.", hint="Try again.", **_AT)
        )

    @staticmethod
    def timeout() -> Reply:
        """Return "it took too long", at once; ``stall`` really takes long."""
        return Reply(
            error=ProviderTimeoutError("The scripted backend took too long.", hint="Try again.", **_AT)
        )


def _cut_json(request: Request) -> str:
    whole = json.dumps(minimal_instance(schema)) if (schema := schema_of(request)) is not None else ""
    return whole[: len(whole) // 2] if whole[:1] in {"{", "["} and len(whole) > 3 else '{"value": '


def filled(**values: Any) -> Reply:
    """Return a reply that fits the schema of each request: a minimal instance of it.

    Args:
        **values: Fields of the object that are to have these values.

    The call fails with a ``UsageError`` when the request asks for no schema, or for one that cannot be
    filled.
    """

    def fill(request: Request) -> str:
        schema = schema_of(request)
        if schema is None:
            raise UsageError(
                "This request asks for no schema to fill.", hint="Pass format=..., or script a text instead."
            )
        return json.dumps(minimal_instance(schema, values), ensure_ascii=False)

    return Reply(fill)
