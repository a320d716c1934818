"""What is known of a generation beside its text."""

from __future__ import annotations

import enum
from typing import Any

from attrs import field, frozen

from mellea.core.response import Usage

__all__ = ["GenerateLog", "GenerateType", "GenerationMetadata", "RawProviderResponse"]


@frozen
class GenerationMetadata:
    """What is known of a generation beside its text.

    Args:
        usage: Tokens spent; None when the provider does not say.
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
    """

    usage: Usage | None = None
    model: str | None = None
    provider: str | None = None
    ttfb_ms: float | None = None
    seconds: float | None = None
    streaming: bool = False
    response_model: str | None = None
    finish_reasons: tuple[str, ...] = ()
    response_id: str | None = None
    unenforced: tuple[str, ...] = ()


@frozen
class RawProviderResponse:
    """A provider's own value: of a whole answer, or the last one of a stream."""

    provider: str
    response: Any = field(repr=False)


class GenerateType(enum.Enum):
    """How an output is made. Every output is made asynchronously; kept for programs that import it."""

    NONE = None
    ASYNC = 1
    SYNC = 2


@frozen
class GenerateLog:
    """The record of one generation: what was sent, by whom, and what came back."""

    prompt: list[dict[str, Any]]
    backend: str
    model_options: dict[str, Any]
    model_output: str | None
    action: Any
    result: Any
