"""Functions of adapters about questions, answers and the documents between them.

Each asks the adapter of its name, or the one that ``adapter`` names, which a backend must have taken in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mellea.core.component import Span
from mellea.core.context import Context
from mellea.stdlib.components.intrinsic._calling import answer, as_documents, said_last

if TYPE_CHECKING:
    from mellea.core.backend import Backend

__all__ = [
    "check_answerability",
    "clarify_query",
    "find_citations",
    "flag_hallucinated_content",
    "rewrite_question",
]


def check_answerability(
    question: str | None,
    documents: Iterable[str | Span],
    context: Context,
    backend: Backend,
    *,
    model_options: Mapping[str, Any] | None = None,
    adapter: str = "answerability",
) -> Any:
    """Return whether documents answer a question; the last one of the context for None."""
    question = said_last(context, "user") if question is None else question
    return answer(
        adapter, context, backend, model_options, question=question, documents=as_documents(documents)
    )


def clarify_query(
    question: str | None,
    documents: Iterable[str | Span],
    context: Context,
    backend: Backend,
    *,
    model_options: Mapping[str, Any] | None = None,
    adapter: str = "query_clarification",
) -> Any:
    """Return what to ask back before a question is answered, as the adapter says it."""
    question = said_last(context, "user") if question is None else question
    return answer(
        adapter, context, backend, model_options, question=question, documents=as_documents(documents)
    )


def find_citations(
    response: str | None,
    documents: Iterable[str | Span],
    context: Context,
    backend: Backend,
    *,
    model_options: Mapping[str, Any] | None = None,
    adapter: str = "citations",
) -> Any:
    """Return what of the documents supports an answer; the last one of the context for None."""
    response = said_last(context, "assistant") if response is None else response
    return answer(
        adapter, context, backend, model_options, response=response, documents=as_documents(documents)
    )


def flag_hallucinated_content(
    response: str | None,
    documents: Iterable[str | Span],
    context: Context,
    backend: Backend,
    *,
    model_options: Mapping[str, Any] | None = None,
    adapter: str = "hallucination_detection",
) -> Any:
    """Return the sentences of an answer with what the documents say of them."""
    response = said_last(context, "assistant") if response is None else response
    return answer(
        adapter, context, backend, model_options, response=response, documents=as_documents(documents)
    )


def rewrite_question(
    question: str | None,
    context: Context,
    backend: Backend,
    *,
    model_options: Mapping[str, Any] | None = None,
    adapter: str = "query_rewrite",
) -> Any:
    """Return a question, by default the last one of the context, so that it stands alone."""
    question = said_last(context, "user") if question is None else question
    return answer(adapter, context, backend, model_options, question=question)
