"""One call of a typed function as a component, and what is checked before and after it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
from attrs import field, frozen

from mellea.core.blocks import AudioBlock, AudioUrlBlock, CBlock, ImageBlock, ImageUrlBlock
from mellea.core.component import Component, Span, TemplateRepresentation
from mellea.core.errors import MelleaError, OutputParseError, UsageError
from mellea.core.prompting import resolve_all
from mellea.core.requirement import PartialValidationResult, Requirement, ValidationResult
from mellea.core.sources import Sources
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib._annotations import with_docstring
from mellea.stdlib._wording import Wording, reworded, reworded_requirement, shown_examples
from mellea.stdlib.components._generative.envelope import unwrap_value, wrap_value
from mellea.stdlib.components.mobject import is_span
from mellea.stdlib.context.simple import SimpleContext
from mellea.stdlib.requirements.validate import validate_all

if TYPE_CHECKING:
    from mellea.core.backend import Backend
    from mellea.core.context import Context
    from mellea.core.schema import OutputSchema

__all__ = [
    "ArgPreconditionRequirement",
    "Argument",
    "GenerativeCall",
    "PreconditionException",
    "check_arguments",
    "on_value",
    "reworded_call",
]

T = TypeVar("T")


class PreconditionException(UsageError):  # noqa: N818  the name that programs catch
    """The arguments of a typed function do not meet its preconditions; no answer was asked for.

    Args:
        message: What happened.
        validation: What each precondition says of the arguments.
    """

    def __init__(self, message: str, validation: Sequence[ValidationResult] = (), **fields: Any) -> None:
        super().__init__(message, **fields)
        self.validation = list(validation)

    def __reduce__(self) -> tuple[Any, ...]:
        rebuild, (cls, state, args) = MelleaError.__reduce__(self)
        told = [
            attrs.evolve(result, thunk=None, context=None) for result in self.validation
        ]  # they do not pickle
        return rebuild, (cls, {**state, "validation": told}, args)


@frozen
class Argument:
    """One argument as the prompt shows it.

    Args:
        name: The parameter's name.
        annotation: Its type in words; None when it has none.
        spans: The value: one text, or the spans that it holds.
    """

    name: str
    annotation: str | None
    spans: tuple[Span, ...]

    @classmethod
    def of(cls, name: str, annotation: str | None, value: Any) -> Argument:
        """Return the argument for a value.

        Spans stay spans, so that outputs still on their way are awaited.
        """
        if is_span(value):
            return cls(name, annotation, (value,))
        if isinstance(value, list | tuple) and any(map(is_span, value)):
            return cls(
                name, annotation, tuple(item if is_span(item) else CBlock(_text(item)) for item in value)
            )
        return cls(name, annotation, (CBlock(_text(value)),))

    def shown_spans(self) -> tuple[Span, ...]:
        """Return what stands in the text: media go along with the message instead."""
        return tuple(CBlock("(attached)") if isinstance(span, _MEDIA) else span for span in self.spans)


_IMAGES = (ImageBlock, ImageUrlBlock)
_AUDIO = (AudioBlock, AudioUrlBlock)
_MEDIA = (*_IMAGES, *_AUDIO)


def _text(value: Any) -> str:
    """Return a text as it is, and any other value as JSON."""
    if isinstance(value, str):
        return value
    from pydantic_core import PydanticSerializationError, to_json  # noqa: PLC0415  it loads with the first typed function

    try:
        return to_json(value, fallback=_plain, inf_nan_mode="strings").decode()
    except (PydanticSerializationError, ValueError):
        return str(value)


def _plain(value: Any) -> Any:
    return attrs.asdict(value, recurse=False) if attrs.has(type(value)) else str(value)


@frozen
class GenerativeCall(Component[T]):
    """One call of a typed function: what the function says of itself, and the arguments.

    Args:
        declaration: The function's head and docstring.
        arguments: The arguments.
        requirements: What the result must respect, as the prompt shows it.
        schema: Reads the answer.
        examples: Calls that went well: the arguments, and the answer to them.
        head: The function's head alone.
    """

    declaration: str
    arguments: tuple[Argument, ...]
    requirements: tuple[Requirement, ...]
    schema: OutputSchema = field(repr=False)
    examples: tuple[tuple[CBlock, CBlock], ...] = ()
    head: str = ""

    def parts(self) -> list[Span]:
        """Return the arguments' spans, the requirements and the examples."""
        spans = [span for argument in self.arguments for span in argument.spans]
        return [*spans, *self.requirements, *(block for pair in self.examples for block in pair)]

    def arguments_text(self) -> str | None:
        """Return the arguments as the prompt shows them; None if they are not all text."""
        spans = [span for argument in self.arguments for span in argument.spans]
        if not all(type(span) is CBlock for span in spans):
            return None
        return "\n".join(
            one.name
            + (f" ({one.annotation})" if one.annotation else "")
            + ": "
            + "\n".join(map(str, one.spans))
            for one in self.arguments
        )

    def format_for_llm(self) -> TemplateRepresentation:
        """Return declaration, requirements and arguments for the template."""
        spans = [span for argument in self.arguments for span in argument.spans]
        return TemplateRepresentation(
            self,
            {
                "declaration": self.declaration,
                "requirements": self.requirements,
                "examples": self.examples,
                "arguments": [
                    {"name": one.name, "annotation": one.annotation, "values": one.shown_spans()}
                    for one in self.arguments
                ],
            },
            template_order=["*", "GenerativeStub"],
            images=[span for span in spans if isinstance(span, _IMAGES)] or None,
            audio=[span for span in spans if isinstance(span, _AUDIO)] or None,
        )

    def _parse(self, computed: ModelOutputThunk[Any]) -> T:
        value: T = self.schema.parse(str(computed))
        return value


