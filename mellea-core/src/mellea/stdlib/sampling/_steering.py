"""How the requirements of a call steer it.

Their forms become one pattern, where the backend keeps patterns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from mellea.core.backend import Backend
from mellea.core.capabilities import Capability
from mellea.core.component import Span
from mellea.core.foreign_backend import as_backend
from mellea.core.generate_config import GenerateConfig
from mellea.core.options import ModelOption
from mellea.core.prompting import resolve_all
from mellea.core.requirement import Requirement
from mellea.core.sampling import Attempt
from mellea.core.schema import OutputSchema
from mellea.core.text_pattern import TextPattern
from mellea.stdlib.sampling._request import SamplingRequest

if TYPE_CHECKING:
    from mellea.core.json_form import Json
    from mellea.core.steering import Form, Steering

__all__ = ["SteeringReport", "as_it_went", "fates_of", "steer_config", "steer_request", "steering_of"]

_ROOM = 256
"""Tokens that a text which automata bring home in time has at least, where the call says nothing."""

_LATIN = frozenset(["Latin", "accented Latin"])


@frozen
class SteeringReport:
    """How the requirements of a call steer it. Printed, it says so in words.

    Args:
        outcomes: What becomes of each requirement that has a form, by its name: ``steered``, or ``checked: ``
            and why.
        steering: The plan and the pattern; None where nothing steers.
        unformed: Names of the requirements that have no form, which are checked alone.
    """

    outcomes: Mapping[str, str] = field(factory=dict, hash=False)
    steering: Steering | None = None
    unformed: tuple[str, ...] = ()

    @property
    def pattern(self) -> str | None:
        """The pattern that the text is held to; None where nothing steers."""
        return self.steering.pattern if self.steering is not None else None

    def __str__(self) -> str:
        fates = {**self.outcomes, **dict.fromkeys(self.unformed, "checked: it has no form")}
        lines = [f"{name.rstrip('.')}: {fate}." for name, fate in fates.items()]
        if self.steering is not None:
            how = f"Pattern: {self.pattern}" if self.pattern else "One automaton for each form, all at once."
            lines += [self.steering.summary(), how]
        return "\n".join(lines) or "There is nothing to steer by."


async def steer_request(call: SamplingRequest) -> SamplingRequest:
    """Return the call, held to the pattern that its requirements make together.

    See ``steer_config``.
    """
    config, report = await steer_config(call.action, call.requirements, call.backend, call.config)
    if config is call.config and not report.outcomes:
        return call
    guards = report.steering.guards if report.steering is not None else None
    return evolve(call, config=config, steering=report.outcomes, guards=guards)


async def as_it_went(call: SamplingRequest) -> SamplingRequest:
    """Return a call whose answer is there, with what became of its requirements.

    A server that was taken for one that keeps patterns may have refused them meanwhile.
    """
    if not isinstance(call.format, TextPattern) or await call.backend.supports(Capability.REGEX):
        return call
    fate = f"checked: backend {call.backend.provider!r} refuses patterns"
    return evolve(call, steering=dict.fromkeys(call.steering, fate), guards=None)


async def steer_config(
    action: Span, requirements: Iterable[Requirement], backend: Backend, config: GenerateConfig
) -> tuple[GenerateConfig, SteeringReport]:
    """Return how to generate, held to the pattern that requirements make together, and what became of each.

    With a format, the forms of its texts go into its schema. Nothing is changed where there is no form, tools
    are asked for, or steering is switched off.

    Raises:
        ContradictionError: No text can meet two of the requirements; nothing was sent.
    """
    asked, backend = tuple(requirements), as_backend(backend)
    if config.format is not None:
        return await _steer_fields(action, asked, backend, config)
    formed = [requirement for requirement in asked if requirement.forms]
    unformed = tuple(requirement.name for requirement in asked if not requirement.forms)
    if not formed:
        return config, SteeringReport({}, None, unformed)
    merged = config.over(backend.model_options, table=backend.options).options
    obstacle = _obstacle(config, merged)
    if obstacle:
        fate = f"checked: {obstacle}"
        return config, SteeringReport({each.name: fate for each in formed}, None, unformed)
    from mellea.core.json_form import Json  # noqa: PLC0415  few programs steer

    as_json = next((form for form in _forms(formed) if isinstance(form, Json)), None)
    if as_json is not None:
        return await _steer_json(as_json, formed, unformed, backend, config)
    steering = await steering_of(action, formed, backend)
    steering = await _held(steering, backend, merged)
    obstacle = "" if steering.held else await _obstacle_there(backend, merged, steering)
    outcomes = _outcomes(formed, steering, obstacle)
    if obstacle or not steering.steers:
        return config, SteeringReport(outcomes, None, unformed)
    longest = max(steering.longest, _ROOM) if steering.held else steering.longest
    said = steering.describe()
    if not steering.gives_whole and (task := getattr(action, "told_again", "")):
        said = f"{said}\n\n{task}".lstrip()
    pattern = TextPattern(steering.pattern or "", longest, said, steering.held, steering.case)
    own = backend.draws_for_patterns(steering.temperature, steering.repetition_penalty)
    unsaid = {name: value for name, value in own.items() if name not in merged}
    held = evolve(config.over(unsaid), format=pattern)
    return held, SteeringReport(outcomes, steering, unformed)


async def steering_of(action: Span, formed: Iterable[Requirement], backend: Backend) -> Steering:
    """Return how requirements with forms would steer the answer to an action."""
    prompt = await _prompt_of(action, backend)
    from mellea.core.steering import steer  # noqa: PLC0415  few programs steer

    return steer(_forms(formed), prompt, about=getattr(action, "about_words", ()))


def _forms(requirements: Iterable[Requirement]) -> list[Form]:
    """Return the forms of the requirements that may steer."""
    return [form for each in requirements if each.steer for form in each.forms]


def fates_of(attempts: Sequence[Attempt[Any]], chosen: int) -> Mapping[str, str]:
    """Return what became of each requirement with a form in a chosen attempt.

    One that was left to checking, that an attempt before has failed, and that is met now, was repaired.
    """
    best = attempts[chosen]
    if not best.steering:
        return best.steering
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


async def _held(steering: Steering, backend: Backend, options: Mapping[str, Any]) -> Steering:
    """Return how a text is held by the backend's automata, where they hold it to more than the pattern can.

    That is where the plan leaves a form to checking, and where the limit is smaller than its longest text.
    Automata write Latin letters, so whatever is about others keeps the pattern. A form that gives the whole
    text goes before all others.
    """
    fits = not _beyond(options, steering)
    by_pattern = sum(outcome.steered for outcome in steering.outcomes) if fits else 0
    forms = [outcome.form for outcome in steering.outcomes]
    whole = any(form.gives_whole for form in forms)
    if by_pattern == len(forms) or not (whole or _is_latin(steering)):
        return steering
    whys = await backend.holds(forms)
    if whys is None or whys.count("") <= (0 if whole else by_pattern):
        return steering
    limit = options.get(ModelOption.MAX_NEW_TOKENS)
    return steering.holding(whys, limit if isinstance(limit, int) else None)


def _is_latin(steering: Steering) -> bool:
    """Return whether the prompt and the forms have Latin letters alone."""
    from mellea.core.steering.alphabet import scripts_in  # noqa: PLC0415  few programs steer

    said = " ".join([steering.prompt, *(outcome.form.describe() for outcome in steering.outcomes)])
    return {steering.plan.script.name, *(each.name for each in scripts_in(said))} <= _LATIN


async def _steer_json(
    form: Json,
    formed: Sequence[Requirement],
    unformed: tuple[str, ...],
    backend: Backend,
    config: GenerateConfig,
) -> tuple[GenerateConfig, SteeringReport]:
    """Return how to generate a text that is held to JSON, and to no other form beside it."""
    missing = not await backend.supports(Capability.JSON_SCHEMA)
    outcomes = {}
    for each in formed:
        why = ""
        if not each.steer:
            why = "steering is switched off for it"
        elif missing:
            why = f"backend {backend.provider!r} keeps no schemas"
        elif any(other != form for other in each.forms):
            why = "JSON gives the whole text"
        outcomes[each.name] = f"checked: {why}" if why else "steered"
    held = config if missing else evolve(config, format=form.held)
    return held, SteeringReport(outcomes, None, unformed)


async def _steer_fields(
    action: Span, requirements: Sequence[Requirement], backend: Backend, config: GenerateConfig
) -> tuple[GenerateConfig, SteeringReport]:
    """Return how to generate a structured output whose texts are held to patterns, and what became of it."""
    from mellea.stdlib.sampling._steered_fields import forms_of_fields, with_patterns  # noqa: PLC0415  heavy

    schema = OutputSchema.of(config.format)
    whole = [each for each in requirements if each.forms and each.about is None]
    unformed = tuple(each.name for each in requirements if not each.forms)
    outcomes = {each.name: "checked: the call has a format of its own" for each in whole}
    fields = forms_of_fields(schema, requirements)
    if not fields:
        return config, SteeringReport(outcomes, None, unformed)
    options = config.over(backend.model_options, table=backend.options).options
    obstacle = _obstacle(config, options) or await _missing(backend)
    if obstacle:
        left = {name: f"checked: {obstacle}" for each in fields for name, _ in each.forms}
        return config, SteeringReport({**outcomes, **left}, None, unformed)
    held, of_fields = with_patterns(schema, fields, await _prompt_of(action, backend), backend)
    return evolve(config, format=held), SteeringReport({**outcomes, **of_fields}, None, unformed)


async def _missing(backend: Backend) -> str:
    """Return what a backend lacks to steer; nothing if it can."""
    if await backend.supports(Capability.REGEX):
        return ""
    return f"backend {backend.provider!r} keeps no patterns"


async def _prompt_of(action: Span, backend: Backend) -> str:
    await resolve_all([action])
    return backend.formatter.to_chat_messages([action])[-1].content


def _obstacle(config: GenerateConfig, options: Mapping[str, Any]) -> str:
    """Return why a call is not steered, as far as that needs no plan; nothing if that is not so."""
    if options.get(ModelOption.STEER, True) is False:
        return "steering is switched off"
    return "the model may call tools" if config.tool_calls else ""


async def _obstacle_there(backend: Backend, options: Mapping[str, Any], steering: Steering) -> str:
    """Return why a plan steers no call of a backend; nothing if that is not so."""
    if missing := await _missing(backend):
        return missing
    return _beyond(options, steering)


def _beyond(options: Mapping[str, Any], steering: Steering) -> str:
    """Return why the limit of a call is too small for the longest text of a plan; nothing if it is not."""
    limit = options.get(ModelOption.MAX_NEW_TOKENS)
    if isinstance(limit, int) and limit < steering.longest:
        return f"the text may take {steering.longest} tokens, and MAX_NEW_TOKENS is {limit}"
    return ""


def _outcomes(formed: Iterable[Requirement], steering: Steering, obstacle: str) -> Mapping[str, str]:
    of_forms = iter(steering.outcomes)
    outcomes = {}
    for requirement in formed:
        own = [next(of_forms) for _ in requirement.forms] if requirement.steer else []
        left = [outcome.why for outcome in own if not outcome.steered]
        why = obstacle or ("; ".join(left) if requirement.steer else "steering is switched off for it")
        outcomes[requirement.name] = f"checked: {why}" if why else "steered"
    return outcomes
