"""What a model is asked to take a task apart: typed functions, each checked and repaired."""

from __future__ import annotations

import graphlib
import re
from collections.abc import Callable, Sequence
from typing import Any

from attrs import frozen

from mellea.core.context import Context
from mellea.core.requirement import Requirement, ValidationResult
from mellea.decompose.program import why_no_name
from mellea.decompose.subtasks import CheckKind
from mellea.stdlib.components.genstub import generative

__all__ = [
    "FoundCheck",
    "Step",
    "checked",
    "choose_check",
    "in_order",
    "list_requirements",
    "list_steps",
    "list_variables",
    "place_requirement",
    "why_no_check",
    "why_no_requirements",
    "why_no_steps",
    "why_no_variables",
]

_MOST_STEPS = 10
_MOST_REQUIREMENTS = 12


@frozen
class Step:
    """One step: the name of its result, what is to be done, and the names of what it needs."""

    name: str
    task: str
    needs: list[str]


@frozen
class FoundCheck:
    """How a requirement is checked: the kind, and the number or the text that goes with it."""

    kind: CheckKind
    number: int | None = None
    text: str | None = None


@generative(strict=True)
async def list_variables(task: str) -> list[str]:
    """List what has to be given along with the task before anybody can carry it out.

    These are the texts that the task speaks of and does not hold, such as "the mail" of
    "Answer the mail". Give each a short name in small letters, with underscores for
    spaces: ["mail"]. The list is empty when the task holds all that it needs.
    """
    raise NotImplementedError


@generative(strict=True)
async def list_steps(task: str, variables: list[str]) -> list[Step]:
    """Take a task apart into the steps that lead to its result, in their order.

    Each step is one thing that a writer can do with what is given. Its name says what its
    result is, in small letters, with underscores for spaces. Its task says in a full
    sentence what to do. Its needs name the variables and the results of earlier steps that
    it works with. The last step gives the result of the whole task, and each other step is
    needed by a later one. A simple task is one step.
    """
    raise NotImplementedError


@generative(strict=True)
async def list_requirements(task: str) -> list[str]:
    """List what the task demands of its result: its length, its form, its tone, its words.

    Take only what the task itself says, each as a short sentence, such as "Use at most 80
    words." The list is empty when the task demands nothing.
    """
    raise NotImplementedError


@generative(strict=True)
async def place_requirement(requirement: str, steps: list[str]) -> str:
    """Say which step's result the requirement is about: give the name of the step alone.

    A requirement on the whole result belongs to the last step.
    """
    raise NotImplementedError


@generative(strict=True)
async def choose_check(requirement: str) -> FoundCheck:
    """Say how to check whether a text meets the requirement.

    "at most words", "at least words", "at most sentences" and "at least sentences" count,
    up to a number that the requirement states. "contains" and "avoids" look for a text
    that the requirement quotes. Everything else is "judged".
    """
    raise NotImplementedError


def checked(description: str, why_not: Callable[[Any], str | None]) -> Requirement:
    """Return a requirement on the value of a typed function.

    Args:
        description: It in words.
        why_not: Returns why a value does not meet it; None if it does.
    """

    def check(ctx: Context) -> ValidationResult:
        output = ctx.last_output()
        value = output.parsed if output is not None and str(output).startswith(("[", "{")) else str(output)
        reason = why_not(value)
        return ValidationResult(reason is None, reason=reason)

    return Requirement(description, check)


def why_no_variables(names: Sequence[str]) -> str | None:
    """Return why names cannot be the variables of a program; None if they can."""
    if len(set(names)) < len(names):
        return "a name is there twice"
    return next((why for name in names if (why := why_no_name(name)) is not None), None)


def why_no_steps(steps: Sequence[Step], variables: Sequence[str]) -> str | None:
    """Return why steps make no program; None if they do.

    Args:
        steps: The steps.
        variables: What is given.
    """
    names = [step.name for step in steps]
    if not 1 <= len(steps) <= _MOST_STEPS:
        return f"there are {len(steps)} steps: give 1 to {_MOST_STEPS}"
    if (why := why_no_variables([*variables, *names])) is not None:
        return f"of the names of the steps and variables, {why}"
    for step in steps:
        if len(step.task.split()) < 2:
            return f"the task of {step.name!r} is {step.task!r}: say in a sentence what to do"
        if strange := [need for need in step.needs if need not in (*variables, *names)]:
            return f"{step.name!r} needs {strange[0]!r}, which is neither a variable nor a step"
        if step.name in step.needs:
            return f"{step.name!r} needs itself"
    try:
        ordered = in_order(steps)
    except graphlib.CycleError as error:
        return f"these steps need each other in a circle: {', '.join(error.args[1])}"
    needed = {need for step in steps for need in step.needs}
    if idle := [step.name for step in ordered[:-1] if step.name not in needed]:
        return f"no step needs {idle[0]!r}, and it is not the last one"
    if unused := [name for name in variables if name not in needed]:
        return f"no step needs the variable {unused[0]!r}"
    return None


def in_order(steps: Sequence[Step]) -> list[Step]:
    """Return steps in an order in which each comes after those that it needs, else as they are.

    Raises:
        CycleError: There is none.
    """
    named = {step.name: step for step in steps}
    graph = {step.name: [need for need in step.needs if need in named] for step in steps}
    return [named[name] for name in graphlib.TopologicalSorter(graph).static_order()]


def why_no_requirements(requirements: Sequence[str]) -> str | None:
    """Return why texts cannot be the requirements of a task; None if they can."""
    if len(requirements) > _MOST_REQUIREMENTS:
        return f"there are {len(requirements)}: give {_MOST_REQUIREMENTS} at the most"
    if len({text.casefold().strip(" .") for text in requirements}) < len(requirements):
        return "one is there twice"
    short = next((text for text in requirements if len(text.split()) < 2), None)
    return None if short is None else f"{short!r} is no sentence"


def why_no_check(found: FoundCheck, requirement: str) -> str | None:
    """Return why a requirement cannot be checked like this; None if it can.

    Args:
        found: How it would be checked.
        requirement: The requirement.
    """
    if found.kind == "judged":
        return None
    if found.kind in ("contains", "avoids"):
        text = (found.text or "").strip()
        return None if text and text.casefold() in requirement.casefold() else "the text does not stand in it"
    numbers = [int(digits) for digits in re.findall(r"\d{1,9}", requirement)]
    return None if found.number is not None and found.number in numbers else "the number does not stand in it"
