"""Voting: several answers, and the one that the others agree with most (minimum Bayes risk decoding).

With exact agreement this is self-consistency (Wang et al., 2022): the most frequent answer wins. With a
graded similarity it is minimum Bayes risk decoding: the answer with the highest expected similarity to the
others.

With ``stop_at`` a majority is drawn in waves, each the least that could settle it, until it is settled; see
``mellea.core.stopping``.
"""

from __future__ import annotations

import inspect
import json
import math
import re
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Hashable, Sequence
from itertools import combinations
from typing import Any, TypeAlias

from mellea.core.errors import MelleaError, UsageError
from mellea.core.sampling import Attempt
from mellea.core.stopping import StoppingRule, leads_surely
from mellea.stdlib.sampling._lanes import Lanes
from mellea.stdlib.sampling._loop import best_attempt
from mellea.stdlib.sampling._request import SamplingRequest
from mellea.stdlib.sampling._rouge import rouge_l
from mellea.stdlib.sampling.best_of_n import ParallelSamplingStrategy, explain_missing
from mellea.stdlib.sampling.draw_pool import DrawPool

__all__ = [
    "BaseMBRDSampling",
    "MBRDRougeLStrategy",
    "MBRSamplingStrategy",
    "MajorityVotingStrategy",
    "Similarities",
    "Vectors",
    "VotingStrategy",
    "normalize",
    "pairwise",
]

Similarities: TypeAlias = "list[list[float]]"
"""How much each answer agrees with each other one."""
Vectors: TypeAlias = "Sequence[Sequence[float]]"


