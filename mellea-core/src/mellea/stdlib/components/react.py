"""What an agent is asked: a goal with tools, and to go on; and what of it a compactor keeps."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from mellea.core.component import Component, Span, TemplateRepresentation, blockify
from mellea.core.errors import ToolArgumentsError
from mellea.core.pickling import picklable_or_none
from mellea.core.requirement import Requirement
from mellea.core.schema import OutputSchema
from mellea.core.schema_parts import without_root_references
from mellea.core.sources import PROGRAM, USER, Sources
from mellea.core.thunk import ModelOutputThunk
from mellea.core.tool import Tool
from mellea.stdlib.tools.mellea_tool import as_tools

__all__ = [
    "MELLEA_FINALIZER_TOOL",
    "ReactInitiator",
    "ReactThought",
    "finalizer",
    "pin_react_initiator",
    "react_summary_prompt",
]

MELLEA_FINALIZER_TOOL = "final_answer"
"""The name of the tool that an agent answers with."""


def finalizer(schema: OutputSchema | None = None) -> Tool:
    """Return the tool that an agent answers with.

    Args:
        schema: What the answer has to look like; None for any text.
    """
    answer: dict[str, Any] = {"type": "string"}
    definitions: dict[str, Any] = {}
    if schema is not None:
        answer = dict(without_root_references(schema.json_schema))
        definitions = answer.pop("$defs", {})
    parameters = {
        "type": "object",
        "required": ["answer"],
        "properties": {"answer": {**answer, "description": "The answer."}},
        **({"$defs": definitions} if definitions else {}),
    }
    described = {
        "name": MELLEA_FINALIZER_TOOL,
        "description": "Give the answer, and end. Call it alone, once you know the answer.",
        "parameters": parameters,
    }
    return Tool(
        MELLEA_FINALIZER_TOOL,
        _given,
        {"type": "function", "function": described},
        check=_with_answer,
    )


def _given(answer: Any) -> Any:
    return answer


def _with_answer(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the arguments as they are, if an answer is among them: whoever reads it says whether it fits."""
    if "answer" not in given:
        raise ToolArgumentsError(
            f"The arguments of {MELLEA_FINALIZER_TOOL} do not fit: answer: it is missing.",
            hint=f"Call {MELLEA_FINALIZER_TOOL} again, with the answer.",
        )
    return given


class ReactInitiator(Component[str]):
    """A goal, and the tools to come to it with.

    Args:
        goal: What is to be done.
        tools: What may be called beside ``final_answer``, which is always there.
        requirements: What the answer must respect.
        schema: What the answer has to look like.
        offers: Whether whoever sees this in a conversation may call the tools. An agent of a session offers
            them for its own turns alone.

    Warns:
        UserWarning: A tool is named ``final_answer`` itself; it cannot be called.
    """

    def __init__(
        self,
        goal: str | Span,
        tools: Iterable[Any] | Mapping[str, Any] | None = None,
        *,
        requirements: Iterable[Requirement] = (),
        schema: OutputSchema | None = None,
        offers: bool = True,
    ) -> None:
        self.goal = blockify(goal)
        self.tools: list[Any] = [*(tools.values() if isinstance(tools, Mapping) else tools or ())]
        self.requirements = tuple(requirements)
        self.offers = offers
        self._finalizer = finalizer(schema)

    def parts(self) -> list[Span]:
        """Return the goal."""
        return [self.goal]

    def sourced_parts(self) -> Iterator[tuple[Span | str, Sources]]:
        """Iterate over the parts, each with where it comes from unless it says so itself.

        The goal is the user's, and what its answer must respect is the program's.
        """
        yield self.goal, USER
        for requirement in self.requirements:
            yield requirement.description or "", PROGRAM

    def __copy__(self) -> Self:
        twin = object.__new__(type(self))
        vars(twin).update(vars(self))
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self.__copy__()  # a tool is no part of what offers it

    def __getstate__(self) -> dict[str, Any]:  # tools may belong to this process alone
        kept = [tool for tool in self.tools if picklable_or_none(tool) is not None]
        return {**self.__dict__, "tools": kept}

    def __repr__(self) -> str:
        return f"ReactInitiator({str(self.goal)[:60]!r}, {len(self.tools)} tools)"

    def callable_tools(self) -> dict[str, Tool]:
        """Return what may be called, by name, ``final_answer`` among it."""
        named = as_tools(self.tools)
        if MELLEA_FINALIZER_TOOL in named:
            warnings.warn(
                f"A tool is named {MELLEA_FINALIZER_TOOL}, as the one that an agent answers with; "
                "it is not offered. Give it another name.",
                UserWarning,
                stacklevel=2,
            )
        return {**named, MELLEA_FINALIZER_TOOL: self._finalizer}

    def format_for_llm(self) -> TemplateRepresentation:
        """Return the goal and how to come to an answer, with the tools."""
        args: dict[str, Any] = {"goal": self.goal, "finalizer_tool_name": MELLEA_FINALIZER_TOOL}
        shown = [one for one in self.requirements if one.description and not one.check_only]
        if shown:
            args["requirements"] = shown
        return TemplateRepresentation(
            self,
            args,
            tools=self.callable_tools() if self.offers else None,
            template_order=["*", "ReactInitiator"],
        )

    def _parse(self, computed: ModelOutputThunk[Any]) -> str:
        return computed.value or ""


class ReactThought(Component[str]):
    """The word to go on, for an agent that has called nothing."""

    def __repr__(self) -> str:
        return "ReactThought()"

    def parts(self) -> list[Span]:
        """Return nothing."""
        return []

    def sourced_parts(self) -> Iterator[tuple[Span | str, Sources]]:
        """Iterate over nothing: the words are ours."""
        return iter(())

    def format_for_llm(self) -> TemplateRepresentation:
        """Return what the template makes the text of."""
        return TemplateRepresentation(self, {}, template_order=["*", "ReactThought"])

    def _parse(self, computed: ModelOutputThunk[Any]) -> str:
        return computed.value or ""


def pin_react_initiator(spans: list[Span]) -> int:
    """Pin everything up to and with the first goal of an agent; nothing where there is none."""
    return next((place for place, span in enumerate(spans, 1) if isinstance(span, ReactInitiator)), 0)


def react_summary_prompt(goal: str | None = None, max_tokens_hint: int | None = None) -> str:
    """Return the prompt by which a compactor summarises the way of an agent.

    For ``LLMSummarizeCompactor(prompt_template=...)``.

    Args:
        goal: What the agent is to do.
        max_tokens_hint: How many tokens the summary may take.
    """
    # The summariser puts the conversation where this stands; a goal may hold the same word.
    plain = None if goal is None else goal.replace("{conversation}", "{ conversation }")
    aim = "" if plain is None else f"The goal is: {plain}\n\n"
    length = f" Write at most {max_tokens_hint} tokens." if max_tokens_hint is not None else ""
    return (
        f"{aim}Summarise the work of an agent so far, for the agent itself, which goes on from there. Keep "
        "every fact that it found out, with names and numbers, which tools it called with which arguments, "
        f"what failed, and what is still to be done.{length}\n\n{{conversation}}"
    )
