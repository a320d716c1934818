"""The name that a provider gives to a model."""

from __future__ import annotations

from mellea.core.errors import UsageError
from mellea.core.model_catalog import find_model
from mellea.core.model_identifier import ModelIdentifier, NameKind

__all__ = ["model_name"]

_TRANSLATED = ("ollama_name", "hf_model_name")
"""Kinds of which every name of a catalogued model is understood; the others may be a server's own names."""


class _NoNameError(UsageError, TypeError):
    pass


def model_name(
    model_id: str | ModelIdentifier, kind: NameKind, *, backend: str, fallback: NameKind | None = None
) -> str:
    """Return the provider's name of a model.

    A catalogued model is understood under every name it has: ``ibm-granite/granite-3.2-8b-instruct`` is
    ``granite3.2:8b`` for Ollama.

    Args:
        model_id: A name, or an identifier.
        kind: Which name of an identifier.
        backend: The backend that asks, for the error.
        fallback: The name to take when the identifier has none of that kind.

    Raises:
        UsageError: The name is empty or (also a TypeError) no text, or the identifier has no such name.
    """
    name: object = model_id
    if isinstance(model_id, str) and kind in _TRANSLATED and (known := find_model(model_id)) is not None:
        name = getattr(known, kind) or model_id
    if isinstance(model_id, ModelIdentifier):
        name = getattr(model_id, kind) or (fallback and getattr(model_id, fallback))
        if not name:
            raise UsageError(
                f"{model_id} has no {kind}.",
                hint=f"Pass the name that backend {backend!r} knows as text.",
                backend=backend,
            )
    if not isinstance(name, str):
        raise _NoNameError(
            f"A model id is text or a ModelIdentifier, not {type(name).__name__}.", backend=backend
        )
    if not name.strip():
        raise UsageError(
            "The model id is empty.",
            hint=f"Pass model_id=... with a model of backend {backend!r}.",
            backend=backend,
        )
    return name