class VotingStrategy(ParallelSamplingStrategy):
    """Draws a number of answers side by side, and returns the one that the others agree with most.

    Each lane brings one answer: its best. Only those that meet the most requirements stand for election and
    vote, so that no vote returns less than the best attempt. Equal votes go to the higher score, then to the
    lower lane.

    Args:
        number_of_samples: How many answers to draw.
        weighted: Whether an answer's vote weighs as much as its score (of the reward and of the requirements
            that give one); a score of zero or below weighs nothing, and if no answer has a weight then each
            counts one.
        stop_at: How probable it may be that all answers would elect another one; drawing then stops as soon
            as it is no more probable, and equal votes go to the answer that came first. For majorities only.
            By default every answer is drawn. See ``mellea.core.stopping``.
        pool: Where answers go that a settled vote did not need, and come from for one that is still open when
            all are drawn; with ``stop_at`` only.
        loop_budget: Rounds of each lane.
        options: ``requirements``, ``reward``, ``budget``, ``judge``, ``spare_judges``, and
            ``concurrency_budget``, which says how many answers are drawn at the same time (all by default).

    Raises:
        UsageError: A number is below one, or votes that are weighed or graded are to stop early.
    """

    is_majority = False
    """Whether two answers agree or do not, so that a vote can be settled before all are drawn."""

    def __init__(
        self,
        *,
        number_of_samples: int = 8,
        weighted: bool = False,
        stop_at: float | None = None,
        pool: DrawPool | None = None,
        loop_budget: int = 1,
        **options: Any,
    ) -> None:
        super().__init__(number_of_samples, "number_of_samples", loop_budget=loop_budget, **options)
        if (stop_at is not None and (weighted or not self.is_majority)) or (pool and stop_at is None):
            raise UsageError(
                "Only a majority of equal votes can stop early, and only one that stops early has a pool.",
                hint="Pass stop_at=0.05 to a majority, without weighted=True; or neither stop_at nor pool.",
            )
        self.number_of_samples = number_of_samples
        self.weighted = weighted
        self.stop_at = stop_at
        self.pool = pool
        self._rule = None if stop_at is None else StoppingRule(number_of_samples, stop_at)

    async def _collect(self, call: SamplingRequest, arrived: list[Attempt[Any] | MelleaError]) -> None:
        """Append what the lanes bring; where it may stop early, in waves of the least that settles it."""
        if self._rule is None:
            await super()._collect(call, arrived)
            return
        begun = 0
        while more := await self._wanted(self._rule, arrived, begun):
            first, before = begun, len(arrived)
            begun += more
            lanes = Lanes(
                lambda number, first=first: self._lane(call, first + number),  # type: ignore[misc]  # bound now
                more,
                min(more, call.at_once),
            )
            try:
                async with lanes:
                    await self._take(lanes, arrived)
            finally:
                arrived += lanes.unread()
            if len(arrived) == before or call.spending.reached_bound():
                break
        if self.pool is not None:
            self.pool.give(call.lanes - begun)

    async def _wanted(
        self, rule: StoppingRule, arrived: Sequence[Attempt[Any] | MelleaError], begun: int
    ) -> int:
        """Return how many more answers to draw; 0 where the vote is settled, or nothing is left."""
        counts = await self._counts([entry for entry in arrived if isinstance(entry, Attempt)])
        if begun < rule.votes:
            return min(rule.missing(counts, begun - sum(counts) if counts else 0), rule.votes - begun)
        is_open = self.pool is not None and not leads_surely(counts, rule.error)
        return int(is_open and self.pool is not None and self.pool.take())

    async def _counts(self, attempts: Sequence[Attempt[Any]]) -> list[int]:
        """Return the votes of each answer; none before an answer meets every requirement."""
        voters = [attempts[index] for index in _candidates(attempts)] if attempts else []
        if not voters or not voters[0].success:
            return []
        agreement, _ = await self.similarities(voters)
        return [
            sum(map(bool, row)) for place, row in enumerate(agreement) if any(row) and _first(row) == place
        ]

    @abstractmethod
    async def similarities(self, voters: Sequence[Attempt[Any]]) -> tuple[Similarities, str]:
        """Return how much each answer agrees with each other one, and a remark on how that was found out."""

    async def choose(
        self, call: SamplingRequest, attempts: Sequence[Attempt[Any]], error: MelleaError | None
    ) -> tuple[int, str]:
        """Return the attempt with the most votes."""
        indices = _candidates(attempts)
        voters = [attempts[index] for index in indices]
        agreement, remark = await self.similarities(voters)
        weights, weighed = self._weights(voters)
        votes = [
            math.fsum(weight * alike for weight, alike in zip(weights, row, strict=True)) for row in agreement
        ]
        elected = max(
            range(len(voters)),
            key=lambda place: (
                round(votes[place], 9),
                -_first(agreement[place]) if self._rule is not None else 0,
                voters[place].score,
                -voters[place].lane,
            ),
        )
        won = f"{votes[elected]:.3g} of {math.fsum(weights):.3g} votes"
        left = len({attempt.lane for attempt in attempts}) - len(voters)
        out = f"; {left} that meet fewer requirements did not vote" if left else ""
        agreed = _describe_agreement(agreement[elected])
        early = self._explain_stop(attempts)
        why = f"{agreed}, which makes {won}{out}{weighed}{remark}{early}{explain_missing(error)}"
        return indices[elected], why

    def _explain_stop(self, attempts: Sequence[Attempt[Any]]) -> str:
        drawn = len({attempt.lane for attempt in attempts})
        if self._rule is None or drawn >= self.number_of_samples:
            return ""
        return f"; {drawn} of {self.number_of_samples} answers were drawn, at an error of {self.stop_at:g}"

    def _weights(self, voters: Sequence[Attempt[Any]]) -> tuple[list[float], str]:
        equal = [1.0] * len(voters)
        if not self.weighted:
            return equal, ""
        weights = [max(voter.score, 0.0) if math.isfinite(voter.score) else 0.0 for voter in voters]
        if not any(weights):
            return equal, "; no answer has a score above zero, so that each counts one"
        return weights, "; votes weigh as much as their scores"


BaseMBRDSampling = VotingStrategy
"""The name of the 0.8 line."""


def _candidates(attempts: Sequence[Attempt[Any]]) -> list[int]:
    """Return, by lane, the indices of the lanes' best attempts that meet the most requirements."""
    by_lane: dict[int, list[int]] = {}
    for index, attempt in enumerate(attempts):
        by_lane.setdefault(attempt.lane, []).append(index)
    best = [
        indices[best_attempt([attempts[index] for index in indices])]
        for _, indices in sorted(by_lane.items())
    ]
    top = max(attempts[index].rank[:2] for index in best)
    return [index for index in best if attempts[index].rank[:2] == top]


def _first(row: Sequence[float]) -> int:
    """Return the first answer that one agrees with."""
    return next((place for place, alike in enumerate(row) if alike), len(row))


def _describe_agreement(row: Sequence[float]) -> str:
    if set(row) <= {0.0, 1.0}:
        return f"{math.fsum(row):g} of {len(row)} answers agree on it"
    alike = (math.fsum(row) - 1) / (len(row) - 1)
    return f"of {len(row)} answers it is the one most like the others, {alike:.2f} on average"


