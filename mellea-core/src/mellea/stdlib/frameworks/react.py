"""Agents: a model that calls tools, turn by turn, until it knows the answer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import evolve

from mellea.core._chunk_stream import make_ready
from mellea.core.backend import Backend
from mellea.core.budget import Budget, Spending
from mellea.core.capabilities import Capability
from mellea.core.component import Span
from mellea.core.context import Context
from mellea.core.errors import UsageError
from mellea.core.foreign_backend import as_backend
from mellea.core.generate_config import GenerateConfig
from mellea.core.hooks import listens
from mellea.core.judges import backend_of, judge_in_force
from mellea.core.options import ModelOption
from mellea.core.requirement import Requirement
from mellea.core.schema import OutputSchema
from mellea.core.thunk import ModelOutputThunk
from mellea.core.tool import check_names
from mellea.core.tool_offer import AUTO, REQUIRED
from mellea.stdlib._asked import Asked
from mellea.stdlib.components.react import ReactInitiator
from mellea.stdlib.context.chat import ChatContext
from mellea.stdlib.context.compactor import Compactor, InlineCompactor
from mellea.stdlib.frameworks._agent_request import AgentRequest
from mellea.stdlib.frameworks._turns import Turns
from mellea.stdlib.frameworks.agent_run import AgentRun
from mellea.stdlib.requirements.validate import judged_by
from mellea.stdlib.sampling._request import SamplingRequest, requirements_of
from mellea.stdlib.tools.run import ToolRunner

if TYPE_CHECKING:
    from mellea.stdlib._told_call import ToldCall

__all__ = ["DEFAULT_TURNS", "begin_react", "react"]

DEFAULT_TURNS = 10
"""How many turns an agent has where no budget is given."""


async def begin_react(
    goal: str | Span,
    context: Context,
    backend: Backend,
    *,
    tools: Iterable[Any] | Mapping[str, Any] | None = None,
    requirements: Iterable[str | Requirement] | None = None,
    format: Any = None,
    budget: Budget | None = None,
    compactor: Compactor | InlineCompactor | None = None,
    runner: ToolRunner | None = None,
    model_options: Mapping[str, Any] | None = None,
    offers: bool = False,
) -> AgentRun[Any]:
    """Return the run of an agent, which begins when it is read.

    Args:
        goal: What is to be done.
        context: The conversation that led here.
        backend: What generates.
        tools: What the model may call; tools among the options are added to them.
        requirements: What the answer must respect.
        format: A pydantic class or JSON schema that the answer must fit.
        budget: What the run may spend in all.
        compactor: Makes the conversation shorter between turns.
        runner: How calls are carried out.
        model_options: Options of every generation.
        offers: Whether the tools are offered as long as the conversation shows the goal, and not for the run
            alone.

    Raises:
        UsageError: The agent cannot be carried out as it was written; nothing was sent.
    """
    asked = as_backend(backend)
    config = GenerateConfig(None, model_options, True)
    if isinstance(tools, str | bytes) or not isinstance(tools, Iterable | None):
        raise UsageError("tools is no list of tools.", hint="Pass tools=[first, second].")
    named = [*(tools.values() if isinstance(tools, Mapping) else tools or ())]
    others = config.options.get(ModelOption.TOOLS)
    named += [*(others.values() if isinstance(others, Mapping) else others or ())]
    check_names(named)
    schema = None if format is None else OutputSchema.of(format)
    required = requirements_of(requirements)
    action = ReactInitiator(goal, named, requirements=required, schema=schema, offers=offers)
    told: ToldCall | None = None
    if listens("any"):
        from mellea.stdlib._told_call import ToldCall  # noqa: PLC0415  only where somebody listens

        told = ToldCall(action, context)
        changed = await told.begin(Asked(evolve(config, format=format), required))
        config, format = evolve(changed.config, format=None), changed.config.format
        required = requirements_of(changed.requirements)
    try:
        spare = budget or Budget(attempts=DEFAULT_TURNS)
        plan = await _planned(action, context, asked, required, config, format, spare, compactor, runner)
    except BaseException as error:
        if told is not None:
            await told.failed(error)
        raise
    return AgentRun(Turns(plan), told)


async def _planned(
    action: ReactInitiator,
    context: Context,
    backend: Backend,
    requirements: tuple[Requirement, ...],
    config: GenerateConfig,
    format: Any,
    budget: Budget,
    compactor: Compactor | InlineCompactor | None,
    runner: ToolRunner | None,
) -> AgentRequest:
    """Return what an agent is asked for, once its backend says what it can."""
    await make_ready(backend)
    given = config.options.get(ModelOption.TOOL_LOOP)
    chosen = runner or (given if isinstance(given, ToolRunner) else None)
    speaks = await backend.calls_tools(AUTO, with_schema=False)
    judge = judge_in_force()
    call = SamplingRequest(
        action,
        context,
        backend,
        backend_of(judge, backend),
        judged_by(judge, requirements),
        config,
        rounds=1,
        lanes=1,
        at_once=1,
        spare_judges=True,
        spending=Spending(budget),
    )
    return AgentRequest(
        call,
        action.callable_tools(),
        format,
        None if format is None else OutputSchema.of(format),
        chosen or ToolRunner(),
        None if chosen is None else chosen.rounds,
        compactor,
        constrains=not speaks,
        forces=Capability.JSON_SCHEMA in backend.capabilities
        or await backend.calls_tools(REQUIRED, with_schema=False),
    )


class _NoConversationError(UsageError, AssertionError):
    pass


async def react(
    goal: str | Span,
    context: Context,
    backend: Backend,
    *,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
    tools: Iterable[Any] | None,
    loop_budget: int = DEFAULT_TURNS,
    compactor: Compactor | InlineCompactor | None = None,
    requirements: Iterable[str | Requirement] | None = None,
    budget: Budget | None = None,
    runner: ToolRunner | None = None,
) -> tuple[ModelOutputThunk[Any], Context]:
    """Let an agent come to a goal: the asynchronous form that programs of the 0.8 line know.

    ``mellea.stdlib.functional`` and sessions have ``react`` and ``areact``, ``stream_react`` and
    ``astream_react``.

    Args:
        goal: What is to be done.
        context: The conversation that led here, a ``ChatContext``.
        backend: What generates.
        format: A pydantic class or JSON schema that the answer must fit.
        model_options: Options of every generation; tools among them are added to the others.
        tools: What the model may call.
        loop_budget: How many turns there are; -1 for no limit.
        compactor: Makes the conversation shorter between turns.
        requirements: What the answer must respect.
        budget: What the run may spend in all, instead of ``loop_budget``.
        runner: How calls are carried out.

    Returns:
        The answer, and the conversation with everything that led to it.

    Raises:
        BudgetError: (a RuntimeError) The budget is spent; its ``result`` has every turn.
        UsageError: The agent cannot be carried out as it was written; nothing was sent. For a context that is
            no ``ChatContext``, or no number of turns, also an AssertionError.
        ProviderError: The provider failed.
    """
    if not isinstance(context, ChatContext):
        raise _NoConversationError(
            f"{type(context).__name__} is no conversation for an agent.",
            hint="Pass a ChatContext, or use react of a session.",
        )
    if (
        isinstance(loop_budget, bool)
        or not isinstance(loop_budget, int)
        or loop_budget < -1
        or not loop_budget
    ):
        raise _NoConversationError(
            f"loop_budget is {loop_budget!r}.", hint="Pass the number of turns, or -1 for no limit."
        )
    spare = Budget(attempts=None if loop_budget == -1 else loop_budget)
    run = await begin_react(
        goal,
        context,
        backend,
        tools=tools,
        requirements=requirements,
        format=format,
        budget=budget or spare,
        compactor=compactor,
        runner=runner,
        model_options=model_options,
        offers=True,
    )
    await run.acomplete()
    return run.output, run.context
