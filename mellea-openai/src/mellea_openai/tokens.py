"""What llama.cpp's server says of its tokens, beside the routes of OpenAI."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any

import httpx2
import openai

from mellea.core import MelleaError
from mellea.core.openai_servers import root_of

__all__ = ["NoTokenizerError", "whole_words"]

_MAY_PASS = frozenset({408, 409, 425, 429})
"""Refusals that say nothing of what a server has."""


class NoTokenizerError(Exception):
    """The server has no ``/tokenize`` that tells the pieces."""


async def whole_words(
    client: openai.AsyncOpenAI, base_url: str, words: Collection[str]
) -> Collection[str] | None:
    """Return those of some words in small letters that are one token, in small letters or with a capital.

    None if the server does not say it now.

    Raises:
        NoTokenizerError: It never will.
    """
    texts = [text for word in sorted(words) for text in (word, word.capitalize())]
    body = {"content": "".join(f" {text}" for text in texts), "with_pieces": True}
    try:
        response = await client.post(
            f"{root_of(base_url)}/tokenize",
            body=body,
            cast_to=httpx2.Response,
            options={"timeout": 10.0},
        )
        pieces = [_text_of(token) for token in response.json()["tokens"]]
    except openai.APIStatusError as error:
        if _is_definite(error.status_code):
            raise NoTokenizerError from error
        return None
    except (openai.OpenAIError, MelleaError):
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoTokenizerError from error
    follows = [*pieces[1:], " "]
    return {
        piece.strip().lower()
        for piece, after in zip(pieces, follows, strict=False)
        if piece.startswith(" ") and after.startswith(" ")
    }


def _is_definite(status: int) -> bool:
    """Tell whether a status says that there is no such thing, and not that it fails at the moment."""
    return status == HTTPStatus.NOT_IMPLEMENTED or (status < 500 and status not in _MAY_PASS)


def _text_of(token: Mapping[str, Any]) -> str:
    """Return the text of a token; nothing of one that is a part of a character."""
    piece = token["piece"]
    return piece if isinstance(piece, str) else ""
