"""How likely given continuations are, in packed passes behind a prefix. Runs in the engine's thread.

Those that wait go into one pass, as far as there is room, in pieces as a prompt is read, so that those who
write wait for a piece and not for all of it. What their prefixes have in common is read once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future

import torch
from attrs import define, field, frozen

from mellea.core import ClosedError, GenerationCancelledError
from mellea_hf.keys_values import KeysValues
from mellea_hf.lora import LoraWeights
from mellea_hf.packed import PackedModel
from mellea_hf.prefix_cache import PrefixCache
from mellea_hf.row import Stretch
from mellea_hf.weights import is_out_of_memory

__all__ = ["Passes", "Scoring", "Scorings"]

Scores = list[list[float]]


@frozen(eq=False)
class Passes:
    """The passes of an engine, as scorings use them.

    Args:
        packed: The model.
        cache: What is known of a prefix is taken from there, and what is computed of it is kept there.
        together: How many continuations one pass computes at most.
        room: Says how many tokens the next pass may compute.
        width: Of how many tokens every pass is; 0 where they may differ.
    """

    packed: PackedModel
    cache: PrefixCache
    together: int
    room: Callable[[], int]
    width: int = 0

    def scored(self, stretches: Sequence[Stretch], *, reads: bool) -> torch.Tensor:
        """Return the scores that stretches want, one behind the other.

        Args:
            stretches: What to compute.
            reads: Whether it is a piece of one prefix.
        """
        if not self.width:
            return self.packed.run(stretches)
        if reads:
            return self.packed.run_padded(stretches, self.width, one=True)
        count = sum(len(stretch.tokens) for stretch in stretches)
        return self.packed.run_padded(stretches, self.width)[:count]


@define(eq=False)
class Scoring:
    """What is asked of the engine in one call.

    Args:
        prefix: Token ids, one at least.
        continuations: Token ids of each, one at least.
        must_stop: Asked between passes whether to give up.
        lora: The weights of the adapter that scores.
        acts_from: The place in the prefix from which they act.
    """

    prefix: Sequence[int]
    continuations: Sequence[Sequence[int]]
    must_stop: Callable[[], bool]
    lora: LoraWeights | None = None
    acts_from: int = 0
    future: Future[Scores] = field(factory=Future, init=False)

    @property
    def key(self) -> Sequence[int]:
        """The prefix as it is kept."""
        return self.prefix if self.lora is None else self.lora.key(self.prefix, self.acts_from)

    def stretch(self, tokens: Sequence[int], past: KeysValues, scored: int = 1) -> Stretch:
        """Return the next tokens of a row, computed with the adapter."""
        return Stretch(tokens, past, self.lora, self.acts_from, scored)


class Scorings:
    """The scorings of an engine.

    Args:
        passes: The engine's passes.
    """

    def __init__(self, passes: Passes) -> None:
        self._passes = passes
        self._waiting: deque[Scoring] = deque()
        self._running: list[_Run] = []

    def __bool__(self) -> bool:
        return bool(self._waiting or self._running)

    def add(self, scoring: Scoring) -> None:
        """Take a scoring in, from any thread."""
        self._waiting.append(scoring)

    def step(self) -> None:
        """Compute one pass of those that are there, the first ones first."""
        self._join()
        room = self._passes.room()
        chosen: list[_Run] = []
        for run in list(self._running):
            if chosen and self._passes.width:  # passes of one shape are of one scoring
                break
            rows = self._passes.together - sum(each.rows for each in self._running)
            try:
                room -= run.take(room, rows)
            except Exception as error:  # noqa: BLE001  whoever waits for the scores gets it
                self._leave(run).set_exception(error)
            else:
                chosen += [run] if run.stretches else []
        if chosen:
            self._compute(chosen)

    def abandon(self, error: BaseException | None) -> None:
        """End all of them, with an error or because the process ends."""
        ending = error or ClosedError("The process is ending: no model runs any more.", backend="hf")
        while self._running:
            self._leave(self._running[0]).set_exception(ending)
        while self._waiting:
            future = self._waiting.popleft().future
            if future.set_running_or_notify_cancel():
                future.set_exception(ending)

    def _join(self) -> None:
        """Let those begin that need not wait for what another one reads."""
        held: list[Scoring] = []
        while self._waiting and len(self._running) + len(held) < self._passes.together:
            scoring = self._waiting.popleft()
            readers = [run.scoring.key for run in self._running if run.reads]
            if self._passes.cache.is_worth_waiting(scoring.key, readers):
                held.append(scoring)
            elif scoring.future.set_running_or_notify_cancel():
                try:
                    self._running.append(_Run(self._passes, scoring))
                except Exception as error:  # noqa: BLE001  whoever waits for the scores gets it
                    scoring.future.set_exception(error)
        self._waiting.extendleft(reversed(held))

    def _compute(self, runs: Sequence[_Run]) -> None:
        """Compute a pass of some, alone where they fail together; one that fails alone has its error."""
        stretches = [stretch for run in runs for stretch in run.stretches]
        try:
            scores = self._passes.scored(stretches, reads=runs[0].reads)
        except Exception as error:  # noqa: BLE001  whoever waits for the scores gets it
            freed = self._passes.cache.clear() if is_out_of_memory(error) else 0
            if len(runs) == 1 and not freed:
                self._leave(runs[0]).set_exception(error)
                return
            for run in runs:
                self._compute([run])
            return
        counts = [sum(stretch.scored for stretch in run.stretches) for run in runs]
        for run, own in zip(runs, torch.split(scores, counts), strict=True):
            try:
                run.got(own)
            except Exception as error:  # noqa: BLE001  whoever waits for the scores gets it
                self._leave(run).set_exception(error)
            else:
                if run.is_done:
                    self._leave(run).set_result(run.scores)

    def _leave(self, run: _Run) -> Future[Scores]:
        self._running.remove(run)
        return run.scoring.future


@define(eq=False)
class _Rest:
    """What of a continuation is not computed yet."""

    number: int
    tokens: Sequence[int]
    """The token before each of those that are scored."""
    wanted: Sequence[int]
    past: KeysValues


class _Run:
    """A scoring on its way: first its prefix is read, and then its continuations are.

    Args:
        passes: The engine's passes.
        scoring: What is asked.
    """

    def __init__(self, passes: Passes, scoring: Scoring) -> None:
        self.scoring = scoring
        self.scores: Scores = [[] for _ in scoring.continuations]
        self.stretches: list[Stretch] = []
        """What of it the pass computes that comes."""
        self._passes = passes
        self._past = KeysValues(passes.packed.shape, len(scoring.prefix))
        pinned = passes.cache.load(scoring.key, self._past)
        if pinned is not None:  # a row has copies of its own
            passes.cache.release(pinned)
        self._waiting = deque(
            (number, wanted) for number, wanted in enumerate(scoring.continuations) if len(wanted) > 1
        )
        self._rests: list[_Rest] = []

    @property
    def reads(self) -> bool:
        """Whether its prefix is not computed yet."""
        return self._past.length < len(self.scoring.prefix)

    @property
    def rows(self) -> int:
        """How many of its continuations are under way."""
        return len(self._rests)

    @property
    def is_done(self) -> bool:
        """Whether all scores are there."""
        return not (self.reads or self._waiting or self._rests)

    def take(self, room: int, rows: int) -> int:
        """Let the next pass compute some of what is left; return how many tokens.

        Args:
            room: How many at most.
            rows: How many more continuations may be under way.

        Raises:
            GenerationCancelledError: The scoring was given up.
        """
        self.stretches = []
        if self.scoring.must_stop():
            raise GenerationCancelledError("The scoring was cancelled.", backend="hf")
        if room > 0 and self.reads:
            start = self._past.length
            piece = self.scoring.prefix[start : start + room]
            self.stretches = [self.scoring.stretch(piece, self._past)]
            return len(piece)
        while rows > 0 and self._waiting and not self.reads:
            number, wanted = self._waiting.popleft()
            row = KeysValues(self._passes.packed.shape, self._past.length + len(wanted))
            row.append(self._past.buffer, self._past.length)
            self._rests.append(_Rest(number, wanted[:-1], wanted[1:], row))
            rows -= 1
        left = room
        for rest in self._rests:
            tokens = rest.tokens[: max(left, 0)]
            if tokens:
                self.stretches.append(self.scoring.stretch(tokens, rest.past, scored=len(tokens)))
            left -= len(tokens)
        return room - left

    def got(self, scores: torch.Tensor) -> None:
        """Take the scores that the stretches wanted, which are computed."""
        if self.reads:
            self._past.length += len(self.stretches[0].tokens)
            if self._past.length == len(self.scoring.prefix):
                self._begin(scores[-1])
            return
        counts = [stretch.scored for stretch in self.stretches]
        taken = list(zip(self._rests, counts, strict=False))  # the last ones had no room
        wanted = [token for rest, count in taken for token in rest.wanted[:count]]
        logprobs = torch.log_softmax(scores, dim=-1)
        values = logprobs.gather(1, torch.tensor(wanted, device=scores.device)[:, None])[:, 0].tolist()
        for rest, count in taken:
            self.scores[rest.number] += values[:count]
            values = values[count:]
            rest.past.length += count
            rest.tokens, rest.wanted = rest.tokens[count:], rest.wanted[count:]
        self._rests = [rest for rest in self._rests if rest.tokens]

    def _begin(self, after: torch.Tensor) -> None:
        """Keep the prefix, and take the scores of the first tokens behind it."""
        try:
            self._passes.cache.store(self.scoring.key[: self._past.length], self._past)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self._passes.cache.clear()
        logprobs = torch.log_softmax(after, dim=-1)
        for values, wanted in zip(self.scores, self.scoring.continuations, strict=True):
            values.append(float(logprobs[wanted[0]]))
