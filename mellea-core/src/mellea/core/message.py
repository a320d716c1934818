"""Messages of a conversation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, TypeGuard, cast

from attrs import define, evolve, field, setters

from mellea.core.blocks import AudioBlock, AudioUrlBlock, CBlock, ImageBlock, ImageUrlBlock
from mellea.core.component import Component, Span, TemplateRepresentation
from mellea.core.document import Document
from mellea.core.errors import UsageError
from mellea.core.notebook import html_text
from mellea.core.text_like import TextLike
from mellea.core.tool_call import ModelToolCall, openai_call

if TYPE_CHECKING:
    from mellea.core.metadata import RawProviderResponse
    from mellea.core.schema import OutputSchema
    from mellea.core.sources import Sources
    from mellea.core.thunk import ModelOutputThunk

__all__ = ["Message", "Role", "is_message", "merge_provider_fields", "with_system_prompt"]

Role = Literal["system", "user", "assistant", "tool"]
_ROLES = ("system", "user", "assistant", "tool")


_FROM_OPENAI = ("openai", "litellm", "watsonx")
"""Providers whose answers have the shape of OpenAI's chat completions."""


def _listed(values: Iterable[Any] | None) -> list[Any] | None:
    return None if values is None else list(values)


def _documents(values: Iterable[Any] | None) -> list[Any] | None:
    return None if values is None else [Document(v) if isinstance(v, str) else v for v in values]


def _known_role(_: object, attribute: Any, value: Any) -> None:
    if value not in _ROLES:
        raise UsageError(f"Unknown role {value!r}.", hint=f"A message's role is one of {', '.join(_ROLES)}.")


def _is_text(_: object, attribute: Any, value: Any) -> None:
    if not isinstance(value, str):
        raise UsageError(
            f"A message's content is text, not {type(value).__name__}.", hint="Convert it with str() first."
        )


_ALL_FIELDS = attrgetter(
    "role", "content", "images", "audio", "documents", "tool_calls", "tool_call_id", "thinking", "tool_name"
)


