"""Tasks: what is asked, and what the answer must respect."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Self

from attrs import evolve, field, frozen

from mellea.core.errors import UsageError
from mellea.core.requirement import Requirement
from mellea.evaluation.checks import requirement_of
from mellea.stdlib.requirements.requirement import LLMaJRequirement

__all__ = ["Task", "read_tasks", "tasks_of"]

_KEYS = {"id", "prompt", "inputs", "requirements"}


def _all_of(written: Any) -> tuple[Requirement, ...]:
    if isinstance(written, str | Mapping | Requirement):
        return (requirement_of(written),)
    if not isinstance(written, Iterable):
        raise UsageError(f"The requirements are {written!r}.", hint="Write a list of them.")
    return tuple(map(requirement_of, written))


@frozen
class Task:
    """What is asked, and what the answer must respect.

    Args:
        prompt: What the model is asked; with inputs it is a template, ``{{name}}`` in it stands for one.
        inputs: What a program gets, by the names of its parameters.
        requirements: What the answer is checked for, as a file names it or as objects; the model is not shown
            them.
        id: What it is called; by default its number.

    Raises:
        UsageError: It has neither a prompt nor inputs, or something does not make sense.
    """

    prompt: str | None = field(default=None)
    inputs: Mapping[str, Any] = field(factory=dict)
    requirements: tuple[Requirement, ...] = field(default=(), converter=_all_of)
    id: str = field(default="", converter=str)

    def __attrs_post_init__(self) -> None:
        if self.prompt is not None and not isinstance(self.prompt, str):
            raise UsageError(f"The prompt is {self.prompt!r}.", hint="Write text.")
        if not isinstance(self.inputs, Mapping):
            raise UsageError(f"The inputs are {self.inputs!r}.", hint="Write an object of names and values.")
        if self.prompt is None and not self.inputs:
            raise UsageError("There is nothing to ask.", hint="Give a prompt, inputs, or both.")

    @classmethod
    def of(cls, written: Mapping[str, Any]) -> Self:
        """Return the task that a JSON object stands for.

        Raises:
            UsageError: It is none.
        """
        if not isinstance(written, Mapping):
            raise UsageError(f"{written!r} is no task.", hint='Write {"prompt": ..., "requirements": [...]}.')
        if unknown := sorted(set(written) - _KEYS):
            raise UsageError(
                f"A task has no {', '.join(map(repr, unknown))}.", hint=f"It has {', '.join(sorted(_KEYS))}."
            )
        return cls(**{key: value for key, value in written.items() if value is not None})

    @property
    def question(self) -> str:
        """The task in words, for whoever judges the answer."""
        inputs = "\n".join(f"{name}: {value}" for name, value in self.inputs.items())
        return "\n\n".join(filter(None, (self.prompt, inputs)))


class _Guidelines(LLMaJRequirement):
    """What an evaluation of 0.8 is judged by; its name is the evaluation's, whatever the case."""

    def __init__(self, evaluation: str, instructions: str, targets: list[str]) -> None:
        right = "\n".join(f"- {target}" for target in targets)
        super().__init__(f"{instructions}\nRight answers are:\n{right}" if right else instructions)
        self._evaluation = evaluation

    @property
    def name(self) -> str:
        return self._evaluation


def read_tasks(*paths: str | PathLike[str]) -> list[Task]:
    """Return the tasks in files: one JSON object in each line, a list of them, or evaluations of 0.8.

    Raises:
        UsageError: A file cannot be read or holds no tasks, or two tasks have the same id; the error names
            the file and the line.
    """
    return _distinct(itertools.chain.from_iterable(map(_of_file, map(Path, paths))))


def tasks_of(given: str | PathLike[str] | Iterable[Task | Mapping[str, Any]]) -> list[Task]:
    """Return the tasks in a file, or those that are given, as objects or as mappings.

    Raises:
        UsageError: There is none, or one makes no sense.
    """
    if isinstance(given, str | PathLike):
        return read_tasks(given)
    return _distinct(task if isinstance(task, Task) else Task.of(task) for task in given)


def _distinct(tasks: Iterable[Task]) -> list[Task]:
    """Return tasks of which each has an id of its own."""
    named = [task if task.id else evolve(task, id=str(number)) for number, task in enumerate(tasks, 1)]
    if not named:
        raise UsageError("There are no tasks.", hint="Write one JSON object in each line of the file.")
    seen: set[str] = set()
    for task in named:
        if task.id in seen:
            raise UsageError(f"Two tasks are called {task.id!r}.", hint="Give each an id of its own.")
        seen.add(task.id)
    return named


def _of_file(path: Path) -> Iterator[Task]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{path} cannot be read: {why}.", hint="Pass a file of tasks.") from error
    entries = list(_entries(path, text))
    if any(isinstance(entry, Mapping) and "examples" in entry for _, entry in entries):
        yield from _of_evaluations(path)
        return
    for where, entry in entries:
        try:
            yield Task.of(entry)
        except UsageError as error:
            raise UsageError(f"{where}: {error.message}", hint=error.hint) from error


def _entries(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    """Iterate over the JSON values in a text, each with where it stands."""
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        pass
    else:
        several = whole if isinstance(whole, list) else [whole]
        yield from ((f"{path}, entry {number}", entry) for number, entry in enumerate(several, 1))
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield f"{path}, line {number}", json.loads(line)
            except (ValueError, RecursionError) as error:
                raise UsageError(
                    f"{path}, line {number} is no JSON: {error}.", hint="Write one JSON object in each line."
                ) from error


def _of_evaluations(path: Path) -> Iterator[Task]:
    """Iterate over the cases of the evaluations of 0.8 in a file."""
    from mellea.stdlib.components.unit_test_eval import TestBasedEval  # noqa: PLC0415  pydantic, for few files

    for one in TestBasedEval.from_json_file(path):
        cases = zip(one.inputs, one.targets, one.input_ids, strict=True)
        for number, (asked, targets, known) in enumerate(cases, 1):
            yield Task(
                asked, requirements=_Guidelines(one.name, one.instructions, targets),
                id=known or f"{one.test_id}-{number}",
            )  # fmt: skip
