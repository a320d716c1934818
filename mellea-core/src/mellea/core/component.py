"""Components: the inner nodes of a prompt, and what they may contain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeGuard, TypeVar, cast, runtime_checkable

from attrs import define, field

from mellea.core.blocks import CBlock
from mellea.core.errors import ComponentParseError, ProviderError, UsageError
from mellea.core.thunk import ModelOutputThunk

if TYPE_CHECKING:
    from mellea.core.blocks import AudioBlock, AudioUrlBlock, ImageBlock, ImageUrlBlock
    from mellea.core.tool_call import ModelToolCall

__all__ = [
    "Component",
    "SampleActionType",
    "Span",
    "TemplateRepresentation",
    "blockify",
    "generate_walk",
    "get_audio_from_component",
    "get_images_from_component",
    "is_component",
]

S_co = TypeVar("S_co", covariant=True)


@define
class TemplateRepresentation:
    """How a component wants to be rendered.

    Args:
        obj: The component itself.
        args: Variables of the template; values may be text, blocks, components, thunks, or lists and mappings
            of them.
        tools: Tools that come with the component, by name.
        fields: Kept for programs that fill it; the formatter does not read it.
        template: An inline template; takes precedence over named ones.
        template_order: Template names to look for, first match wins; ``*`` stands for the class name.
        images: Images that go along with the text.
        audio: Audio that goes along with the text.
        role: Role of the message that the component becomes; ``user`` when None.
    """

    obj: Any
    args: Mapping[str, Any] = field(factory=dict)
    tools: Mapping[str, Any] | None = None
    fields: Sequence[Any] | None = None
    template: str | None = None
    template_order: Sequence[str] | None = None
    images: Sequence[ImageBlock | ImageUrlBlock] | None = None
    audio: Sequence[AudioBlock | AudioUrlBlock] | None = None
    role: str | None = None
    thinking: str | None = None
    tool_calls: Sequence[dict[str, Any] | ModelToolCall] | None = None
    tool_call_id: str | None = None
    tool_name: str | None = None
    provider_fields: Mapping[str, Mapping[str, Any]] | None = None


@runtime_checkable
class Component(Protocol[S_co]):
    """Something that can be rendered into a prompt and can read the model's answer to it.

    Any object with these methods is a component; inheriting gives ``parse`` and empty ``parts``.
    """

    def parts(self) -> list[Span]:
        """Return the spans this component contains; thunks among them are resolved before rendering."""
        return []

    def format_for_llm(self) -> TemplateRepresentation | str:
        """Return the text, or what a template makes the text from."""
        ...

    def parse(self, computed: ModelOutputThunk[Any]) -> S_co:
        """Return what the output means to this component.

        Raises:
            ComponentParseError: ``_parse`` raised; the cause is chained.
        """
        try:
            return self._parse(computed)
        except (ComponentParseError, ProviderError):
            raise
        except Exception as error:
            raise ComponentParseError(
                f"{type(self).__name__} could not parse the output {str(computed)[:200]!r}: {error}.",
                hint="Ask again, or make the component's _parse more lenient.",
            ) from error

    def _parse(self, computed: ModelOutputThunk[Any]) -> S_co:
        """Return what the output means; override this one."""
        ...


if TYPE_CHECKING:
    Span: TypeAlias = "CBlock | Component[Any] | ModelOutputThunk[Any]"
else:
    Span = Component | CBlock | ModelOutputThunk
SampleActionType: TypeAlias = Span
"""Another name of ``Span``."""


def is_component(node: object) -> TypeGuard[Component[Any]]:
    """Tell whether a node is a component, at the price of two attribute look-ups."""
    return hasattr(node, "format_for_llm") and hasattr(node, "parts")


def blockify(span: str | Span) -> Span:
    """Return text as a ``CBlock`` and every other span as it is.

    Raises:
        UsageError: It is neither text nor a span.
    """
    if isinstance(span, str):
        return CBlock(span)
    if isinstance(span, CBlock) or is_component(span) or hasattr(span, "is_computed"):
        return span
    raise UsageError(
        f"{type(span).__name__} is no part of a prompt.", hint="Pass text, a CBlock, a component, or a thunk."
    )


def generate_walk(span: Span) -> list[ModelOutputThunk[Any]]:
    """Return the thunks in a span, the span included, that are not computed yet.

    Raises:
        UsageError: A component contains something that is no span.
    """
    if isinstance(span, CBlock):
        return []
    if isinstance(span, ModelOutputThunk):
        return [] if span.is_computed() else [span]
    if is_component(span):
        return [thunk for part in span.parts() for thunk in generate_walk(part)]
    if hasattr(span, "is_computed"):
        thunk = cast("ModelOutputThunk[Any]", span)
        return [] if thunk.is_computed() else [thunk]
    raise UsageError(
        f"A component contains {type(span).__name__}.",
        hint="Components contain text blocks, components and thunks.",
    )


def get_images_from_component(component: Any) -> list[ImageBlock | ImageUrlBlock] | None:
    """Return the attribute ``images`` of an object; None when there is none, or nothing in it."""
    return getattr(component, "images", None) or None


def get_audio_from_component(component: Any) -> list[AudioBlock | AudioUrlBlock] | None:
    """Return the attribute ``audio`` of an object; None when there is none, or nothing in it."""
    return getattr(component, "audio", None) or None
