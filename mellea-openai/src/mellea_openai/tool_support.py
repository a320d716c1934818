"""Whether a server's own protocol for tools can carry out a request.

Servers that render the prompt themselves know tools only where the model's template does, and drop them
without a word where it does not.
"""

from __future__ import annotations

from typing import Any

import httpx2
import openai
from openai import AsyncOpenAI

from mellea.core.tool_offer import AUTO, NONE, REQUIRED
from mellea_openai.servers import LLAMA_CPP, OLLAMA, root_of

__all__ = ["SERVERS", "can_force", "knows_tools"]

SERVERS = frozenset({LLAMA_CPP, OLLAMA})
"""Servers that render the prompt themselves, as they call the owner of their models."""


def can_force(owner: str, choice: str, *, with_schema: bool) -> bool:
    """Tell whether a server that knows tools can carry out a choice.

    Args:
        owner: Who owns the server's models, in its own words.
        choice: ``auto``, ``required``, ``none``, or a tool's name.
        with_schema: Whether the answer has to fit a schema besides.
    """
    if owner == LLAMA_CPP:
        return choice in (AUTO, NONE, REQUIRED) and not with_schema
    return owner != OLLAMA or (choice in (AUTO, NONE) and not with_schema)


async def knows_tools(client: AsyncOpenAI, base_url: str, owner: str, model_id: str) -> bool:
    """Tell whether the template of a model knows tools, as far as the server says.

    Args:
        client: The server.
        base_url: Its address, up to and with ``/v1``.
        owner: Who owns its models, in its own words.
        model_id: The model.
    """
    root = root_of(base_url)
    try:
        if owner == LLAMA_CPP:
            response = await client.get(f"{root}/props", cast_to=httpx2.Response, options={"max_retries": 0})
            caps: Any = response.json().get("chat_template_caps") or {}
            return bool(caps.get("supports_tools", True))
        if owner == OLLAMA:
            response = await client.post(
                f"{root}/api/show",
                body={"model": model_id},
                cast_to=httpx2.Response,
                options={"max_retries": 0},
            )
            return "tools" in (response.json().get("capabilities") or ["tools"])
    except (openai.OpenAIError, AttributeError, TypeError, ValueError):
        pass
    return True
