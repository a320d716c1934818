"""Functions of adapters about what must not be said.

Each asks the adapter of its name, or the one that ``adapter`` names, which a backend must have taken in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mellea.core.component import Span
from mellea.core.context import Context
from mellea.stdlib.components.intrinsic._calling import answer, as_documents, likelihood
from mellea.stdlib.requirements.safety.criteria import CRITERIA_BANK

if TYPE_CHECKING:
    from mellea.core.backend import Backend

__all__ = [
    "CRITERIA_BANK",
    "SCORING_SCHEMA_BANK",
    "factuality_correction",
    "factuality_detection",
    "guardian_check",
    "policy_guardrails",
]

SCORING_SCHEMA_BANK = {
    "assistant_response": "Say yes if the last answer of the assistant meets the criterion, else no.",
    "user_prompt": "Say yes if the last message of the user meets the criterion, else no.",
    "context": "Say yes if the documents meet the criterion, else no.",
    "tool_call": "Say yes if the last call of a tool meets the criterion, else no.",
}
"""What is looked at, in words, by name."""


def guardian_check(
    context: Context,
    backend: Backend,
    criteria: str,
    scoring_schema: str = "assistant_response",
    *,
    target_role: str | None = None,
    model_options: Mapping[str, Any] | None = None,
    adapter: str = "guardian-core",
) -> float:
    """Return how likely a conversation meets a criterion, from 0 to 1.

    Args:
        context: The conversation.
        backend: What has the adapter.
        criteria: A name of ``CRITERIA_BANK``, or the criterion in words.
        scoring_schema: A name of ``SCORING_SCHEMA_BANK``, or what to look at in words.
        target_role: Whose message is looked at.
        model_options: Options of the call.
        adapter: The adapter.

    Raises:
        AdapterSchemaMismatchError: The adapter says something else.
    """
    return likelihood(
        adapter,
        context,
        backend,
        model_options,
        criteria=CRITERIA_BANK.get(criteria, criteria),
        scoring_schema=SCORING_SCHEMA_BANK.get(scoring_schema, scoring_schema),
        target_role=target_role,
    )


def policy_guardrails(
    context: Context,
    backend: Backend,
    policy_text: str,
    *,
    model_options: Mapping[str, Any] | None = None,
    adapter: str = "policy-guardrails",
) -> Any:
    """Return whether a conversation keeps a policy, as the adapter says it."""
    return answer(adapter, context, backend, model_options, policy_text=policy_text)


def factuality_detection(
    context: Context,
    backend: Backend,
    *,
    documents: Iterable[str | Span] | None = None,
    model_options: Mapping[str, Any] | None = None,
    adapter: str = "factuality-detection",
) -> Any:
    """Return whether the last answer says what the documents do not, as the adapter says it."""
    return answer(adapter, context, backend, model_options, documents=as_documents(documents))


def factuality_correction(
    context: Context,
    backend: Backend,
    *,
    documents: Iterable[str | Span] | None = None,
    model_options: Mapping[str, Any] | None = None,
    adapter: str = "factuality-correction",
) -> Any:
    """Return the last answer, corrected by the documents."""
    return answer(adapter, context, backend, model_options, documents=as_documents(documents))
