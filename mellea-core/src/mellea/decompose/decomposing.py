"""Taking a task apart, step by step; what a model cannot do is an error that names the step."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from mellea.core.errors import ModelError, UsageError
from mellea.core.event_loop import synchronous
from mellea.core.options import ModelOption
from mellea.decompose import steps as asked
from mellea.decompose.decomposition import Decomposition
from mellea.decompose.steps import Step, checked
from mellea.decompose.subtasks import Check, Subtask
from mellea.stdlib.context.simple import SimpleContext
from mellea.stdlib.sampling.repair import RepairTemplateStrategy
from mellea.stdlib.session import MelleaSession

__all__ = ["DecompositionError", "adecompose", "decompose"]

T = TypeVar("T")

_MOST_TOKENS = 1_500


class DecompositionError(ModelError):
    """A model could not take a task apart.

    Args:
        message: What happened.
        step: What it could not do.
    """

    def __init__(self, message: str, step: str = "", **fields: Any) -> None:
        super().__init__(message, **fields)
        self.step = step


async def adecompose(
    task: str, session: MelleaSession, *, variables: Sequence[str] | None = None, attempts: int = 3
) -> Decomposition:
    """Return a task taken apart into subtasks with variables and requirements, and a program of them.

    Each step of it is a typed function whose answer is checked, and repaired with the reason. There is no
    half result: what the model cannot do is an error that says what.

    Args:
        task: The task.
        session: Asks the model; its conversation stays as it is.
        variables: The names of what is given along with the task; by default the model finds them.
        attempts: How often each answer is tried.

    Raises:
        DecompositionError: The model could not do a step.
        UsageError: The task is empty, or a variable has no name that a program can use.
        ProviderError: The provider failed.
    """
    if not task.strip():
        raise UsageError("The task is empty.", hint="Say what is to be done.")
    if variables is not None and (why := asked.why_no_variables(variables)) is not None:
        raise UsageError(f"These variables cannot be used: {why}.", hint="Give others.")
    twin = session.clone()
    twin.ctx = SimpleContext()
    try:
        return await _Decomposing(task, twin, attempts).carried_out(variables)
    finally:
        await twin.aclose()


decompose = synchronous(adecompose)


class _Decomposing:
    def __init__(self, task: str, session: MelleaSession, attempts: int) -> None:
        self.task = task
        self.session = session
        options = session.model_options
        self.settings: dict[str, Any] = {"strategy": RepairTemplateStrategy(loop_budget=attempts)}
        if ModelOption.MAX_NEW_TOKENS not in options:
            self.settings["model_options"] = {ModelOption.MAX_NEW_TOKENS: _MOST_TOKENS}

    async def carried_out(self, variables: Sequence[str] | None) -> Decomposition:
        names = await self._variables() if variables is None else list(variables)
        steps = await self._steps(names)
        requirements = await self._requirements()
        placed: dict[str, list[Check]] = {step.name: [] for step in steps}
        for requirement in requirements:
            placed[await self._place(requirement, steps)].append(await self._check(requirement))
        return Decomposition(
            self.task,
            tuple(names),
            tuple(
                Subtask(step.name, step.task, tuple(dict.fromkeys(step.needs)), tuple(placed[step.name]))
                for step in steps
            ),
        )

    async def _variables(self) -> list[str]:
        wanted = checked("Each is a name of its own, such as mail or first_letter.", asked.why_no_variables)
        found = asked.list_variables(self.session, task=self.task, requirements=[wanted], **self.settings)
        return list(await _done("find the variables", found))

    async def _steps(self, variables: list[str]) -> list[Step]:
        wanted = checked(
            "Names are of their own; needs are variables or other steps; nothing is left unused.",
            lambda steps: asked.why_no_steps(steps, variables),
        )
        found = asked.list_steps(
            self.session, task=self.task, variables=variables, requirements=[wanted], **self.settings
        )
        return asked.in_order(await _done("list the subtasks", found))

    async def _requirements(self) -> list[str]:
        wanted = checked("Each is a short sentence of its own.", asked.why_no_requirements)
        found = asked.list_requirements(self.session, task=self.task, requirements=[wanted], **self.settings)
        return [text.strip() for text in await _done("list the requirements", found)]

    async def _place(self, requirement: str, steps: list[Step]) -> str:
        if len(steps) == 1:
            return steps[0].name
        names = [step.name for step in steps]
        wanted = checked(
            f"It is one of {', '.join(names)}.",
            lambda name: None if str(name).strip("\"' ") in names else f"{name!r} is no step",
        )
        found = asked.place_requirement(
            self.session,
            requirement=requirement,
            steps=[f"{step.name}: {step.task}" for step in steps],
            requirements=[wanted],
            **self.settings,
        )
        return str(await _done(f"find the subtask of the requirement {requirement!r}", found)).strip("\"' ")

    async def _check(self, requirement: str) -> Check:
        wanted = checked(
            "A number or a text stands in the requirement itself.",
            lambda found: asked.why_no_check(found, requirement),
        )
        try:
            found = await asked.choose_check(
                self.session, requirement=requirement, requirements=[wanted], **self.settings
            )
        except ModelError:
            return Check(requirement)  # a model can judge whatever code cannot check
        text = found.text.strip() if found.text else None
        return Check(requirement, found.kind, found.number, text)


async def _done(what: str, work: Coroutine[Any, Any, T]) -> T:
    """Return what a step comes to.

    Raises:
        DecompositionError: The model could not do it.
    """
    try:
        return await work
    except ModelError as error:
        raise DecompositionError(
            f"The model could not {what}. {error.message}",
            what,
            hint="Take a larger model, say the task in other words, or name the variables yourself.",
        ) from error
