"""What a strategy was asked for: one value, the same for every attempt of a call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol

from attrs import evolve, field, frozen

from mellea.core.backend import Backend
from mellea.core.budget import Spending
from mellea.core.capabilities import Capability
from mellea.core.component import Span
from mellea.core.context import Context
from mellea.core.errors import UsageError
from mellea.core.generate_config import GenerateConfig
from mellea.core.options import ModelOption
from mellea.core.reasoning import without_reasoning
from mellea.core.requirement import Requirement, reqify
from mellea.core.sampling import Attempt
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.sampling._cut_answers import next_limit

if TYPE_CHECKING:
    from mellea.core.steering import Guards

__all__ = ["SamplingRequest", "Told", "check_count", "requirements_of"]


class Told(Protocol):
    """Whoever is told what happens in a loop."""

    async def attempt(self, attempt: Attempt[Any]) -> None:
        """Take note that an attempt has ended."""

    async def repair(self, failed: Attempt[Any], action: Span, context: Context) -> None:
        """Take note of what is asked after a failed attempt."""


@frozen
class SamplingRequest:
    """What a strategy was asked for.

    Args:
        action: What the model is asked.
        context: The conversation that led here.
        backend: What generates.
        judge: What judges, where a requirement names no judge.
        requirements: What an answer must respect, in order.
        config: How an answer is to be generated.
        rounds: Attempts of each lane.
        lanes: How many lanes there are.
        at_once: How many of them run at the same time.
        spare_judges: Whether no model judges an output that a free check has failed.
        spending: What the call has spent.
        first_round: Number of the first round; more than 0 when other backends have tried before.
        validation_ctx: The conversation that validators see instead of the one that the model saw.
        strategy: What makes the attempts, in words.
        reseeds: Whether the next attempt draws with a seed of its own even where a temperature is given.
        steering: What became of each requirement that has a form, by its name.
        guards: What a steered text is looked at for, beside its requirements; None where nothing steers.
        limit_raised: Whether the limit on tokens is no longer the caller's.
        told: Tells the handlers of hooks what happens; None where nobody listens.
        first: Gives a lane its first answer, where one request draws those of all lanes; None where too few
            came.
    """

    action: Span
    context: Context
    backend: Backend
    judge: Backend
    requirements: tuple[Requirement, ...]
    config: GenerateConfig
    rounds: int
    lanes: int
    at_once: int
    spare_judges: bool
    spending: Spending = field(repr=False)
    first_round: int = 0
    validation_ctx: Context | None = None
    strategy: str | None = None
    reseeds: bool = False
    steering: Mapping[str, str] = field(factory=dict, hash=False)
    guards: Guards | None = None
    limit_raised: bool = False
    told: Told | None = field(default=None, repr=False, eq=False)
    first: Callable[[int], Awaitable[ModelOutputThunk[Any] | None]] | None = field(
        default=None, repr=False, eq=False
    )

    @property
    def format(self) -> Any:
        """What an answer must look like."""
        return self.config.format

    @property
    def options(self) -> Mapping[str, Any]:
        """The options of the call."""
        return self.config.options

    @property
    def tool_calls(self) -> bool:
        """Whether the model may call tools."""
        return self.config.tool_calls

    @cached_property
    def merged(self) -> Mapping[str, Any]:
        """The options of the call over those of the backend, under common names."""
        return self.config.over(self.backend.model_options, table=self.backend.options).options

    @cached_property
    def seed(self) -> int | None:
        """The seed of the call, else of the backend; None without one."""
        merged = self.merged
        seed = merged.get(ModelOption.SEED, merged.get("seed"))
        return seed if isinstance(seed, int) else None

    def config_for(self, lane: int, round_: int) -> GenerateConfig:
        """Return how one attempt is to be generated.

        With a seed, whether of the call or of the backend, each attempt draws with one of its own, the first
        with that given: the call repeats, and its attempts differ. Without one, every attempt but the first
        gets one all the same, unless a temperature is given: a model that is greedy by default would only
        repeat itself.
        """
        own = self._drawn_seed(lane, round_)
        if own is None:
            return self.config
        others = {key: value for key, value in self.options.items() if key != "seed"}
        return evolve(self.config, options={**others, ModelOption.SEED: own})

    def _drawn_seed(self, lane: int, round_: int) -> int | None:
        """Return the seed that is drawn for one attempt; None where that of the call holds, if it has one."""
        if (lane, round_) == (0, 0):
            return None
        seed = self.seed
        if seed is None and (
            Capability.SEED not in self.backend.capabilities
            or (ModelOption.TEMPERATURE in self.merged and not self.reseeds)
        ):
            return None
        return ((seed or 0) + 1_000_003 * lane + 7_919 * round_) % 2**31

    def seed_for(self, lane: int, round_: int) -> int | None:
        """Return the seed of one attempt; None where it is left to the provider."""
        seed = self._drawn_seed(lane, round_)
        return self.seed if seed is None else seed

    def draws_again(self, attempt: Attempt[Any]) -> bool:
        """Tell whether the same is asked again for a better text, although all requirements are met."""
        return attempt.success and bool(attempt.faults) and self.merged.get(ModelOption.TEMPERATURE) != 0

    def after(self, output: ModelOutputThunk[Any]) -> SamplingRequest:
        """Return how to go on after an output: as before, unless it is no answer.

        A model that only reasoned is asked without reasoning, unless the caller asked for that; one that
        repeated itself draws anew. After a structured answer that was cut the next may be longer.
        """
        if output.no_answer is None:
            return self._after_cut(output)
        if output.thinking:
            return evolve(self, config=without_reasoning(self.config, self.backend))
        return evolve(self, reseeds=True)

    def _after_cut(self, output: ModelOutputThunk[Any]) -> SamplingRequest:
        limit = next_limit(self, output)
        if limit is None:
            return self
        config = self.config.under({ModelOption.MAX_NEW_TOKENS: limit}, table=self.backend.options)
        return evolve(self, config=config, limit_raised=True)

    def seen_by_validators(self, action: Span, after: Context, output: Span) -> Context:
        """Return the conversation that the validators of an output see."""
        return after if self.validation_ctx is None else self.validation_ctx.add(action).add(output)


def check_count(name: str, value: object) -> None:
    """Refuse a number of attempts or lanes that allows none.

    Raises:
        UsageError: The value is no whole number above zero.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageError(f"{name} is a whole number, not {value!r}.", hint="Pass 1 or more.")
    if value < 1:
        raise UsageError(f"{name} is {value}, so that no attempt would be made.", hint="Pass 1 or more.")


def requirements_of(
    given: Iterable[Requirement | str] | None, before: Sequence[Requirement] = ()
) -> tuple[Requirement, ...]:
    """Return requirements in their order, each once.

    The same words for a judge count as the same requirement.

    Raises:
        UsageError: It is one text or one requirement instead of several, or an entry is neither.
    """
    if not isinstance(given, list | tuple | None) and isinstance(given, str | Requirement):
        raise UsageError(
            "requirements is one requirement instead of a list.", hint="Pass requirements=[...]."
        )
    distinct: dict[object, Requirement] = {}
    for requirement in (*before, *(reqify(entry) for entry in given or ())):
        judged_text = (
            type(requirement) is Requirement
            and requirement.validation_fn is None
            and requirement.repair is None
        )
        same = (
            (requirement.description, id(requirement.judge), requirement.output_to_bool)
            if judged_text
            else id(requirement)
        )
        distinct.setdefault(same, requirement)
    return tuple(distinct.values())
