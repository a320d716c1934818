"""How the requirements of a call steer it.

Their forms become one pattern, where the backend keeps patterns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve, frozen

from mellea.core.backend import Backend
from mellea.core.capabilities import Capability
from mellea.core.component import Span
from mellea.core.generation import resolve_all
from mellea.core.options import ModelOption
from mellea.core.requirement import Requirement
from mellea.core.steering import Steering, steer
from mellea.core.text_pattern import TextPattern
from mellea.stdlib.sampling._request import SamplingRequest

__all__ = ["SteeringReport", "steer_request", "steering_of"]


@frozen
class SteeringReport:
    """What became of each requirement of a call that has a form.

    Args:
        outcomes: By the requirement's name: ``steered``, or ``checked: `` and why.
    """

    outcomes: Mapping[str, str]

    def __str__(self) -> str:
        return "\n".join(f"{name}: {outcome}" for name, outcome in self.outcomes.items())


async def steer_request(call: SamplingRequest) -> tuple[SamplingRequest, SteeringReport | None]:
    """Return the call, held to the pattern that its requirements make together, and what became of each.

    Nothing is changed where no requirement has a form, a format or tools are asked for, or steering is
    switched off.

    Raises:
        ContradictionError: No text can meet two of the requirements; nothing was sent.
    """
    formed = [requirement for requirement in call.requirements if requirement.forms]
    config = call.config
    off = call.merged.get(ModelOption.STEER, True) is False
    if not formed or off or config.format is not None or config.tool_calls:
        return call, None
    steering = await steering_of(call.action, formed, call.backend)
    obstacle = await _obstacle(call, steering)
    report = _report(formed, steering, obstacle)
    if obstacle or steering.pattern is None:
        return call, report
    held = evolve(config.over(_options(steering)), format=TextPattern(steering.pattern, steering.longest))
    return evolve(call, config=held), report


async def steering_of(action: Span, formed: Iterable[Requirement], backend: Backend) -> Steering:
    """Return how requirements with forms would steer the answer to an action."""
    await resolve_all([action])
    prompt = backend.formatter.to_chat_messages([action])[-1].content
    return steer([form for requirement in formed for form in requirement.forms], prompt)


async def _obstacle(call: SamplingRequest, steering: Steering) -> str:
    """Return why no form of a call steers it; nothing if that is not so."""
    if not await call.backend.supports(Capability.REGEX):
        return f"backend {call.backend.provider!r} keeps no patterns"
    limit = call.merged.get(ModelOption.MAX_NEW_TOKENS)
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


def _report(formed: Iterable[Requirement], steering: Steering, obstacle: str) -> SteeringReport:
    of_forms = iter(steering.outcomes)
    outcomes = {}
    for requirement in formed:
        own = [next(of_forms) for _ in requirement.forms]
        left = [outcome.why for outcome in own if not outcome.steered]
        if obstacle:
            outcomes[requirement.name] = f"checked: {obstacle}"
        else:
            outcomes[requirement.name] = f"checked: {'; '.join(left)}" if left else "steered"
    return SteeringReport(outcomes)
