"""What is known of a generation beside its text. Records: a writer, and a program, may fill them in."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import define, field

from mellea.core.logprobs import TokenLogprob
from mellea.core.response import Usage

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["GenerateLog", "GenerateType", "GenerationMetadata", "RawProviderResponse"]


@define(slots=False)
class GenerationMetadata:
    """What is known of a generation beside its text.

    Args:
        usage: Tokens spent, or a mapping with the chat-completions names; None when the provider does not
            say.
        model: The model asked for.
        provider: The backend's provider name.
        ttfb_ms: Milliseconds from the request to the first piece.
        seconds: Seconds from the request to the end.
        streaming: Whether the text was handed on piece by piece.
        response_model: The model that answered, in the provider's words.
        finish_reasons: Why the answer ended.
        response_id: The provider's id of the answer.
        unenforced: What of the output's JSON schema the model was not held to while it wrote, each as
            ``place: keyword value``; it is checked when the output is read.
        logits: The scores of the whole vocabulary at each step, after processing.
        raw_logits: Those scores as the model gave them.
        logprobs: The tokens that the model wrote, each with its log-probability; None where they were not
            asked for, or the provider gives none.
    """

    usage: Usage | Mapping[str, Any] | None = None
    model: str | None = None
    provider: str | None = None
    ttfb_ms: float | None = None
    seconds: float | None = None
    streaming: bool = False
    response_model: str | None = None
    finish_reasons: Sequence[str] | None = None
    response_id: str | None = None
    unenforced: tuple[str, ...] = ()
    logits: Any = field(default=None, repr=False)
    raw_logits: Any = field(default=None, repr=False)
    logprobs: tuple[TokenLogprob, ...] | None = field(default=None, repr=False)


@define(slots=False)
class RawProviderResponse:
    """A provider's own value: of a whole answer, or the last one of a stream.

    Args:
        provider: Whose it is.
        response: The value.
        streamed_chunks: All values of a stream, where somebody kept them.
    """

    provider: str | None = None
    response: Any = field(default=None, repr=False)
    streamed_chunks: list[Any] | None = field(default=None, repr=False)


class GenerateType(enum.Enum):
    """How an output is made. Every output is made asynchronously; kept for programs that import it."""

    NONE = None
    ASYNC = 1
    SYNC = 2


@define(slots=False)
class GenerateLog:
    """The record of one generation: what was sent, by whom, and what came back.

    Args:
        date: When.
        prompt: What was sent: one text, or messages.
        backend: Who sent it.
        model_options: The options that were sent.
        model_output: What came back.
        action: What was asked.
        result: The output.
        is_final_result: Whether a strategy chose it.
        extra: Whatever else is known.
    """

    date: datetime | None = None
    prompt: str | list[dict[str, Any]] | None = None
    backend: str | None = None
    model_options: dict[str, Any] | None = None
    model_output: Any = None
    action: Any = None
    result: Any = None
    is_final_result: bool | None = False
    extra: dict[str, Any] | None = None
