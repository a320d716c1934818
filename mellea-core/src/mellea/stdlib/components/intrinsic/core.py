"""Functions of adapters about any conversation.

Each asks the adapter of its name, or the one that ``adapter`` names, which a backend must have taken in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mellea.core.component import Span
from mellea.core.context import Context
from mellea.stdlib.components.intrinsic._calling import answer, as_documents, likelihood, said_last

if TYPE_CHECKING:
    from mellea.core.backend import Backend

__all__ = ["check_certainty", "find_context_attributions", "requirement_check"]


def check_certainty(
    context: Context,
    backend: Backend,
    model_options: Mapping[str, Any] | None = None,
    *,
    adapter: str = "uncertainty",
) -> float:
    """Return how certain the model is of its last answer, from 0 to 1.

    Raises:
        AdapterSchemaMismatchError: The adapter says something else.
    """
    return likelihood(adapter, context, backend, model_options)


def requirement_check(
    context: Context,
    backend: Backend,
    requirement: str,
    model_options: Mapping[str, Any] | None = None,
    *,
    adapter: str = "requirement-check",
) -> float:
    """Return how likely the last answer meets a requirement, from 0 to 1.

    Raises:
        AdapterSchemaMismatchError: The adapter says something else.
    """
    return likelihood(adapter, context, backend, model_options, requirement=requirement)


def find_context_attributions(
    response: str | None,
    documents: Iterable[str | Span],
    context: Context,
    backend: Backend,
    model_options: Mapping[str, Any] | None = None,
    *,
    adapter: str = "context-attribution",
) -> Any:
    """Return which sentences of the context an answer rests on, as the adapter says it.

    Args:
        response: The answer; the last one of the context for None.
        documents: What was known besides.
        context: The conversation.
        backend: What has the adapter.
        model_options: Options of the call.
        adapter: The adapter.
    """
    response = said_last(context, "assistant") if response is None else response
    return answer(
        adapter, context, backend, model_options, response=response, documents=as_documents(documents)
    )
