"""Instructions that can be verified: small tasks with two or three requirements that code checks."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from mellea import Requirement, check, req, simple_validate

__all__ = ["TASKS", "Task"]


@frozen
class Task:
    """What to ask, and what the answer must respect."""

    text: str
    requirements: tuple[Requirement, ...]


def _that(description: str, test: Callable[[str], bool], reason: str) -> Requirement:
    return req(description, simple_validate(lambda text: (test(text.strip()), reason)))


def _hidden(wanted: Requirement) -> Requirement:
    """Return a requirement that the prompt does not show, so that only a repair can tell the model of it."""
    return check(wanted.description, wanted.validation_fn)


def _contains(word: str) -> Requirement:
    return _that(f'Mention "{word}".', lambda text: word.lower() in text.lower(), f'"{word}" is missing')


def _at_most(words: int) -> Requirement:
    return _that(
        f"Use at most {words} words.",
        lambda text: len(text.split()) <= words,
        f"it has more than {words} words",
    )


def _ends(mark: str) -> Requirement:
    return _that(f'End with "{mark}".', lambda text: text.endswith(mark), f'it does not end with "{mark}"')


_ONE_LINE = _that("Write one line only.", lambda text: "\n" not in text, "it has several lines")
_NO_COMMA = _that("Do not use a comma.", lambda text: "," not in text, "there is a comma in it")

TASKS = (
    Task("Name a fruit.", (_at_most(8), _ONE_LINE, _hidden(_contains("mango")))),
    Task("What is the capital of France?", (_contains("Paris"), _at_most(6), _ends("."))),
    Task("Write a sentence about the sea.", (_contains("sea"), _at_most(12), _hidden(_contains("fish")))),
    Task("Greet somebody.", (_at_most(8), _hidden(_contains("Olivia")))),
    Task("Name a colour.", (_ONE_LINE, _hidden(_contains("purple")))),
    Task("Say that it is raining.", (_contains("rain"), _at_most(8), _NO_COMMA)),
    Task("Name an animal.", (_at_most(8), _hidden(_contains("horse")))),
    Task("How many legs does a cat have?", (_contains("four"), _at_most(6))),
)
