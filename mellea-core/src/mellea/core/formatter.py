"""Formatters: from spans to text and to messages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import lru_cache

from attrs import evolve

from mellea.core.blocks import AudioBlock, AudioUrlBlock, CBlock, ImageBlock, ImageUrlBlock
from mellea.core.component import Component, Span, TemplateRepresentation, is_component
from mellea.core.errors import UsageError
from mellea.core.message import Message, is_message
from mellea.core.thunk import ModelOutputThunk

__all__ = ["ChatFormatter", "Formatter"]


class Formatter(ABC):
    """Turns spans into text."""

    @abstractmethod
    def print(self, span: Span) -> str:
        """Return the text of a span."""


@lru_cache(1024)
def _said(text: str) -> Message:
    """Return the message of a plain answer, which every later turn of its conversation shows again."""
    return Message("assistant", text)


class ChatFormatter(Formatter):
    """Turns spans into the messages of a conversation.

    Text of a component is what it gives for itself, as text.
    """

    def print(self, span: Span) -> str:
        """Return the text of a block, a computed thunk, or a component that renders itself."""
        if is_component(span):
            shown = span.format_for_llm()
            return shown if isinstance(shown, str) else str(shown.args)
        return str(span)

    def render(self, component: Component[object], representation: TemplateRepresentation) -> str:
        """Return the text of a component whose representation is already at hand."""
        return self.print(component)

    def to_chat_messages(self, spans: Iterable[Span]) -> list[Message]:
        """Return one message for each span.

        An output becomes an assistant message, a message stays one (with its documents rendered into the
        text), text and components become user messages unless the component's representation names another
        role.

        Raises:
            UsageError: An output is not computed yet, or a span is none.
        """
        return [self._message(span) for span in spans]

    def _message(self, span: Span) -> Message:
        if type(span) is Message and not span.documents:  # most of a long conversation
            return span
        if isinstance(span, ModelOutputThunk):
            return self._answer(span)
        if isinstance(span, CBlock):
            return self._block(span)
        if is_message(span):
            return self._render_message(span) if span.documents else span
        if is_component(span):
            return self._component(span)
        raise UsageError(
            f"{type(span).__name__} cannot be shown to a model.",
            hint="Use text blocks, components and messages.",
        )

    def _block(self, block: CBlock) -> Message:
        if isinstance(block, ImageBlock | ImageUrlBlock):
            return Message("user", "", images=[block])
        if isinstance(block, AudioBlock | AudioUrlBlock):
            return Message("user", "", audio=[block])
        return Message("user", str(block))

    def _answer(self, thunk: ModelOutputThunk[object]) -> Message:
        if not thunk.is_computed():
            raise UsageError(
                "An output in the context is not computed yet.", hint="Await it before it is rendered."
            )
        text, calls = thunk.value or "", thunk.tool_calls
        if calls is None:  # most of a long conversation
            return _said(text)
        return Message("assistant", text, tool_calls=calls, thinking=thunk.thinking)

    def _render_message(self, message: Message) -> Message:
        return evolve(message, content=self.print(message), documents=None)

    def _component(self, component: Component[object]) -> Message:
        shown = component.format_for_llm()
        if isinstance(shown, str):
            return Message("user", shown)
        return Message(
            shown.role or "user",
            self.render(component, shown),
            images=shown.images,
            audio=shown.audio,
            tool_calls=shown.tool_calls,
            tool_call_id=shown.tool_call_id,
            thinking=shown.thinking,
            tool_name=shown.tool_name,
            provider_fields=shown.provider_fields,
        )
