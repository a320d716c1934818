"""The instruction: what ``session.instruct`` asks a model."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from attrs import define, field, setters

from mellea.core.blocks import (
    AudioBlock,
    AudioUrlBlock,
    CBlock,
    ImageBlock,
    ImageUrlBlock,
    make_audio_block,
    make_image_block,
)
from mellea.core.component import Component, Span, TemplateRepresentation, blockify
from mellea.core.errors import UsageError
from mellea.core.reading import sources_of_values
from mellea.core.requirement import Requirement, reqify
from mellea.core.sources import PROGRAM, Sources
from mellea.core.templates import render_text
from mellea.core.thunk import ModelOutputThunk

__all__ = ["Instruction"]

_TOLD_AGAIN = 300
"""Most characters of a task that is told twice."""


@define(init=False, slots=False, on_setattr=setters.frozen, unsafe_hash=True)
class Instruction(Component[str]):
    """A task for a model, with what it must respect and what it may use.

    With ``user_variables`` the description, the prefixes and the requirements are templates (``{{name}}``)
    that are filled in at once. The values, the examples and the grounding are data, and are never read as
    templates: they may be other people's text. The prompt shows, in this order: prefix, description,
    requirements, examples, grounding context, output prefix.

    Args:
        description: The task.
        requirements: What the output must respect: texts, or requirements; those that are ``check_only`` are
            not shown.
        icl_examples: Examples of good outputs.
        grounding_context: Facts to use, by name: texts, blocks, components, or thunks that may still be on
            their way.
        user_variables: Values of the template variables; a ``defaultdict(str, ...)`` leaves those blank that
            it does not hold.
        prefix: Text before the task.
        output_prefix: Text that the answer should begin with.
        images: Images: blocks, bytes or paths of files, addresses, base64 text, or Pillow images.
        audio: Audio: blocks, or bytes or paths of files.

    Raises:
        TemplateError: A text is no valid template, or uses a variable that is not given.
        UsageError: A part is neither text nor a span.
    """

    description: Span | None = None
    requirements: tuple[Requirement, ...] = ()
    icl_examples: tuple[Span, ...] = ()
    grounding_context: Mapping[str, Span] = field(factory=dict, hash=False)
    prefix: Span | None = None
    output_prefix: Span | None = None
    images: tuple[ImageBlock | ImageUrlBlock, ...] = ()
    audio: tuple[AudioBlock | AudioUrlBlock, ...] = ()
    repair: str | None = None
    _filled: Sources | None = field(default=None, init=False, eq=False, repr=False)

    def __init__(
        self,
        description: str | Span | None = None,
        requirements: Iterable[str | Requirement] | None = None,
        icl_examples: Iterable[str | Span] | None = None,
        grounding_context: Mapping[str, str | Span] | None = None,
        user_variables: Mapping[str, Any] | None = None,
        prefix: str | Span | None = None,
        output_prefix: str | Span | None = None,
        images: Iterable[Any] | None = None,
        audio: Iterable[Any] | None = None,
    ) -> None:
        _check_lists(requirements=requirements, icl_examples=icl_examples, images=images, audio=audio)
        if grounding_context is not None and not isinstance(grounding_context, dict | Mapping):
            raise UsageError(
                "grounding_context has no names.", hint='Pass a mapping: grounding_context={"name": text}.'
            )

        def fill(part: str | Span) -> Span:
            if user_variables is None:
                return blockify(part)
            if isinstance(part, str):
                return CBlock(render_text(part, user_variables))
            if type(part) is not CBlock:
                return blockify(part)
            return CBlock(render_text(str(part), user_variables), sources=part.sources)

        self.__attrs_init__(
            None if description is None else fill(description),
            tuple(_fill_requirement(requirement, user_variables) for requirement in requirements or ()),
            tuple(blockify(part) for part in icl_examples or ()),
            {name: blockify(part) for name, part in (grounding_context or {}).items()},
            None if prefix is None else fill(prefix),
            None if output_prefix is None else fill(output_prefix),
            tuple(make_image_block(image) for image in images or ()),
            tuple(make_audio_block(sound) for sound in audio or ()),
        )
        if user_variables is not None:
            object.__setattr__(self, "_filled", sources_of_values(user_variables))

    def parts(self) -> list[Span]:
        """Return everything the instruction is composed of."""
        single = [part for part in (self.prefix, self.description, self.output_prefix) if part is not None]
        return [
            *single,
            *self.requirements,
            *self.icl_examples,
            *self.grounding_context.values(),
            *self.images,
            *self.audio,
        ]

    def sourced_parts(self) -> Iterator[tuple[Span | str, Sources]]:
        """Iterate over the parts, each with where it comes from unless it says so itself.

        The task and what it must respect are the program's, and what fills them is too unless it says
        otherwise; the grounding is other people's.
        """
        program = PROGRAM if self._filled is None else PROGRAM | self._filled
        for part in (self.prefix, self.description, self.output_prefix, *self.icl_examples):
            if part is not None:
                yield part, program
        for requirement in self.requirements:
            yield requirement.description or "", program
        for name, part in self.grounding_context.items():
            yield part, Sources.of("document", name)
        for medium in (*self.images, *self.audio):
            yield medium, Sources.of("document", "")

    @property
    def about_words(self) -> tuple[str, ...]:
        """Words of what the task is about, as far as they are told in the program's own words alone."""
        from mellea.core.steering.subjects import subject_words  # noqa: PLC0415  few programs steer

        own = self._filled is None and getattr(self.description, "sources", None) is None
        return subject_words(self.told_again) if own else ()

    @property
    def told_again(self) -> str:
        """The task as a steered text is told it once more, last; empty where it is long or has many lines."""
        task = str(self.description).strip() if type(self.description) is CBlock else ""
        return task if len(task) <= _TOLD_AGAIN and "\n" not in task else ""

    def format_for_llm(self) -> TemplateRepresentation:
        """Return the parts for the template."""
        return TemplateRepresentation(
            self,
            {
                "description": self.description,
                "requirements": [
                    part for part in self.requirements if part.description and not part.check_only
                ],
                "icl_examples": self.icl_examples,
                "grounding_context": self.grounding_context,
                "prefix": self.prefix,
                "output_prefix": self.output_prefix,
                "repair": self.repair,
            },
            template_order=["*", "Instruction"],
            images=self.images or None,
            audio=self.audio or None,
        )

    def copy_and_repair(self, repair_string: str) -> Self:
        """Return a copy that shows a text last: what was wrong with the answer so far."""
        twin = copy.copy(self)
        object.__setattr__(twin, "repair", repair_string)
        return twin

    def _parse(self, computed: ModelOutputThunk[Any]) -> str:
        return str(computed)

    @staticmethod
    def apply_user_dict_from_jinja(user_dict: Mapping[str, Any], s: str) -> str:
        """Return a template text with the variables filled in."""
        return render_text(s, user_dict)


def _check_lists(**lists: object) -> None:
    for name, value in lists.items():
        if value is None or isinstance(value, list | tuple):
            continue
        if isinstance(value, str | bytes) or not isinstance(value, Iterable):
            what = "one text" if isinstance(value, str) else f"one {type(value).__name__}"
            raise UsageError(f"{name} is {what}.", hint=f"Pass a list: {name}=[...].")


def _fill_requirement(
    requirement: str | Requirement, user_variables: Mapping[str, Any] | None
) -> Requirement:
    """Return a requirement with the template variables in its description filled in.

    The caller's own stays as it is.
    """
    wanted = reqify(str(requirement) if isinstance(requirement, CBlock) else requirement)
    if user_variables is None or wanted.description is None:
        return wanted
    fill = copy.copy(wanted)
    fill.description = render_text(wanted.description, user_variables)
    return fill
