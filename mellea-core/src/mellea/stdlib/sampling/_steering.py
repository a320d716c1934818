"""How the requirements of a call steer it.

Their forms become one pattern, where the backend keeps patterns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve, frozen

from mellea.core.backend import Backend
from mellea.core.capabilities import Capability
from mellea.core.component import Span
from mellea.core.generate_config import GenerateConfig
from mellea.core.generation import resolve_all
from mellea.core.options import ModelOption
from mellea.core.requirement import Requirement
from mellea.core.sampling import Attempt
from mellea.core.steering import Steering, steer
from mellea.core.text_pattern import TextPattern
from mellea.stdlib.sampling._request import SamplingRequest

__all__ = ["SteeringReport", "fates_of", "steer_config", "steer_request", "steering_of"]


@frozen
class SteeringReport:
    """How the requirements of a call steer it.

    Args:
        outcomes: What became of each requirement that has a form, by its name: ``steered``, or ``checked: ``
            and why.
        steering: The plan and the pattern; None where nothing steers.
    """

    outcomes: Mapping[str, str]
    steering: Steering | None = None

    def __str__(self) -> str:
        return "\n".join(f"{name}: {outcome}" for name, outcome in self.outcomes.items())


async def steer_request(call: SamplingRequest) -> SamplingRequest:
    """Return the call, held to the pattern that its requirements make together.

    See ``steer_config``.
    """
    config, report = await steer_config(call.action, call.requirements, call.backend, call.config)
    guards = report.steering.guards if report.steering is not None else None
    return evolve(call, config=config, steering=report.outcomes, guards=guards)


async def steer_config(
    action: Span, requirements: Iterable[Requirement], backend: Backend, config: GenerateConfig
) -> tuple[GenerateConfig, SteeringReport]:
    """Return how to generate, held to the pattern that requirements make together, and what became of each.

    Nothing is changed where no requirement has a form, a format or tools are asked for, or steering is
    switched off.

    Raises:
        ContradictionError: No text can meet two of the requirements; nothing was sent.
    """
    merged = config.over(backend.model_options, table=backend.options).options
    formed = [requirement for requirement in requirements if requirement.forms]
    off = merged.get(ModelOption.STEER, True) is False
    if not formed or off or config.format is not None or config.tool_calls:
        return config, SteeringReport({})
    steering = await steering_of(action, formed, backend)
    obstacle = await _obstacle(backend, merged, steering)
    outcomes = _outcomes(formed, steering, obstacle)
    if obstacle or steering.pattern is None:
        return config, SteeringReport(outcomes)
    pattern = TextPattern(steering.pattern, steering.longest)
    return evolve(config.over(_options(steering)), format=pattern), SteeringReport(outcomes, steering)


async def steering_of(action: Span, formed: Iterable[Requirement], backend: Backend) -> Steering:
    """Return how requirements with forms would steer the answer to an action."""
    await resolve_all([action])
    prompt = backend.formatter.to_chat_messages([action])[-1].content
    return steer([form for requirement in formed for form in requirement.forms], prompt)


def fates_of(attempts: Sequence[Attempt[Any]], chosen: int) -> Mapping[str, str]:
    """Return what became of each requirement with a form in a chosen attempt.

    One that was left to checking, that an attempt before has failed, and that is met now, was repaired.
    """
    best = attempts[chosen]
    met = {requirement.name for requirement, result in best.results if result.result}
    failed = {
        requirement.name
        for attempt in attempts
        if attempt.lane == best.lane and attempt.round < best.round
        for requirement, result in attempt.results
        if not result.result and not result.skipped
    }
    repaired = met & failed
    return {
        name: fate.replace("checked: ", "repaired: ", 1) if name in repaired else fate
        for name, fate in best.steering.items()
    }


async def _obstacle(backend: Backend, options: Mapping[str, Any], steering: Steering) -> str:
    """Return why no form of a call steers it; nothing if that is not so."""
    if not await backend.supports(Capability.REGEX):
        return f"backend {backend.provider!r} keeps no patterns"
    limit = options.get(ModelOption.MAX_NEW_TOKENS)
    if isinstance(limit, int) and limit < steering.longest:
        return f"the text may take {steering.longest} tokens, and MAX_NEW_TOKENS is {limit}"
    return ""


def _options(steering: Steering) -> Mapping[str, Any]:
    """Return the options of a steered call that says nothing else.

    Those of the repetition have the names that llama.cpp's and Ollama's servers give them.
    """
    return {
        ModelOption.TEMPERATURE: steering.temperature,
        "repeat_penalty": steering.repetition_penalty,
        "repeat_last_n": 256,
    }


def _outcomes(formed: Iterable[Requirement], steering: Steering, obstacle: str) -> Mapping[str, str]:
    of_forms = iter(steering.outcomes)
    outcomes = {}
    for requirement in formed:
        own = [next(of_forms) for _ in requirement.forms]
        left = [outcome.why for outcome in own if not outcome.steered]
        if obstacle:
            outcomes[requirement.name] = f"checked: {obstacle}"
        else:
            outcomes[requirement.name] = f"checked: {'; '.join(left)}" if left else "steered"
    return outcomes
