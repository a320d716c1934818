"""What a backend answers: chunks of a chat, completions of plain texts, and the tokens that they took."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

from attrs import field, frozen

from mellea.core.logprobs import TokenLogprob
from mellea.core.tool_call import ToolCallFragment

__all__ = ["Chunk", "Completion", "EmbeddingResponse", "Usage", "as_usage", "total_usage"]


@frozen
class Usage:
    """Tokens spent on one call.

    Reads like the chat-completions ``usage`` mapping too: ``usage["total_tokens"]``.

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

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )

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


def as_usage(said: Usage | Mapping[str, Any] | None) -> Usage | None:
    """Return tokens spent that somebody says with the chat-completions names.

    Of a mapping that has the total alone, all count as read.
    """
    if said is None or isinstance(said, Usage):
        return said
    counted = {
        name: int(said.get(name) or 0) for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    }
    written = counted["completion_tokens"]
    return Usage(counted["prompt_tokens"] or max(counted["total_tokens"] - written, 0), written)


def total_usage(usages: Sequence[Usage | Mapping[str, Any] | None]) -> Usage:
    """Return the sum of the tokens spent."""
    known = [usage for each in usages if (usage := as_usage(each)) is not None]
    return known[0] if len(known) == 1 else sum(known, Usage())


@frozen
class Chunk:
    """A piece of an answer.

    Every field may be empty. Of id and model what is said first holds, of the others what is said last.

    Args:
        text: The next piece of the answer.
        thinking: The next piece of the reasoning.
        finish_reason: Why the answer ended: ``stop``, ``length``, or the provider's own word.
        usage: Tokens spent so far, in total.
        response_id: The provider's id of the answer.
        response_model: The model that answered, as the provider names it.
        raw: The provider's own value, for whoever wants to look.
        index: Which of several answers the piece belongs to.
        refusal: The next piece of the words with which the model refuses to answer.
        logprobs: The tokens of the piece with their log-probabilities, where they were asked for.
        tool_calls: The next pieces of tool calls.
        logits: The scores of the whole vocabulary by which the answer's tokens were drawn, of shape (tokens,
            vocabulary), in single precision, where they were asked for; all of them in one piece.
        raw_logits: The same as the model gave them.

    Raises:
        TypeError: A part is of another type than this says.
    """

    text: str = ""
    thinking: str = ""
    finish_reason: str | None = None
    usage: Usage | None = None
    response_id: str | None = None
    response_model: str | None = None
    raw: Any = field(default=None, repr=False, eq=False)
    index: int = 0
    refusal: str = ""
    logprobs: tuple[TokenLogprob, ...] = field(default=(), repr=False)
    tool_calls: tuple[ToolCallFragment, ...] = ()
    logits: Any = field(default=None, repr=False, eq=False)
    raw_logits: Any = field(default=None, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if self.tool_calls != () and not _are_fragments(self.tool_calls):
            raise TypeError(f"a chunk's tool_calls are a tuple of fragments, not {self.tool_calls!r}")
        if not isinstance(self.refusal, str):
            raise TypeError(f"a chunk's refusal is text, not {self.refusal!r}")
        if not (isinstance(self.text, str) and isinstance(self.thinking, str)):
            raise TypeError(f"a chunk's text and thinking are text, not {self.text!r} and {self.thinking!r}")
        if self.finish_reason is not None and not isinstance(self.finish_reason, str):
            raise TypeError(f"a chunk's finish_reason is text or None, not {self.finish_reason!r}")
        if not isinstance(self.index, int) or self.index < 0:
            raise TypeError(f"a chunk's index is a number of 0 or more, not {self.index!r}")
        if self.logprobs and not isinstance(self.logprobs[0], TokenLogprob):
            raise TypeError(f"a chunk's log-probabilities are TokenLogprob, not {self.logprobs[0]!r}")


def _are_fragments(parts: Any) -> bool:
    return isinstance(parts, tuple) and all(isinstance(part, ToolCallFragment) for part in parts)


@frozen
class Completion:
    """The completion of one prompt; its parts are those of a ``Chunk``."""

    text: str
    finish_reason: str | None = None
    usage: Usage | None = None
    logprobs: tuple[TokenLogprob, ...] = field(default=(), repr=False)
    logits: Any = field(default=None, repr=False, eq=False)
    raw_logits: Any = field(default=None, repr=False, eq=False)

    @classmethod
    def joined(cls, chunks: Iterable[Chunk]) -> Self:
        """Return the completion that comes in pieces."""
        said = list(chunks)
        return cls(
            "".join(chunk.text for chunk in said),
            next((chunk.finish_reason for chunk in reversed(said) if chunk.finish_reason), None),
            next((chunk.usage for chunk in reversed(said) if chunk.usage), None),
            tuple(logprob for chunk in said for logprob in chunk.logprobs),
            next((chunk.logits for chunk in said if chunk.logits is not None), None),
            next((chunk.raw_logits for chunk in said if chunk.raw_logits is not None), None),
        )


@frozen
class EmbeddingResponse:
    """The vectors of some texts, as a provider gives them.

    Args:
        vectors: A vector for each text, in the order of the texts.
        usage: The tokens that were read.
    """

    vectors: Sequence[Sequence[float]]
    usage: Usage | None = None
