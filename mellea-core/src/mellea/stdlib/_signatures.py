"""The optional arguments of the verbs, as types, so that the synchronous twins are checked like the asynchronous ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypedDict

from mellea.core.component import Span
from mellea.core.requirement import Requirement
from mellea.core.sampling import SamplingStrategy

__all__ = ["ActParts", "ChatParts", "InstructParts", "InstructionParts", "StrategyParts", "TaskParts"]


class ActParts(TypedDict, total=False):
    """What may go along with any action; see ``MelleaSession.aact``."""

    model_options: Mapping[str, Any] | None
    tool_calls: bool


class StrategyParts(ActParts, total=False):
    """How attempts are made; see ``MelleaSession.aact``."""

    strategy: str | SamplingStrategy | None
    strict: bool | None


class InstructionParts(TypedDict, total=False):
    """The parts of an ``Instruction`` beside its description."""

    images: Iterable[Any] | None
    audio: Iterable[Any] | None
    requirements: Iterable[str | Requirement] | None
    icl_examples: Iterable[str | Span] | None
    grounding_context: Mapping[str, str | Span] | None
    user_variables: Mapping[str, Any] | None
    prefix: str | Span | None
    output_prefix: str | Span | None


class TaskParts(InstructionParts, ActParts, total=False):
    """What may go along with a task that is streamed; see ``MelleaSession.astream_instruct``."""


class InstructParts(InstructionParts, StrategyParts, total=False):
    """What may go along with a task; see ``MelleaSession.ainstruct``."""


class ChatParts(ActParts, total=False):
    """What may go along with a message; see ``MelleaSession.achat``."""

    images: Iterable[Any] | None
    audio: Iterable[Any] | None
    documents: Iterable[Span | str] | None
    user_variables: Mapping[str, Any] | None
    format: Any
