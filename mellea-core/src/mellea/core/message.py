"""Messages of a conversation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal

from attrs import evolve, field, frozen

from mellea.core.blocks import AudioBlock, AudioUrlBlock, ImageBlock, ImageUrlBlock
from mellea.core.component import Component, Span, TemplateRepresentation
from mellea.core.errors import UsageError
from mellea.core.notebook import html_text
from mellea.core.text_like import TextLike
from mellea.core.tool_call import ModelToolCall

if TYPE_CHECKING:
    from mellea.core.schema import OutputSchema
    from mellea.core.thunk import ModelOutputThunk

__all__ = ["Message", "Role", "with_system_prompt"]

Role = Literal["system", "user", "assistant", "tool"]
_ROLES = ("system", "user", "assistant", "tool")


def _tuple(values: Iterable[Any] | None) -> tuple[Any, ...]:
    return tuple(values) if values else ()


def _known_role(_: object, attribute: Any, value: Any) -> None:
    if value not in _ROLES:
        raise UsageError(f"Unknown role {value!r}.", hint=f"A message's role is one of {', '.join(_ROLES)}.")


def _is_text(_: object, attribute: Any, value: Any) -> None:
    if not isinstance(value, str):
        raise UsageError(
            f"A message's content is text, not {type(value).__name__}.", hint="Convert it with str() first."
        )


_ALL_FIELDS = attrgetter(
    "role", "content", "images", "audio", "documents", "tool_calls", "tool_call_id", "thinking"
)


@frozen(eq=False)
class Message(TextLike, Component["Message"]):
    """One message of a conversation; an immutable component that reads its answer as an assistant message.

    It compares, measures and formats like its ``text``; two messages are equal when all is.

    Args:
        role: ``system``, ``user``, ``assistant`` or ``tool``.
        content: The text.
        images: Images that go along with it.
        audio: Audio that goes along with it.
        documents: Components rendered below the text.
        tool_calls: Calls that an assistant message asks for.
        tool_call_id: The call that a tool message answers.
        thinking: The reasoning that came with an assistant message.
        schema: What the text of an assistant message has to look like; read as ``parsed``.

    Raises:
        UsageError: The role is unknown, or the content is not text.
    """

    role: str = field(validator=_known_role)
    content: str = field(default="", validator=_is_text)
    images: tuple[ImageBlock | ImageUrlBlock, ...] = field(default=(), converter=_tuple, kw_only=True)
    audio: tuple[AudioBlock | AudioUrlBlock, ...] = field(default=(), converter=_tuple, kw_only=True)
    documents: tuple[Span, ...] = field(default=(), converter=_tuple, kw_only=True)
    tool_calls: tuple[ModelToolCall, ...] = field(default=(), converter=_tuple, kw_only=True)
    tool_call_id: str | None = field(default=None, kw_only=True)
    thinking: str | None = field(default=None, kw_only=True)
    schema: OutputSchema | None = field(default=None, kw_only=True, repr=False)
    _parsed: Any = field(default=None, init=False, repr=False)

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
        """Return the documents and media blocks."""
        return [*self.documents, *self.images, *self.audio]

    def format_for_llm(self) -> TemplateRepresentation:
        """Return the representation of the text with its documents."""
        return TemplateRepresentation(
            self,
            {"role": self.role, "content": self.content, "documents": list(self.documents)},
            template_order=["*", "Message"],
            images=self.images,
            audio=self.audio,
            role=self.role,
            thinking=self.thinking,
            tool_calls=self.tool_calls,
            tool_call_id=self.tool_call_id,
        )

    def _parse(self, computed: ModelOutputThunk[Any]) -> Message:
        return Message(
            "assistant",
            str(computed),
            thinking=computed.thinking,
            tool_calls=computed.tool_calls,
            schema=computed.schema,
        )


def with_system_prompt(messages: Sequence[Message], text: str) -> list[Message]:
    """Return a conversation that begins with a system prompt, before what its own system message says.

    Most chat templates know one system message, and many refuse a second one.
    """
    if messages and messages[0].role == "system":
        first = messages[0]
        return [evolve(first, content=f"{text}\n\n{first.content}".rstrip()), *messages[1:]]
    return [Message("system", text), *messages]
