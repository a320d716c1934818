"""A backend for a made-up provider, in one file."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing

from mellea.core import (
    Backend,
    Capability,
    ChatRequest,
    Chunk,
    Message,
    ModelNotFoundError,
    ModelOption,
    OptionTable,
    Usage,
)


class NoSuchParrotError(Exception):
    """Stands for an error class of the provider's library."""


async def parrot(
    model: str, words: list[str], max_words: int | None = None, delay: float = 0
) -> AsyncGenerator[str, None]:
    """Stands for the provider's library: says words, ``delay`` seconds apart."""
    if model != "parrot-1":
        raise NoSuchParrotError(model)
    for word in words[:max_words]:
        yield word
        await asyncio.sleep(delay)


class ToyBackend(Backend):
    """Repeats every word that it is shown, apart from its own answers."""

    provider = "toy"
    capabilities = frozenset({Capability.STREAMING, Capability.TOKEN_COUNT})
    options = OptionTable(
        names={ModelOption.MAX_NEW_TOKENS: "max_words"},
        spellings={"max_words": ModelOption.MAX_NEW_TOKENS},
    )

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """Say the words of the conversation again."""
        others = (each for each in request.messages if each.role != "assistant")
        heard = " ".join(each.content for each in others).split()
        said, parroting = 0, parrot(request.model_id, heard, **request.options)
        async with aclosing(parroting) as words:
            async for word in words:
                yield Chunk(text=f" {word}" if said else word)
                said += 1
        reason = "stop" if said == len(heard) else "length"
        yield Chunk(finish_reason=reason, usage=Usage(len(heard), said))

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """Return the number of words; a parrot's tokens are words."""
        return sum(len(message.content.split()) for message in messages)

    def translate_error(self, error: Exception) -> ModelNotFoundError | None:
        """Return our error for one of the provider's library."""
        if isinstance(error, NoSuchParrotError):
            return ModelNotFoundError(
                f"The toy provider has no model {str(error)!r}.",
                hint="Its only model is parrot-1.",
                backend=self.provider,
            )
        return None
