"""What a request offers the model to call, and whether it has to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve, field, frozen

from mellea.core.component import Span, TemplateRepresentation, is_component
from mellea.core.errors import UsageError
from mellea.core.message import Message
from mellea.core.options import ModelOption
from mellea.core.tool import Tool, named_tools

__all__ = ["AUTO", "NONE", "REQUIRED", "ToolOffer", "UnknownToolWarning", "choice_of", "tools_of_spans"]

AUTO, REQUIRED, NONE = "auto", "required", "none"


class UnknownToolWarning(UserWarning):
    """The model called a tool that it was not offered; the call is left out."""


@frozen
class ToolOffer:
    """What a request offers.

    Args:
        tools: The tools by name.
        choice: ``auto``, ``required``, ``none``, or the name of the tool that has to be called.
        several: Whether the model may call several at once; None leaves it to the provider.
    """

    tools: Mapping[str, Tool] = field(factory=dict, hash=False)
    choice: str = AUTO
    several: bool | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any], before: Iterable[Span], action: Span) -> ToolOffer:
        """Return what a call offers: the tools of the options, of what was said before, and of the action.

        Of two tools of one name the later one counts.

        Args:
            options: Merged options.
            before: The spans that the model sees before the action.
            action: What it is asked.

        Raises:
            UsageError: What is offered is no tool, or the choice cannot be met.
        """
        tools = named_tools(options.get(ModelOption.TOOLS))
        tools |= tools_of_spans([*before, action])
        several = options.get("parallel_tool_calls")
        return cls(tools, choice_of(options, tools), several if isinstance(several, bool) else None)

    def chosen(self) -> ToolOffer:
        """Return the offer with those tools alone that may be called."""
        if self.choice == NONE:
            return evolve(self, tools={})
        return (
            evolve(self, tools={self.choice: self.tools[self.choice]}) if self.choice in self.tools else self
        )


def tools_of_spans(spans: Iterable[Span]) -> dict[str, Tool]:
    """Return the tools that components bring, by name; the later ones count."""
    tools: dict[str, Tool] = {}
    for span in spans:
        if not is_component(span) or isinstance(span, Message):
            continue
        shown = span.format_for_llm()
        if isinstance(shown, TemplateRepresentation) and shown.tools:
            tools |= named_tools(shown.tools)
    return tools


def choice_of(options: Mapping[str, Any], tools: Mapping[str, Tool]) -> str:
    """Return what the options say of calling tools.

    Raises:
        UsageError: It is neither a choice nor the name of a tool that is offered.
    """
    given: Any = options.get(ModelOption.TOOL_CHOICE)
    if isinstance(given, Mapping):  # as chat completions write it
        function = given.get("function")
        given = function.get("name") if isinstance(function, Mapping) else given.get("name")
    if given is None:
        return AUTO
    if given in (AUTO, NONE) or (given == REQUIRED and tools) or given in tools:
        return str(given)
    there = ", ".join(tools) or "none at all"
    raise UsageError(
        f"TOOL_CHOICE is {given!r}, and the tools offered are {there}; nothing was sent.",
        hint="Pass 'auto', 'required', 'none', or the name of a tool that is offered.",
    )
