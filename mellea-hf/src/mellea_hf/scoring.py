"""How likely given continuations are, in packed passes behind a prefix. Runs in the engine's thread.

One scoring at a time, in pieces as a prompt is read, so that those who write wait for a piece and not for all
of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
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

    def read(self, stretch: Stretch) -> torch.Tensor:
        """Compute a piece of a prefix, and return the scores after its last token."""
        if self.width:
            return self.packed.run_padded([stretch], self.width, one=True)[0]
        return self.packed.run([stretch])[0]

    def scored(self, stretches: Sequence[Stretch]) -> torch.Tensor:
        """Return the scores after every token of stretches, which want them all."""
        if not self.width:
            return self.packed.run(stretches)
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
    """The scorings of an engine, one after the other, so that each finds kept what the one before has read.

    Args:
        passes: The engine's passes.
    """

    def __init__(self, passes: Passes) -> None:
        self._passes = passes
        self._waiting: deque[Scoring] = deque()
        self._pieces: Generator[None, None, Scores] | None = None
        self._is_again = False

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, scoring: Scoring) -> None:
        """Take a scoring in, from any thread."""
        self._waiting.append(scoring)

    def step(self) -> None:
        """Compute a piece of the first one."""
        if not self._waiting:
            return
        scoring = self._waiting[0]
        if self._pieces is None:
            if not scoring.future.set_running_or_notify_cancel():
                self._waiting.popleft()
                return
            self._is_again = False
            self._pieces = _scored(self._passes, scoring, keeps=True)
        try:
            next(self._pieces)
        except StopIteration as end:
            self._leave().set_result(end.value)
        except Exception as error:  # noqa: BLE001  whoever waits for the scores gets it
            if not self._is_again and is_out_of_memory(error) and self._passes.cache.clear():
                self._is_again = True
                self._pieces = _scored(self._passes, scoring, keeps=False)
            else:
                self._leave().set_exception(error)

    def abandon(self, error: BaseException | None) -> None:
        """End all of them, with an error or because the process ends."""
        ending = ClosedError("The process is ending: no model runs any more.", backend="hf")
        while self._waiting:
            running = self._pieces is not None
            future = self._leave()
            if running or future.set_running_or_notify_cancel():
                future.set_exception(error or ending)

    def _leave(self) -> Future[Scores]:
        self._pieces = None
        return self._waiting.popleft().future


@define(eq=False)
class _Rest:
    """What of a continuation is not computed yet."""

    number: int
    tokens: Sequence[int]
    """The token before each of those that are scored."""
    wanted: Sequence[int]
    past: KeysValues


def _scored(passes: Passes, scoring: Scoring, *, keeps: bool) -> Generator[None, None, Scores]:
    """Score continuations pass by pass, and return the log-probabilities of the tokens of each.

    Raises:
        GenerationCancelledError: The scoring was given up.
    """
    prefix, continuations = scoring.prefix, scoring.continuations
    shape = passes.packed.shape
    past = KeysValues(shape, len(prefix))
    key = scoring.key
    pinned = passes.cache.load(key, past)
    if pinned is not None:  # a row has copies of its own
        passes.cache.release(pinned)
    past.length = min(past.length, len(prefix) - 1)  # the scores after its last token are wanted
    while True:
        _check(scoring)
        tokens = prefix[past.length : past.length + passes.room()]
        after = passes.read(scoring.stretch(tokens, past))
        past.length += len(tokens)
        if past.length == len(prefix):
            break
        yield
    if keeps:
        passes.cache.store(key[: past.length], past)
    logprobs = torch.log_softmax(after, dim=-1)
    scores: Scores = [[float(logprobs[wanted[0]])] for wanted in continuations]
    waiting = deque((number, wanted) for number, wanted in enumerate(continuations) if len(wanted) > 1)
    if not waiting:
        return scores
    yield
    known = past.copy(0, past.length)
    rests: list[_Rest] = []
    while waiting or rests:
        _check(scoring)
        while waiting and len(rests) < passes.together:
            number, wanted = waiting.popleft()
            row = KeysValues(shape, past.length + len(wanted))
            row.append(known, past.length)
            rests.append(_Rest(number, wanted[:-1], wanted[1:], row))
        for rest, values in _pass(passes, scoring, rests):
            scores[rest.number] += values
        rests = [rest for rest in rests if rest.tokens]
        if waiting or rests:
            yield
    return scores


def _pass(passes: Passes, scoring: Scoring, rests: Sequence[_Rest]) -> list[tuple[_Rest, list[float]]]:
    """Compute as much of continuations as one pass may, and return what each has got."""
    room, taken = passes.room(), []
    for rest in rests:
        count = min(room, len(rest.tokens))
        if count:
            taken.append((rest, scoring.stretch(rest.tokens[:count], rest.past, scored=count)))
        room -= count
    logprobs = torch.log_softmax(passes.scored([stretch for _, stretch in taken]), dim=-1)
    wanted = [token for rest, stretch in taken for token in rest.wanted[: len(stretch.tokens)]]
    values = logprobs.gather(1, torch.tensor(wanted, device=logprobs.device)[:, None])[:, 0].tolist()
    found = []
    for rest, stretch in taken:
        count = len(stretch.tokens)
        found.append((rest, values[:count]))
        values = values[count:]
        rest.past.length += count
        rest.tokens, rest.wanted = rest.tokens[count:], rest.wanted[count:]
    return found


def _check(scoring: Scoring) -> None:
    if scoring.must_stop():
        raise GenerationCancelledError("The scoring was cancelled.", backend="hf")
