"""The steps of a task, and how their results are checked."""

from __future__ import annotations

from typing import Literal, TypeAlias

from attrs import frozen

__all__ = ["Check", "CheckKind", "Subtask", "as_literal"]

CheckKind: TypeAlias = Literal[
    "at most words",
    "at least words",
    "at most sentences",
    "at least sentences",
    "contains",
    "avoids",
    "judged",
]
"""How a requirement is checked: by counting, by looking for a text, or by a model."""

_CALLS = {
    "at most words": ("word_count", "at_most"),
    "at least words": ("word_count", "at_least"),
    "at most sentences": ("sentence_count", "at_most"),
    "at least sentences": ("sentence_count", "at_least"),
}
_TEXTS = ("contains", "avoids")


@frozen
class Check:
    """A requirement, and how it is checked.

    Args:
        requirement: The requirement in words.
        kind: How it is checked.
        number: What is counted to.
        text: What is looked for.
    """

    requirement: str
    kind: CheckKind = "judged"
    number: int | None = None
    text: str | None = None

    @property
    def function(self) -> str | None:
        """The function of the library that makes the requirement; None where a model judges."""
        return _CALLS[self.kind][0] if self.kind in _CALLS else self.kind if self.kind in _TEXTS else None

    @property
    def expression(self) -> str:
        """What stands for it in a program."""
        if self.kind in _CALLS:
            function, bound = _CALLS[self.kind]
            return f"{function}({bound}={int(self.number or 0)})"
        return (
            f"{self.kind}({as_literal(self.text or '')})"
            if self.kind in _TEXTS
            else as_literal(self.requirement)
        )


@frozen
class Subtask:
    """A step of a task.

    Args:
        name: What its result is called.
        task: What the model is asked.
        needs: The variables, and the results of other steps, that it is given.
        checks: What its result has to meet.
    """

    name: str
    task: str
    needs: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()


def as_literal(text: str) -> str:
    """Return the literal of a text, in double quotes where that takes no escapes."""
    literal = repr(text)
    return f'"{literal[1:-1]}"' if literal[0] == "'" and '"' not in text else literal
