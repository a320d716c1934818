"""A judge that is asked several times, until its majority is settled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve, field, frozen

from mellea.core.capabilities import Capability
from mellea.core.event_loop import gather_or_cancel
from mellea.core.foreign_backend import as_backend
from mellea.core.judge import Criterion, judge
from mellea.core.judges import Judge
from mellea.core.options import ModelOption, merge_options
from mellea.core.response import total_usage
from mellea.core.stopping import StoppingRule
from mellea.core.validation import ValidationResult

if TYPE_CHECKING:
    from mellea.core.backend import Backend
    from mellea.core.context import Context

__all__ = ["VotingJudge"]


@frozen
class VotingJudge(Judge):
    """Judges by the majority of several written verdicts, and asks only until that is settled.

    The verdict has the share of yes as ``probability``, the reason of one that agrees with it, and ``votes``
    as ``basis``. Votes that say nothing count as no.

    Args:
        backend: What is asked; by default the backend that would judge without this.
        votes: How many verdicts there would be in all.
        stop_at: How probable it may be that all verdicts would have another majority.
        temperature: At which verdicts are drawn.

    Raises:
        UsageError: A number is out of range.
    """

    backend: Backend | None = field(default=None, repr=False)
    votes: int = 5
    stop_at: float = 0.05
    temperature: float = 0.7
    _rule: StoppingRule = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        object.__setattr__(self, "_rule", StoppingRule(self.votes, self.stop_at))

    async def verdicts(
        self,
        criteria: Sequence[Criterion],
        backend: Backend,
        ctx: Context,
        model_options: Mapping[str, Any] | None = None,
    ) -> list[ValidationResult]:
        """Return the verdict on each requirement, in order. See ``Judge.verdicts``."""
        asked = as_backend(self.backend or backend)
        options = merge_options({ModelOption.TEMPERATURE: self.temperature}, model_options)
        return await gather_or_cancel(self._settled(criterion, asked, ctx, options) for criterion in criteria)

    async def _settled(
        self, criterion: Criterion, backend: Backend, ctx: Context, options: Mapping[str, Any]
    ) -> ValidationResult:
        """Return the majority on one requirement."""
        drawn: list[ValidationResult] = []
        yes = 0
        counts: list[int] = []
        while more := self._rule.missing(counts):
            seeds = range(len(drawn) + 1, len(drawn) + 1 + more)
            wave = await gather_or_cancel(
                judge([criterion], backend, ctx, _seeded(options, seed, backend)) for seed in seeds
            )
            drawn += [verdict for [verdict] in wave]
            yes = sum(verdict.result for verdict in drawn)
            counts = [yes, len(drawn) - yes] if drawn[0].result else [len(drawn) - yes, yes]
        share = yes / len(drawn)
        met = drawn[0].result if 2 * yes == len(drawn) else share > 0.5
        speaker = next(verdict for verdict in drawn if verdict.result == met)
        return evolve(
            speaker,
            score=share,
            probability=share,
            basis="votes",
            trust="uncalibrated",
            usage=total_usage([verdict.usage for verdict in drawn]),
            seconds=sum(verdict.seconds for verdict in drawn),
        )


def _seeded(options: Mapping[str, Any], seed: int, backend: Backend) -> Mapping[str, Any]:
    """Return options with a seed, where the backend takes one and none is given."""
    if Capability.SEED not in backend.capabilities:
        return options
    return merge_options({ModelOption.SEED: seed}, options)