@define(eq=False, slots=False, on_setattr=setters.frozen)
class Message(TextLike, Component["Message"]):
    """One message of a conversation; an immutable component that reads its answer as an assistant message.

    It compares, measures and formats like its ``text``; two messages are equal when all is.

    Args:
        role: ``system``, ``user``, ``assistant`` or ``tool``.
        content: The text.
        images: Images that go along with it.
        audio: Audio that goes along with it.
        documents: Components rendered below the text; a text becomes a ``Document``.
        tool_calls: Calls that an assistant message asks for, in the shape of OpenAI's chat completions.
        tool_call_id: The call that a tool message answers.
        thinking: The reasoning that came with an assistant message.
        tool_name: The tool whose answer a tool message is, for providers that ask for it.
        provider_fields: More fields of the message on the wire, by the provider's name; ``*`` for any. What
            the message says itself wins.
        schema: What the text of an assistant message has to look like; read as ``parsed``.
        sources: Where the text comes from; by default as the role says.

    Raises:
        UsageError: The role is unknown, or the content is not text.
    """

    role: str = field(validator=_known_role)
    content: str = field(default="", validator=_is_text)
    images: list[ImageBlock | ImageUrlBlock] | None = field(default=None, converter=_listed, kw_only=True)
    audio: list[AudioBlock | AudioUrlBlock] | None = field(default=None, converter=_listed, kw_only=True)
    documents: list[Span] | None = field(default=None, converter=_documents, kw_only=True)
    tool_calls: list[dict[str, Any] | ModelToolCall] | None = field(
        default=None, converter=_listed, kw_only=True
    )
    tool_call_id: str | None = field(default=None, kw_only=True)
    thinking: str | None = field(default=None, kw_only=True)
    tool_name: str | None = field(default=None, kw_only=True)
    provider_fields: Mapping[str, Mapping[str, Any]] | None = field(default=None, kw_only=True, repr=False)
    schema: OutputSchema | None = field(default=None, kw_only=True, repr=False)
    sources: Sources | None = field(default=None, kw_only=True, repr=False)
    _parsed: Any = field(default=None, init=False, repr=False)
    _block: CBlock | None = field(default=None, init=False, repr=False)

    @property
    def text(self) -> str:
        """The text, under the name that it has in every output."""
        return self.content

    @property
    def value(self) -> str:
        """The text."""
        return self.content

    @property
    def parsed(self) -> Any:
        """An instance of the ``format`` that the message was asked for with, else the text.

        Raises:
            OutputParseError: The text does not fit the format.
        """
        if self.schema is None:
            return self.content
        if self._parsed is None:
            object.__setattr__(self, "_parsed", self.schema.parse(self.content))
        return self._parsed

    def __str__(self) -> str:
        return self.content

    def _repr_html_(self) -> str:
        return html_text(self.content, self.role)

    def __bool__(self) -> bool:
        return any((self.content, self.images, self.audio, self.documents, self.tool_calls))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return self.content == other
        return _ALL_FIELDS(self) == _ALL_FIELDS(other) if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.content)

    def parts(self) -> list[Span]:
        """Return the text, the documents and the media blocks."""
        return [self._text_block(), *(self.documents or ()), *(self.images or ()), *(self.audio or ())]

    def _text_block(self) -> CBlock:
        if self._block is None:
            object.__setattr__(self, "_block", CBlock(self.content))
        return cast("CBlock", self._block)

    def format_for_llm(self) -> TemplateRepresentation:
        """Return the representation of the text with its documents."""
        return TemplateRepresentation(
            self,
            {"role": self.role, "content": self._text_block(), "documents": self.documents},
            template_order=["*", "Message"],
            images=self.images,
            audio=self.audio,
            role=self.role,
            thinking=self.thinking,
            tool_calls=self.tool_calls,
            tool_call_id=self.tool_call_id,
            tool_name=self.tool_name,
            provider_fields=self.provider_fields,
        )

    def _parse(self, computed: ModelOutputThunk[Any]) -> Message:
        made = computed.foreign_response
        role, content, calls = _said_in(made, str(computed)) if made else ("assistant", str(computed), None)
        if calls is None and computed.tool_calls:
            calls = [openai_call(call, make_id=True) for call in computed.tool_calls]
        return Message(
            role,
            content,
            thinking=computed.thinking if role == "assistant" else None,
            tool_calls=calls,
            schema=computed.schema,
            sources=computed.sources if role == "assistant" else None,
        )


def _said_in(made: RawProviderResponse, text: str) -> tuple[str, str, list[Any] | None]:
    """Return role, text and calls of a provider's own answer, which a backend put onto its output."""
    answer = made.response
    if made.provider in _FROM_OPENAI and isinstance(answer, Mapping):
        choices = answer.get("choices")
        said = (choices[0].get("message") if choices else None) or {}
        return said.get("role") or "assistant", said.get("content") or "", said.get("tool_calls") or None
    said = getattr(answer, "message", None) if made.provider == "ollama" else None
    if said is None:
        return "assistant", text, None
    return getattr(said, "role", None) or "assistant", getattr(said, "content", None) or "", None


def is_message(span: object) -> TypeGuard[Message]:
    """Tell whether a span is a message, without asking the protocol that messages inherit, which is slow."""
    return type.__instancecheck__(Message, span)


def with_system_prompt(messages: Sequence[Message], text: str) -> list[Message]:
    """Return a conversation that begins with a system prompt, before what its own system message says.

    Most chat templates know one system message, and many refuse a second one.
    """
    if messages and messages[0].role == "system":
        first = messages[0]
        return [evolve(first, content=f"{text}\n\n{first.content}".rstrip()), *messages[1:]]
    return [Message("system", text), *messages]


def merge_provider_fields(
    wire: dict[str, Any], fields: Mapping[str, Mapping[str, Any]] | None, provider: str
) -> dict[str, Any]:
    """Return a message on the wire with the fields that are given for its provider; its own win.

    Raises:
        UsageError: There are fields for another provider, which would be lost.
    """
    if not fields:
        return wire
    if others := sorted(set(fields) - {provider, "*"}):
        raise UsageError(
            f"A message has provider_fields for {', '.join(others)}, and {provider} is asked.",
            hint="Name the provider that is asked, or * for any.",
        )
    return {**fields.get("*", {}), **fields.get(provider, {}), **wire}
