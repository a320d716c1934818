"""Calling a program with a task, and reading what it returns."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from typing import Any

from mellea.core.errors import UsageError
from mellea.core.event_loop import in_thread
from mellea.core.message import Message
from mellea.core.sampling import SamplingResult
from mellea.core.thunk import ModelOutputThunk
from mellea.evaluation.tasks import Task
from mellea.stdlib.session import MelleaSession

__all__ = ["answer_of", "takes_session"]


async def answer_of(
    program: Callable[..., Any] | None, session: MelleaSession | None, task: Task
) -> ModelOutputThunk[Any]:
    """Return what a program gives for a task; without a program, what the model says to the prompt.

    Args:
        program: What is called.
        session: What it gets, if it takes one.
        task: What is asked.

    Raises:
        UsageError: The program cannot take what the task has.
    """
    return await _output(await _called(program, session, task))


async def _called(program: Callable[..., Any] | None, session: MelleaSession | None, task: Task) -> Any:
    if program is None:
        assert session is not None  # noqa: S101  whoever has no program has a session
        if task.prompt is not None and task.inputs:
            return await session.ainstruct(task.prompt, user_variables=dict(task.inputs), strategy=None)
        return await session.aact(Message("user", task.question), strategy=None, await_result=True)
    args, kwargs = _arguments(program, session, task)
    if inspect.iscoroutinefunction(program):
        return await program(*args, **kwargs)
    given = await in_thread(lambda: program(*args, **kwargs))
    return await given if inspect.isawaitable(given) else given


def _arguments(
    program: Callable[..., Any], session: MelleaSession | None, task: Task
) -> tuple[list[Any], dict[str, Any]]:
    """Return the arguments of a program: the inputs by name where it has these names, else the one thing.

    Raises:
        UsageError: It takes neither.
    """
    first = [] if session is None else [session]
    parameters = _own_parameters(program)
    if task.inputs and set(task.inputs) <= set(parameters):
        return first, dict(task.inputs)
    if task.inputs and any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values()):
        return first, dict(task.inputs)
    if parameters:
        return [*first, dict(task.inputs) if task.prompt is None else task.prompt], {}
    name = getattr(program, "__name__", repr(program))
    raise UsageError(
        f"{name} cannot take task {task.id!r}.",
        hint="Give it a parameter for the prompt, or one of each name of the inputs.",
    )


_SESSION_NAMES = {"m", "session"}


def takes_session(program: Callable[..., Any]) -> bool:
    """Tell whether the first argument of a program is a session.

    Its name is ``m`` or ``session``, or its type is; that of a typed function always is.
    """
    if _is_typed_function(program):
        return True
    first = next(iter(inspect.signature(program).parameters.values()), None)
    if first is None:
        return False
    kind = first.annotation
    named = kind if isinstance(kind, str) else getattr(kind, "__name__", "")
    return first.name in _SESSION_NAMES or named.rpartition(".")[2] == "MelleaSession"


def _own_parameters(program: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """Return the parameters of a program but for its session."""
    parameters = dict(inspect.signature(program).parameters)
    if not _is_typed_function(program) and takes_session(program):
        del parameters[next(iter(parameters))]
    return parameters


def _is_typed_function(program: Callable[..., Any]) -> bool:
    from mellea.stdlib.components.genstub import GenerativeStub  # noqa: PLC0415  pydantic, for programs that have it

    return isinstance(program, GenerativeStub)


async def _output(value: Any) -> ModelOutputThunk[Any]:
    """Return what a program returned as a finished output."""
    if isinstance(value, SamplingResult):
        value = value.result
    if isinstance(value, ModelOutputThunk):
        await value.avalue()
        return value
    if isinstance(value, Message):
        return ModelOutputThunk(value.content)
    return ModelOutputThunk(value if isinstance(value, str) else _as_text(value))


def _as_text(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError):
        from pydantic_core import to_json  # noqa: PLC0415  pydantic's values come with pydantic

        return to_json(value, fallback=str).decode()
