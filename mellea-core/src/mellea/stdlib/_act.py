"""One component, block or text, asked of the model: what every verb that makes attempts comes down to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from mellea.core.backend import Backend
from mellea.core.component import Component, Span, blockify
from mellea.core.context import Context
from mellea.core.errors import UsageError
from mellea.core.generate_config import GenerateConfig
from mellea.core.requirement import Requirement
from mellea.core.sampling import SamplingStrategy
from mellea.stdlib._asked import Asked
from mellea.stdlib._generate import loops, sample, start_generation, tool_options, wait_or_cancel
from mellea.stdlib._signatures import ActOptions, Tools, with_options
from mellea.stdlib._told import told
from mellea.stdlib.sampling._default_strategy import ONE_ATTEMPT
from mellea.stdlib.sampling._failure import warn_of_failure

if TYPE_CHECKING:
    from mellea.stdlib.tools.run import ToolRunner

__all__ = ["aact", "acted"]

S = TypeVar("S")


@with_options(ActOptions)
async def aact(
    action: Component[S] | Span | str,
    context: Context,
    backend: Backend,
    *,
    await_result: bool = False,
    **options: Unpack[ActOptions],
) -> tuple[Any, Context]:
    """Ask the model for one component, block or text.

    Args:
        action: What the model is asked.
        context: The conversation that led here.
        backend: What generates.

    Returns:
        The output, or with ``return_sampling_results`` every attempt; and the context with the action and the
        output added.

    Raises:
        RequirementsNotMetError: With ``strict``, no attempt met every requirement.
        UsageError: The call cannot be carried out; nothing was sent.
        ProviderError: The provider failed.

    Warns:
        RequirementsNotMetWarning: No attempt met every requirement, and the best one is returned.
    """
    return await acted(action, context, backend, await_result=await_result, **options)


async def acted(
    action: Span | str,
    context: Context,
    backend: Backend,
    *,
    requirements: Iterable[str | Requirement] | None = None,
    strategy: str | SamplingStrategy | None = None,
    return_sampling_results: bool = False,
    strict: bool | None = None,
    steer: bool | None = None,
    format: Any = None,
    model_options: Mapping[str, Any] | None = None,
    tool_calls: bool = False,
    tools: Tools | None = None,
    tool_loop: bool | ToolRunner | None = None,
    await_result: bool = False,
    warns: bool = True,
) -> tuple[Any, Context]:
    """Carry out ``aact``; ``warns`` is whether to say that the output does not meet every requirement."""
    config = GenerateConfig(format, *tool_options(model_options, tool_calls, tools, tool_loop, loops=True))
    config = config.steered(steer)
    if strategy is None and loops(config) and not (requirements or return_sampling_results or strict):
        strategy = ONE_ATTEMPT
    asked = Asked(config, requirements, strategy)
    begun = blockify(action)
    carry_out = partial(
        _carried_out,
        begun,
        context,
        backend,
        return_sampling_results,
        strict,
        await_result,
        warns,
    )
    return await told(begun, context, asked, carry_out)


async def _carried_out(
    begun: Component[Any] | Span,
    context: Context,
    backend: Backend,
    return_sampling_results: bool,
    strict: bool | None,
    await_result: bool,
    warns: bool,
    asked: Asked,
) -> tuple[Any, Context]:
    """Return the output, or every attempt, and the context with it."""
    if asked.strategy is None:
        _check_no_strategy(
            requirements=asked.requirements,
            return_sampling_results=return_sampling_results,
            strict=strict,
        )
        thunk, after = await start_generation(begun, context, backend, asked.config)
        return await wait_or_cancel(thunk) if await_result else thunk, after
    result = await sample(
        begun,
        context,
        backend,
        asked.config,
        requirements=asked.requirements,
        strategy=asked.strategy,
        strict=bool(strict),
    )
    if return_sampling_results:
        return result, result.result_ctx
    if warns:
        warn_of_failure(result.result)
    ended: Context | None = result.result_ctx  # a strategy of somebody else may leave it out
    return result.result, context.add(begun).add(result.result) if ended is None else ended


def _check_no_strategy(**asked: Any) -> None:
    """Refuse, for a call without a strategy, what only a strategy can carry out."""
    for name, given in asked.items():
        if given:
            raise UsageError(
                f"{name} needs a strategy.", hint="Pass strategy=RejectionSamplingStrategy() or another one."
            )
