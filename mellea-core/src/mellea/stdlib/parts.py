"""The optional arguments of the verbs, as types, so that the synchronous twins are checked like the asynchronous ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from mellea.core.component import Span

__all__ = ["ActParts", "ChatParts", "InstructParts", "InstructionParts"]


class ActParts(TypedDict, total=False):
    """What may go along with any action; see ``MelleaSession.aact``."""

    model_options: Mapping[str, Any] | None
    tool_calls: bool


class InstructionParts(TypedDict, total=False):
    """The parts of an ``Instruction`` beside its description."""

    images: Iterable[Any] | None
    audio: Iterable[Any] | None
    requirements: Iterable[str | Span] | None
    icl_examples: Iterable[str | Span] | None
    grounding_context: Mapping[str, str | Span] | None
    user_variables: Mapping[str, Any] | None
    prefix: str | Span | None
    output_prefix: str | Span | None


class InstructParts(InstructionParts, ActParts, total=False):
    """What may go along with a task; see ``MelleaSession.ainstruct``."""


class ChatParts(ActParts, total=False):
    """What may go along with a message; see ``MelleaSession.achat``."""

    images: Iterable[Any] | None
    audio: Iterable[Any] | None
    documents: Iterable[Span | str] | None
    user_variables: Mapping[str, Any] | None
    format: Any