def reworded_call(
    call: GenerativeCall[T], name: str, head: str, docstring: str, words: tuple[Wording, ...]
) -> GenerativeCall[T]:
    """Return a call in the words that are in force.

    Args:
        call: The call.
        name: The name of the function.
        head: Its head.
        docstring: What it says of itself.
        words: What is in force.
    """
    shown = tuple(reworded_requirement(one, words, name) for one in call.requirements)
    examples = tuple(
        (
            CBlock(one.arguments, sources=_EXAMPLES),
            CBlock(json.dumps({"result": one.result}, ensure_ascii=False), sources=_EXAMPLES),
        )
        for one in shown_examples(head, words)
    )
    text = with_docstring(head, reworded("docstring", docstring, name, words))
    return attrs.evolve(call, declaration=text, requirements=shown, examples=examples)


_EXAMPLES = Sources.of("document", "examples")


class ArgPreconditionRequirement(Requirement):
    """A requirement on the arguments of a typed function rather than on an answer.

    A check finds the arguments as the last output of its context: as text, and by name in ``.parsed``.

    Args:
        requirement: The precondition.
    """

    def __init__(self, requirement: Requirement) -> None:
        wanted = requirement.description
        super().__init__(
            "The answer above lists the arguments that the function is called with. "
            f"They must respect this: {wanted}"
            if wanted
            else None,
            requirement.validation_fn,
            output_to_bool=requirement.output_to_bool,
            check_only=True,
            judge=requirement.judge,
        )
        self.requirement = requirement

    @property
    def is_free(self) -> bool:
        """Whether the check asks no model."""
        return self.requirement.is_free

    @property
    def name(self) -> str:
        """The name of the precondition."""
        return self.requirement.name

    async def validate(
        self,
        backend: Backend,
        ctx: Context,
        *,
        format: Any = None,
        model_options: Mapping[str, Any] | None = None,
    ) -> ValidationResult:
        """Return whether the arguments meet the precondition. See ``Requirement.validate``."""
        if self.is_free:
            return await self.requirement.validate(backend, ctx, format=format, model_options=model_options)
        return await super().validate(backend, ctx, format=format, model_options=model_options)


async def check_arguments(
    call: GenerativeCall[Any],
    values: Mapping[str, Any],
    preconditions: Iterable[Requirement],
    backend: Backend,
) -> None:
    """Check the preconditions of a call.

    Raises:
        PreconditionException: One is not met.
        ProviderError: A judge could not be asked.
    """
    wanted = [ArgPreconditionRequirement(precondition) for precondition in preconditions]
    if not wanted:
        return
    await resolve_all(call.parts())
    lines = [
        f"{one.name}: {', '.join(map(backend.formatter.print, one.shown_spans()))}" for one in call.arguments
    ]
    told: ModelOutputThunk[Any] = ModelOutputThunk("\n".join(lines), parsed_repr=dict(values))
    context = SimpleContext().add(CBlock(call.declaration)).add(told)
    results = await validate_all(wanted, context, backend)
    failed = [
        f"{one.name.rstrip('.')}: {result.reason or 'not met'}"
        for one, result in zip(wanted, results, strict=True)
        if not result
    ]
    if failed:
        raise PreconditionException(
            f"The arguments do not meet the preconditions: {'; '.join(failed)}.",
            results,
            hint="Call it with other arguments.",
        )


def on_value(requirement: Requirement, schema: OutputSchema) -> Requirement:
    """Return a requirement on a typed function's value, for outputs that hold it in an envelope.

    A judge reads the answer as it is; a check sees the value: as text, and typed in ``.parsed``.
    """
    return _ValueRequirement(requirement, schema) if requirement.is_free else requirement


class _ValueRequirement(Requirement):
    def __init__(self, requirement: Requirement, schema: OutputSchema) -> None:
        super().__init__(
            requirement.description,
            check_only=requirement.check_only,
            repair=self._mend if requirement.repair else None,
            form=requirement.forms,
            steer=requirement.steer,
        )
        self.about = "result"
        self.requirement = requirement
        self._schema = schema

    @property
    def name(self) -> str:
        return self.requirement.name

    async def validate(
        self,
        backend: Backend,
        ctx: Context,
        *,
        format: Any = None,
        model_options: Mapping[str, Any] | None = None,
    ) -> ValidationResult:
        output, before = ctx.last_output(1), ctx.previous_node
        if output is None or before is None:
            return await self.requirement.validate(backend, ctx, format=format, model_options=model_options)
        try:
            value, text = self._schema.parse(str(output)), unwrap_value(str(output))
        except (OutputParseError, ValueError):
            return ValidationResult(
                False, reason="Not checked, because the answer cannot be read.", skipped=True
            )
        schema = attrs.evolve(self._schema, parser=lambda _: value)
        shown = output.with_text(text).with_format(schema, value)  # which may be no JSON, or None
        return await self.requirement.validate(
            backend, before.add(shown), format=format, model_options=model_options
        )

    @property
    def reads_verbatim(self) -> bool:
        return self.requirement.reads_verbatim

    async def stream_validate(
        self, chunk: str, *, backend: Backend, ctx: Context, flush: bool = False
    ) -> PartialValidationResult | list[PartialValidationResult]:
        return await self.requirement.stream_validate(chunk, backend=backend, ctx=ctx)

    def _mend(self, answer: str) -> str:
        """Return the answer with the value that the requirement's own fix makes.

        Unchanged if it cannot be read.
        """
        fix = self.requirement.repair
        try:
            return wrap_value(answer, fix(unwrap_value(answer))) if fix is not None else answer
        except ValueError:
            return answer
