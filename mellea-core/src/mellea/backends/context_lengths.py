"""How many tokens a model of the catalogue reads."""

from __future__ import annotations

from mellea.core.model_catalog import find_model
from mellea.core.model_identifier import ModelIdentifier

__all__ = ["get_context_length"]


def get_context_length(model_id: str | ModelIdentifier | None) -> int | None:
    """Return how many tokens a model reads; None for a model that is in no catalogue of ours.

    Args:
        model_id: The model, or any provider's name for it, also behind the provider's name and a slash.
    """
    if not isinstance(model_id, str):
        return None if model_id is None else model_id.context_length
    name, slash = model_id, "/"
    while name and slash:
        if (known := find_model(name)) is not None:
            return known.context_length
        _, slash, name = name.partition("/")
    known = find_model(name)
    return None if known is None else known.context_length
