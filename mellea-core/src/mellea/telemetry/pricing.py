"""What answers cost, by the name of the model and its provider."""

from __future__ import annotations

from mellea.core.billing import cost_in_tables
from mellea.core.response import Usage
from mellea.telemetry.switches import is_pricing_enabled

__all__ = ["compute_cost", "is_pricing_enabled"]


def compute_cost(
    model: str,
    provider: str | None = None,
    prompt_tokens: int | None = 0,
    completion_tokens: int | None = 0,
    cached_tokens: int | None = 0,
    cache_creation_tokens: int | None = 0,
) -> float | None:
    """Return what tokens cost, in US dollars; None if nobody knows, never nothing instead.

    Args:
        model: The model.
        provider: Its provider, or the address of its server; None for the maker of the model.
        prompt_tokens: Tokens read.
        completion_tokens: Tokens written.
        cached_tokens: Those of the prompt that were not computed again.
        cache_creation_tokens: Those of the prompt that were put into the provider's cache.
    """
    usage = Usage(prompt_tokens or 0, completion_tokens or 0, cached_tokens or 0)
    return cost_in_tables(usage, model, provider, cache_creation_tokens or 0)
