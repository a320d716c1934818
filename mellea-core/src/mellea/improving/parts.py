"""The texts of a program that can be improved: those that it says again from task to task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from mellea.core.json_text import read_json
from mellea.plugins.base import Plugin
from mellea.plugins.decorators import hook
from mellea.stdlib._wording import Example, TextKind
from mellea.stdlib.components._generative.call import GenerativeCall
from mellea.stdlib.prompts import Prompts, Replacement

__all__ = ["Observer", "Part", "parts_of", "prompts_of"]

_OFTEN = 2
"""In how many tasks a text is seen that is the program's own, and not made for a task."""


@frozen
class Part:
    """A text of a program.

    Args:
        kind: What it is.
        of: The typed function that it belongs to; empty where it is one of an instruction.
        was: The text as the program has it.
        text: The text as it is shown now: another one where the program has loaded prompts.
    """

    kind: TextKind
    of: str
    was: str
    text: str

    @property
    def name(self) -> str:
        """What errors, logs and the search call it."""
        whose = f" of {self.of}" if self.of else ""
        return f"{self.kind}{whose}: {self.was}"


class Observer(Plugin, name="observer"):
    """Notes what a program says and which calls of typed functions go well, in one task."""

    def __init__(self) -> None:
        self.texts: dict[tuple[TextKind, str, str], str] = {}
        self.calls: list[Example] = []

    def reword(self, kind: TextKind, of: str, original: str, text: str) -> str:
        """Note a text, and leave it as it is. See ``Wording``."""
        self.texts[kind, of, original] = text
        return text

    def examples_of(self, head: str) -> None:
        """Have nothing to say of examples."""

    @hook("component_post_success", mode="audit")
    def note(self, payload: Any, ctx: Any) -> None:
        """Note a call of a typed function whose answer meets what the function requires."""
        call = payload.action
        if not isinstance(call, GenerativeCall) or payload.sampling_success is False:
            return
        arguments = call.arguments_text()
        if arguments is not None:
            self.calls.append(Example(call.head, arguments, read_json(str(payload.result))["result"]))


def parts_of(observers: Iterable[Observer]) -> list[Part]:
    """Return the texts that a program has said in several of the tasks that were observed."""
    counts: dict[tuple[TextKind, str, str], list[str]] = {}
    for observer in observers:
        for place, text in observer.texts.items():
            counts.setdefault(place, []).append(text)
    return [Part(*place, texts[0]) for place, texts in counts.items() if len(texts) >= _OFTEN]


def prompts_of(parts: Iterable[Part], texts: Mapping[str, str], examples: Iterable[Example] = ()) -> Prompts:
    """Return the prompts that some texts of a program come to.

    Args:
        parts: The texts as they are.
        texts: What takes their places, by name.
        examples: The examples that typed functions are to show.
    """
    replaced = tuple(
        Replacement(part.kind, part.was, texts[part.name], part.of)
        for part in parts
        if texts[part.name] != part.was
    )
    return Prompts(replaced, tuple(examples))
