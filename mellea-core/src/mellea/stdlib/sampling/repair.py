"""Strategies that differ in how they go on after a failed attempt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from attrs import frozen

from mellea.core.component import Component, Span, TemplateRepresentation, is_component
from mellea.core.context import Context
from mellea.core.message import Message
from mellea.core.sources import MODEL, USER, Sources
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.sampling._feedback import ModelFriendlyFeedbackFormatter
from mellea.stdlib.sampling._loop import BaseSamplingStrategy, RepairConversation, Validations

__all__ = [
    "ModelFriendlyFeedbackFormatter",
    "ModelFriendlyRepairStrategy",
    "MultiTurnStrategy",
    "RejectionSamplingStrategy",
    "RepairTemplateStrategy",
    "WithFeedback",
    "bullet_list",
    "continue_conversation",
    "failed_reasons",
    "feedback_message",
    "with_feedback",
]


class RejectionSamplingStrategy(BaseSamplingStrategy):
    """Asks the same again until an answer meets every requirement."""


@frozen
class WithFeedback(Component[Any]):
    """Any action, followed by what was wrong with the last answer to it."""

    action: Span
    answer: str
    feedback: str

    def parts(self) -> list[Span]:
        """Return the action."""
        return [self.action]

    def sourced_parts(self) -> Iterator[tuple[Span, Sources]]:
        """Iterate over the action; the rest comes of what led to the last answer, and that is read here."""
        yield self.action, USER

    def format_for_llm(self) -> TemplateRepresentation:
        """Return the action with the feedback, and with its images, audio, tools and role."""
        shown = self.action.format_for_llm() if is_component(self.action) else None
        whole = shown if isinstance(shown, TemplateRepresentation) else TemplateRepresentation(self)
        return TemplateRepresentation(
            self,
            {"action": self.action, "answer": self.answer, "feedback": self.feedback},
            tools=whole.tools,
            template_order=["WithFeedback"],
            images=whole.images,
            audio=whole.audio,
            role=whole.role,
        )

    def _parse(self, computed: ModelOutputThunk[Any]) -> Any:
        return self.action.parse(computed) if is_component(self.action) else str(computed)


def with_feedback(action: Span, answer: ModelOutputThunk[Any] | None, lines: Sequence[str]) -> WithFeedback:
    """Return an action with its last answer, if that is to be shown, and with what was wrong with it.

    Feedback that the action has already is replaced.
    """
    first = action.action if isinstance(action, WithFeedback) else action
    return WithFeedback(first, "" if answer is None else str(answer), bullet_list(lines))


def bullet_list(lines: Sequence[str]) -> str:
    """Return lines as a list in a text."""
    return "\n".join(f"- {line}" for line in lines)


def continue_conversation(text: str, ctx: Context) -> tuple[Message, Context]:
    """Return a user message, and the conversation that it goes on with.

    Where the context shows the model nothing of its last answer, that is a conversation of its own.
    """
    shown = ctx.view_for_generation() or []
    message = feedback_message(text)
    if any(span is ctx.node_data for span in reversed(shown)):
        return message, ctx
    aside: Context = RepairConversation()
    for span in ctx.as_list(2):
        aside = aside.add(span)
    return message, aside


def feedback_message(text: str) -> Message:
    """Return a user message that tells a model what was wrong: that may be in the model's own words."""
    return Message("user", text, sources=MODEL)


def failed_reasons(validations: Validations) -> list[str]:
    """Return a line for each requirement that is not met: what it wants, and why it is not met."""
    lines = []
    for requirement, result in validations:
        if not result.result and not result.skipped:
            reason = (
                f" ({result.reason})" if result.reason and result.reason != requirement.description else ""
            )
            lines.append(f"{requirement.name}{reason}")
    return lines


class RepairTemplateStrategy(BaseSamplingStrategy):
    """Asks again with a list of what was wrong with the last answer, and without that answer.

    A small model that is shown its answer tends to repeat it, and reads more for it. For a model that
    corrects what it is shown, there are ``ModelFriendlyRepairStrategy`` and ``MultiTurnStrategy``.

    Works over any action.
    """

    @staticmethod
    def repair(
        old_ctx: Context,
        new_ctx: Context,
        past_actions: list[Span],
        past_results: list[ModelOutputThunk[Any]],
        past_val: list[Validations],
    ) -> tuple[Span, Context]:
        """Return the action with feedback on the last answer."""
        return with_feedback(past_actions[-1], None, failed_reasons(past_val[-1])), old_ctx


class ModelFriendlyRepairStrategy(RepairTemplateStrategy):
    """As ``RepairTemplateStrategy``, with each reason turned into an instruction."""

    @staticmethod
    def repair(
        old_ctx: Context,
        new_ctx: Context,
        past_actions: list[Span],
        past_results: list[ModelOutputThunk[Any]],
        past_val: list[Validations],
    ) -> tuple[Span, Context]:
        """Return the action with instructions on the last answer."""
        formatter = ModelFriendlyFeedbackFormatter()
        lines = [formatter.format(line) for line in failed_reasons(past_val[-1])]
        return with_feedback(past_actions[-1], past_results[-1], lines), old_ctx


class MultiTurnStrategy(BaseSamplingStrategy):
    """Goes on with the conversation: the answer stays, and a user message says what is wrong with it.

    In a context that shows the model nothing of what was said, the repair is a conversation of its own.
    """

    @staticmethod
    def repair(
        old_ctx: Context,
        new_ctx: Context,
        past_actions: list[Span],
        past_results: list[ModelOutputThunk[Any]],
        past_val: list[Validations],
    ) -> tuple[Span, Context]:
        """Return the feedback as the next user message, and the conversation with the failed answer."""
        lines = bullet_list(failed_reasons(past_val[-1]))
        return continue_conversation(
            f"That answer is not right yet:\n{lines}\n"
            "Write a new answer that corrects this. Do not repeat the old one.",
            new_ctx,
        )
