"""What llama.cpp's server says of its tokens, beside the routes of OpenAI."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import httpx2
import openai

from mellea.core import MelleaError
from mellea_openai.servers import root_of

__all__ = ["whole_words"]


async def whole_words(
    client: openai.AsyncOpenAI, base_url: str, words: Collection[str]
) -> Collection[str] | None:
    """Return those of some words in small letters that are one token, in small letters or with a capital.

    None if the server has no ``/tokenize`` that tells the pieces.
    """
    texts = [text for word in sorted(words) for text in (word, word.capitalize())]
    body = {"content": "".join(f" {text}" for text in texts), "with_pieces": True}
    try:
        response = await client.post(
            f"{root_of(base_url)}/tokenize",
            body=body,
            cast_to=httpx2.Response,
            options={"max_retries": 0, "timeout": 10.0},
        )
        pieces = [_text_of(token) for token in response.json()["tokens"]]
    except (openai.OpenAIError, MelleaError, ValueError, KeyError, TypeError, AttributeError):
        return None
    follows = [*pieces[1:], " "]
    return {
        piece.strip().lower()
        for piece, after in zip(pieces, follows, strict=False)
        if piece.startswith(" ") and after.startswith(" ")
    }


def _text_of(token: Mapping[str, Any]) -> str:
    """Return the text of a token; nothing of one that is a part of a character."""
    piece = token["piece"]
    return piece if isinstance(piece, str) else ""
