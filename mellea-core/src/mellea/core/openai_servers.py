"""Servers that speak OpenAI's protocol: what they call themselves, and whether it carries tools there.

Servers that render the prompt themselves know tools only where the model's template does, and drop them
without a word where it does not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from mellea.core.tool_offer import AUTO, NONE, REQUIRED

__all__ = ["LLAMA_CPP", "OLLAMA", "RENDERING", "VLLM", "Ask", "can_force", "knows_tools", "owner", "root_of"]

LLAMA_CPP, OLLAMA, VLLM = "llamacpp", "library", "vllm"
"""Owners of the models of llama.cpp's, Ollama's and vLLM's servers, in the words of ``/models``."""
RENDERING = frozenset({LLAMA_CPP, OLLAMA})
"""Those of servers that render the prompt themselves."""

Ask: TypeAlias = "Callable[[str, Mapping[str, Any] | None], Awaitable[Any]]"
"""Gets an address, or posts a body to it, and returns the JSON of the answer; None where there is none."""


def root_of(base_url: str) -> str:
    """Return the address of a server without the ``/v1`` of OpenAI's routes."""
    return base_url.rstrip("/").removesuffix("/v1")


async def owner(ask: Ask) -> str:
    """Return who owns a server's models in its own words; empty where it does not say.

    Args:
        ask: Asks the server.
    """
    try:
        entries = (await ask("/models", None))["data"]
        return str(next((entry.get("owned_by") for entry in entries), ""))
    except (KeyError, TypeError, AttributeError):
        return ""


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


async def knows_tools(ask: Ask, base_url: str, owner: str, model_id: str) -> bool:
    """Tell whether the template of a model knows tools, as far as the server says.

    Args:
        ask: Asks the server.
        base_url: Its address, up to and with ``/v1``.
        owner: Who owns its models, in its own words.
        model_id: The model.
    """
    root = root_of(base_url)
    try:
        if owner == LLAMA_CPP:
            told = await ask(f"{root}/props", None)
            return bool((told.get("chat_template_caps") or {}).get("supports_tools", True))
        if owner == OLLAMA:
            told = await ask(f"{root}/api/show", {"model": model_id})
            return "tools" in (told.get("capabilities") or ["tools"])
    except (AttributeError, TypeError):
        pass
    return True
