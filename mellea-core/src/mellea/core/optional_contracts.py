"""Contracts that a backend may keep besides ``ModelAPI``, such as scoring and training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mellea.core.errors import CapabilityError
from mellea.core.model_api import ModelAPI

__all__ = ["missing_contract", "translated_errors"]


def missing_contract(backend: ModelAPI, contract: type, verb: str, outcome: str) -> CapabilityError:
    """Return the error for a backend that does not keep a contract.

    Args:
        backend: The backend.
        contract: The class that it would be too.
        verb: What it cannot do.
        outcome: What has not happened therefore.
    """
    return CapabilityError(
        f"Backend {backend.described()} cannot {verb}: {type(backend).__name__} is no {contract.__name__}; "
        f"{outcome}.",
        missing=verb,
        hint="Choose one that can, such as 'hf'.",
        backend=backend.provider,
        model_id=backend.model_id,
    )


@contextmanager
def translated_errors(backend: ModelAPI) -> Iterator[None]:
    """Raise in our words what a backend raises in a block."""
    try:
        yield
    except Exception as error:
        from mellea.core._failures import in_our_words  # noqa: PLC0415  only failures need it

        if (ours := in_our_words(backend, error)) is error:
            raise
        raise ours from error