def pairwise(number: int, alike: Callable[[int, int], float]) -> Similarities:
    """Return the table of a symmetric similarity; each answer is wholly like itself."""
    table = [[float(row == column) for column in range(number)] for row in range(number)]
    for first, second in combinations(range(number), 2):
        table[first][second] = table[second][first] = float(alike(first, second))
    return table


class MBRSamplingStrategy(VotingStrategy):
    """Minimum Bayes risk decoding over any similarity of two texts.

    Args:
        similarity: How alike two texts are, 1 for the same; symmetric; may be asynchronous.
        embed: Gives a vector for each text, all at once; may be asynchronous. The similarity is then their
            cosine.
        options: What ``VotingStrategy`` takes.

    Raises:
        UsageError: Not exactly one of ``similarity`` and ``embed`` is given.
    """

    def __init__(
        self,
        similarity: Callable[[str, str], float | Awaitable[float]] | None = None,
        *,
        embed: Callable[[list[str]], Vectors | Awaitable[Vectors]] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if (similarity is None) == (embed is None):
            raise UsageError(
                "An MBRSamplingStrategy takes either similarity or embed.", hint="Pass exactly one of them."
            )
        self.similarity = similarity
        self.embed = embed

    async def similarities(self, voters: Sequence[Attempt[Any]]) -> tuple[Similarities, str]:
        """Return the similarity of each pair."""
        texts = [str(voter.output) for voter in voters]
        if self.embed is not None:
            given = self.embed(texts)
            vectors = await given if inspect.isawaitable(given) else given
            return pairwise(len(texts), lambda one, other: _cosine(vectors[one], vectors[other])), ""
        found: dict[tuple[int, int], float] = {}
        for one, other in combinations(range(len(texts)), 2):
            alike = self.similarity(texts[one], texts[other])  # type: ignore[misc]  # one of the two is given
            found[one, other] = await alike if inspect.isawaitable(alike) else alike
        return pairwise(len(texts), lambda one, other: found[one, other]), ""


class MBRDRougeLStrategy(MBRSamplingStrategy):
    """Minimum Bayes risk decoding by ROUGE-L: the text that shares most with the others. For free text.

    Args:
        number_of_samples: How many answers to draw.
        weighted: Whether votes weigh as much as scores.
        loop_budget: Rounds of each lane.
        options: What ``VotingStrategy`` takes.
    """

    def __init__(
        self, *, number_of_samples: int = 8, weighted: bool = False, loop_budget: int = 1, **options: Any
    ) -> None:
        super().__init__(
            rouge_l,
            number_of_samples=number_of_samples,
            weighted=weighted,
            loop_budget=loop_budget,
            **options,
        )


class MajorityVotingStrategy(VotingStrategy):
    """The most frequent answer, after normalisation. For short answers.

    ``MajorityVotingStrategy(stop_at=0.05)`` draws until all votes would elect another answer with a
    probability of at most one in twenty.

    Args:
        key: What two texts must have in common to be the same answer; by default case, white space and
            punctuation at the ends do not matter, and JSON counts by its value. A text for which it returns
            None, or raises, gets no vote.
        options: What ``VotingStrategy`` takes.
    """

    is_majority = True

    def __init__(self, *, key: Callable[[str], Hashable] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.key = key or normalize

    async def similarities(self, voters: Sequence[Attempt[Any]]) -> tuple[Similarities, str]:
        """Return 1 for two texts with the same key."""
        keys = [self._key_of(str(voter.output)) for voter in voters]
        none = sum(key is None for key in keys)
        remark = f"; {none} of them could not be read by the key function" if none else ""
        table = pairwise(len(keys), lambda one, other: keys[one] is not None and keys[one] == keys[other])
        for index, key in enumerate(keys):
            table[index][index] = float(key is not None)
        return table, remark

    def _key_of(self, text: str) -> Hashable:
        try:
            return self.key(text)
        except Exception:  # noqa: BLE001  an answer that cannot be read agrees with no other, and the result says so
            return None


def normalize(text: str) -> str:
    """Return a text without what does not change an answer: case, white space, punctuation at the ends.

    JSON in one spelling.
    """
    if text.strip()[:1] in ("{", "["):
        try:
            return json.dumps(json.loads(text), sort_keys=True)
        except ValueError:
            pass
    return re.sub(r"\s+", " ", text).strip().strip(".,;:!?\"'`* ").casefold()


def _cosine(one: Sequence[float], other: Sequence[float]) -> float:
    length = math.hypot(*one) * math.hypot(*other)
    return sum(x * y for x, y in zip(one, other, strict=True)) / length if length else 0.0
