"""The values that pass between the core and a backend."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import field, frozen

from mellea.core.errors import OutputParseError, UsageError
from mellea.core.message import Message

__all__ = ["ChatRequest", "Chunk", "Completion", "CompletionRequest", "OutputSchema", "Usage"]


@frozen
class OutputSchema:
    """What structured output has to look like.

    Args:
        name: A name for the provider: letters, digits, ``_`` and ``-``.
        json_schema: The JSON schema.
        model: The pydantic class it comes from, when it comes from one.
        parser: Reads the text instead of the class; a ValueError that it raises says what is wrong with the text.
    """

    name: str
    json_schema: Mapping[str, Any] = field(hash=False)
    model: type[Any] | None = None
    parser: Callable[[str], Any] | None = field(default=None, eq=False, repr=False)

    @classmethod
    def of(cls, format: object) -> OutputSchema:
        """Return the schema of a pydantic class or of a JSON schema given as a mapping.

        Raises:
            UsageError: It is neither.
        """
        if isinstance(format, OutputSchema):
            return format
        if isinstance(format, Mapping):
            return cls(_plain(str(format.get("title") or "output")), format)
        if isinstance(format, type) and hasattr(format, "model_json_schema"):
            return _schema_of_model(format)
        raise UsageError(
            f"{format!r} is no output format.", hint="Pass a pydantic class or a JSON schema as a dict."
        )

    def parse(self, text: str) -> Any:
        """Return what the text describes: what the parser makes of it, else an instance of the class, else plain JSON values.

        Raises:
            OutputParseError: The text is not JSON, or does not fit the class.
        """
        try:
            if self.parser is not None:
                return self.parser(text)
            return self.model.model_validate_json(text) if self.model is not None else json.loads(text)
        except (ValueError, RecursionError) as error:
            raise OutputParseError(
                f"The output is no {self.name}: {error}.",
                hint="Raise MAX_NEW_TOKENS if the text was cut; otherwise ask again.",
            ) from error


@functools.lru_cache(maxsize=256)
def _schema_of_model(model: Any) -> OutputSchema:
    try:
        schema = model.model_json_schema()
    except Exception as error:
        raise UsageError(
            f"{model.__qualname__} has no JSON schema: {error}.",
            hint="Use fields that JSON can hold, such as str, int, list, dict.",
        ) from error
    return OutputSchema(_plain(model.__name__), schema, model)


def _plain(name: str) -> str:
    """Return a name that every provider takes: a generic class has brackets in its own."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:64].strip("_") or "output"


@frozen
class Usage:
    """Tokens spent on one call. Reads like the chat-completions ``usage`` mapping too: ``usage["total_tokens"]``.

    Args:
        prompt_tokens: Tokens read.
        completion_tokens: Tokens written.
        cached_tokens: Those of the prompt that were not computed again.
        reasoning_tokens: Those of the completion spent on reasoning.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Tokens read and written."""
        return self.prompt_tokens + self.completion_tokens

    def keys(self) -> Iterator[str]:
        """Iterate over the names of the counts."""
        return iter(
            ("prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens", "reasoning_tokens")
        )

    def __getitem__(self, key: str) -> int:
        if key not in self.keys():
            raise KeyError(key)
        count: int = getattr(self, key)
        return count

    def get(self, key: str, default: int | None = None) -> int | None:
        """Return the count of that name, or the default."""
        return self[key] if key in self.keys() else default


@frozen
class ChatRequest:
    """A conversation to continue, in the provider's own option names.

    Args:
        model_id: The model, as the provider names it.
        messages: The conversation, oldest first, rendered to text.
        options: Provider options, already translated.
        schema: What the output must look like; only for a backend that declares ``JSON_SCHEMA``.
        stream: Whether pieces are wanted as they come. When False, one chunk with everything is best.
        n: How many answers to draw; more than one only for a backend that declares ``N_SAMPLES``.
    """

    model_id: str
    messages: tuple[Message, ...]
    options: Mapping[str, Any] = field(factory=dict)
    schema: OutputSchema | None = None
    stream: bool = False
    n: int = 1


@frozen
class CompletionRequest:
    """Plain texts to complete, without a chat template.

    Args:
        model_id: The model, as the provider names it.
        prompts: The texts.
        options: Provider options, already translated.
        schema: What each output must look like.
    """

    model_id: str
    prompts: tuple[str, ...]
    options: Mapping[str, Any] = field(factory=dict)
    schema: OutputSchema | None = None


@frozen
class Chunk:
    """A piece of an answer. Every field may be empty. Of id and model what is said first holds, of the others what is said last.

    Args:
        text: The next piece of the answer.
        thinking: The next piece of the reasoning.
        finish_reason: Why the answer ended: ``stop``, ``length``, or the provider's own word.
        usage: Tokens spent so far, in total.
        response_id: The provider's id of the answer.
        response_model: The model that answered, as the provider names it.
        raw: The provider's own value, for whoever wants to look.
        index: Which of several answers the piece belongs to.
    """

    text: str = ""
    thinking: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    response_id: str | None = None
    response_model: str | None = None
    raw: Any = field(default=None, repr=False, eq=False)
    index: int = 0


@frozen
class Completion:
    """The completion of one prompt."""

    text: str
    finish_reason: str | None = None
    usage: Usage | None = None
