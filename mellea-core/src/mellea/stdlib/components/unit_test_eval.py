"""Cases on which a model's answers are judged, as programs of the 0.8 line write them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from mellea.core.component import Component, Span, TemplateRepresentation
from mellea.core.errors import UsageError
from mellea.core.thunk import ModelOutputThunk

__all__ = ["Example", "Message", "TestBasedEval", "TestData"]


class Message(BaseModel):
    """A message of a case."""

    role: str
    content: str


class Example(BaseModel):
    """A case: a conversation, and the answers that are right."""

    input: list[Message]
    targets: list[Message] = []
    input_id: str = ""


class TestData(BaseModel):
    """Cases that are judged by the same instructions."""

    __test__ = False  # it is no test of pytest's

    source: str
    name: str
    instructions: str
    examples: list[Example] = Field(min_length=1)
    id: str


class TestBasedEval(Component[str]):
    """Cases, and what a judge is shown of one of them.

    Args:
        source: Where they come from.
        name: What they are called.
        instructions: The guidelines by which a judge decides.
        inputs: What the model is asked.
        targets: The right answers to each.
        test_id: Their id.
        input_ids: The id of each input.
    """

    __test__ = False

    def __init__(
        self,
        source: str,
        name: str,
        instructions: str,
        inputs: list[str],
        targets: list[list[str]] | None = None,
        test_id: str | None = None,
        input_ids: list[str] | None = None,
    ) -> None:
        self.source = source
        self.name = name
        self.instructions = instructions
        self.inputs = inputs
        self.targets = [] if targets is None else targets
        self.test_id = test_id
        self.input_ids = [] if input_ids is None else input_ids
        self._shown: dict[str, Any] = {}

    @classmethod
    def from_json_file(cls, path: str | PathLike[str]) -> list[Self]:
        """Return the evaluations in a file: one JSON object, or a list of them.

        Of each example the last message of the user is the input; those of the assistant among its targets
        are the right answers.

        Args:
            path: The file.

        Raises:
            UsageError: (a ValueError) What it holds does not fit; the error names it.
            OSError: It cannot be read.
        """
        try:
            read = json.loads(Path(path).read_text(encoding="utf-8"))
            several = read if isinstance(read, list) else [read]
            return [cls._of(data) for data in TypeAdapter(list[TestData]).validate_python(several)]
        except (ValidationError, ValueError, RecursionError) as error:
            raise UsageError(
                f"{path} holds no evaluations: {error}",
                hint="Give each 'source', 'name', 'instructions', 'id' and 'examples' with an 'input'.",
            ) from error

    @classmethod
    def _of(cls, data: TestData) -> Self:
        asked = [(_said(example.input, "user"), example) for example in data.examples]
        known = [(said[-1], example) for said, example in asked if said]
        return cls(
            data.source,
            data.name,
            data.instructions,
            [said for said, _ in known],
            [_said(example.targets, "assistant") for _, example in known],
            data.id,
            [example.input_id for _, example in known],
        )

    def set_judge_context(
        self, input_text: str, prediction: str, targets_for_input: Sequence[str] | None
    ) -> None:
        """Say which case is judged.

        Args:
            input_text: What the model was asked.
            prediction: What it answered.
            targets_for_input: The right answers.
        """
        self._shown = {
            "input": input_text,
            "prediction": prediction,
            "target": _listed(targets_for_input or ()),
            "guidelines": self.instructions,
        }

    def parts(self) -> list[Span]:
        """Return nothing: a case is text."""
        return []

    def format_for_llm(self) -> TemplateRepresentation:
        """Return the case that is judged; without one there is nothing to show."""
        return TemplateRepresentation(self, dict(self._shown), template_order=["*", "TestBasedEval"])

    def _parse(self, computed: ModelOutputThunk[Any]) -> str:
        return str(computed)


def _said(messages: Iterable[Message], role: str) -> list[str]:
    return [message.content for message in messages if message.role == role]


def _listed(targets: Sequence[str]) -> str:
    if len(targets) == 1:
        return targets[0]
    return "\n".join(f"{number}. {target}" for number, target in enumerate(targets, 1)) or "N/A"
