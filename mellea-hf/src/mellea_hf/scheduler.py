"""The engine of one model: it takes requests in, computes their rows together, and lets them go.

Each step is a job of its own in the engine's thread: rows join before it and leave after it, and what else
the thread has to do, such as the step of another model, comes in between.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from time import perf_counter

import torch
from attrs import asdict, define

from mellea.core import RateLimitError
from mellea_hf._engine import engine
from mellea_hf.keys_values import KeysValues
from mellea_hf.lora import LoraWeights
from mellea_hf.model import LoadedModel
from mellea_hf.packed import PackedModel
from mellea_hf.prefix_cache import PrefixCache
from mellea_hf.prompt_lookup import PromptLookup
from mellea_hf.row import Request, Row
from mellea_hf.row_sampler import row_sampler
from mellea_hf.scoring import Passes, Scoring, Scorings
from mellea_hf.settings import EngineSettings
from mellea_hf.stats import Counts, EngineStats
from mellea_hf.weights import is_out_of_memory

__all__ = ["Scheduler"]

_LOOKS = 32
"""Rows that may wait for another one's prompt while others are looked for that need not."""
_EXPECTED = 128
"""Tokens of an answer for which there is room at first."""


@define
class _Pace:
    """How many tokens of prompts one step reads."""

    alone: int
    """While no row writes; it bounds how long a cancelled prompt is still read."""
    beside: int
    """While others write, which wait for it."""
    ahead: int
    """How many tokens a step of those who write computes, with what it guesses: about as many as take hardly
    longer than few."""


_PACE = {"cpu": _Pace(256, 64, 24)}
_FAST = _Pace(2048, 512, 64)


class Scheduler:
    """Runs the requests of one model.

    Args:
        loaded: The model; only its parts are kept.
        packed: The same, as it is run.
        settings: How much it does at once, and keeps.
    """

    def __init__(self, loaded: LoadedModel, packed: PackedModel, settings: EngineSettings) -> None:
        self._loaded = loaded
        self._packed = packed
        self.settings = settings
        self.users = 0
        """How many open backends hold it."""
        self._pace = _PACE.get(packed.shape.device.type, _FAST)
        unit = self._pace.beside if settings.reproducible else 1
        self.cache = PrefixCache(packed.shape, settings.cache_bytes, unit)
        self._lock = threading.Lock()
        self._waiting: deque[Row] = deque()
        self._rows: list[Row] = []
        self._is_running = False
        self._wrote = False
        width = self._pace.beside if settings.reproducible else 0
        self._scorings = Scorings(Passes(packed, self.cache, settings.max_batch, self._room, width))
        self._counts = Counts()

    def stats(self) -> EngineStats:
        """Return what it has done so far. Any thread may ask."""
        counts, rows = self._counts, list(self._rows)
        return EngineStats(
            **{**asdict(counts), "batches": dict(counts.batches)},
            running=len(rows),
            waiting=len(self._waiting),
            cached_tokens=self.cache.tokens,
            cached_bytes=self.cache.bytes,
            row_bytes=sum(row.past.bytes for row in rows if row.past is not None),
        )

    def submit(self, request: Request) -> Future[None]:
        """Take a request in, from any thread.

        Returns:
            A future that is done when all its rows are; it can be cancelled until the first of them runs.

        Raises:
            RateLimitError: Too many rows wait already.
            ClosedError: The process is ending.
        """
        with self._lock:
            if len(self._waiting) + len(request.rows) > self.settings.max_queue:
                raise RateLimitError(
                    f"{len(self._waiting)} rows wait for the model already; {len(request.rows)} more would "
                    f"be beyond the {self.settings.max_queue} that may.",
                    hint="Send fewer at once, or raise max_queue.",
                    backend="hf",
                )
            self._run()
            self._waiting.extend(request.rows)
        return request.future

    def score(
        self,
        prefix: Sequence[int],
        continuations: Sequence[Sequence[int]],
        must_stop: Callable[[], bool],
        lora: LoraWeights | None = None,
        acts_from: int = 0,
    ) -> Future[list[list[float]]]:
        """Take a scoring in, from any thread. See ``Scoring``.

        Returns:
            The log-probabilities of each continuation's tokens; it can be cancelled until it begins.

        Raises:
            ClosedError: The process is ending.
        """
        scoring = Scoring(prefix, continuations, must_stop, lora, acts_from)
        with self._lock:
            self._run()
            self._scorings.add(scoring)
        return scoring.future

    def sweep(self) -> None:
        """Let go of rows that nobody waits for."""
        for row in [row for row in self._rows if row.request.is_over]:
            self._release(row)
        with self._lock:
            over, kept = deque[Row](), deque[Row]()
            for row in self._waiting:
                (over if row.request.is_over else kept).append(row)
            self._waiting = kept
        for row in over:
            _leave(row)

    def _go_on(self, done: Future[None]) -> None:
        """Let the next step follow, if anything is left to do. Runs at the end of each."""
        if done.cancelled() or engine.stopping:
            self._abandon(None)
        elif (error := done.exception()) is not None:
            self._abandon(error)
        with self._lock:
            self._is_running = False
            if (self._waiting or self._rows or self._scorings) and not engine.stopping:
                self._run()

    def _run(self) -> None:
        """Let steps follow until nothing is left to do. Whoever calls it holds the lock."""
        if not self._is_running:
            engine.submit(self._step).add_done_callback(self._go_on)
            self._is_running = True

    def _abandon(self, error: BaseException | None) -> None:
        """End everything, with an error or unfinished."""
        with self._lock:
            rows = [*self._rows, *self._waiting]
            self._rows.clear()
            self._waiting.clear()
            self._scorings.abandon(error)
        for row in rows:
            if row.pinned is not None:
                self.cache.release(row.pinned)
            row.request.error = row.request.error or error
            _leave(row)

    @torch.inference_mode()
    def _step(self) -> None:
        self.sweep()
        self._admit()
        rows = self._choose()
        for row in rows:
            if row.computes_all:
                row.prepare()
        done = [(row, scores) for row, scores in self._compute(rows) if row.has_computed()]
        likeliest = torch.cat([scores for _, scores in done]).argmax(-1).tolist() if done else []
        for row, scores in done:
            count = len(scores)
            self._write(row, scores, likeliest[:count])
            likeliest = likeliest[count:]
        self._scorings.step()

    def _admit(self) -> None:
        """Let waiting rows join while there is room."""
        held: list[Row] = []
        while len(self._rows) < self.settings.max_batch and len(held) < _LOOKS:
            with self._lock:
                if not self._waiting:
                    break
                row = self._waiting.popleft()
            readers = [other.named_prompt for other in self._rows if other.reads]
            if self.cache.is_worth_waiting(row.named_prompt, readers):
                held.append(row)
            elif row.request.begin():
                self._join(row)
            else:
                _leave(row)
        with self._lock:
            self._waiting.extendleft(reversed(held))

    def _join(self, row: Row) -> None:
        request = row.request
        try:
            row.choose = row_sampler(self._loaded, row)
            row.past = KeysValues(self._packed.shape, len(row.prompt) + min(request.limit, _EXPECTED))
            row.pinned = self.cache.load(row.named_prompt, row.past)
        except Exception as error:  # noqa: BLE001  whoever waits for the row gets it
            request.error = error
            _leave(row)
            return
        row.waiting = list(row.prompt[row.past.length :])
        if not self.settings.reproducible:
            row.lookup = PromptLookup(row.prompt)
        self._rows.append(row)
        row.answer.cached_tokens = row.past.length
        self._counts.joined(perf_counter() - row.queued_at, row.past.length)

    def _choose(self) -> list[Row]:
        """Give rows the stretch that this step computes: writers first, prompts at a bounded pace."""
        writers = [row for row in self._rows if not row.reads]
        readers = [row for row in self._rows if row.reads]
        if self.settings.reproducible:
            return self._choose_apart(writers, readers)
        room = self._pace.beside if writers else self._pace.alone
        known = sum(row.take(len(row.waiting)) for row in writers)
        for row in readers:
            room -= row.take(room)
        if not readers:
            self._guess(writers, self._pace.ahead - known, alone=known == 1)
        return self._chosen()

    def _guess(self, writers: Sequence[Row], ahead: int, *, alone: bool) -> None:
        """Let writers share what a step computes ahead."""
        for number, row in enumerate(writers):
            ahead -= row.guess(ahead // (len(writers) - number), alone=alone)

    def _room(self) -> int:
        """Return how many tokens a pass of a scoring computes."""
        return self._pace.beside if self._rows or self.settings.reproducible else self._pace.alone

    def _choose_apart(self, writers: Sequence[Row], readers: Sequence[Row]) -> list[Row]:
        """Choose so that passes have two shapes alone: one piece of a prompt, or one token of each writer."""
        if readers and (self._wrote or not writers):
            readers[0].take(self._pace.beside)
        else:
            for row in writers:
                row.take(1)
        self._wrote = not any(row.stretch_length for row in readers)
        return self._chosen()

    def _chosen(self) -> list[Row]:
        """Return the rows that this step computes, those of one adapter side by side."""
        rows = [row for row in self._rows if row.stretch_length]
        return sorted(rows, key=lambda row: row.lora.serial if row.lora is not None else 0)

    def _scores(self, rows: Sequence[Row]) -> torch.Tensor:
        stretches = [row.stretch for row in rows if row.stretch is not None]
        if not self.settings.reproducible:
            return self._packed.run(stretches)
        if rows[0].reads:
            return self._packed.run_padded(stretches, self._pace.beside, one=True)
        return self._packed.run_padded(stretches, self.settings.max_batch)[: len(rows)]

    def _compute(self, rows: Sequence[Row]) -> Iterator[tuple[Row, torch.Tensor]]:
        """Run a step of rows, alone where they fail together; a row that fails alone has its error."""
        if not rows:
            return
        try:
            scores = self._scores(rows)
        except Exception as error:  # noqa: BLE001  whoever waits for the row gets it
            freed = self.cache.clear() if is_out_of_memory(error) else 0
            if len(rows) > 1 or freed:
                for row in rows:
                    yield from self._compute([row])
            else:
                rows[0].request.error = error
                self._release(rows[0], keeps=False)
        else:
            read = sum(row.stretch_length for row in rows if row.reads)
            self._counts.stepped(len(rows), read)
            scored = [row.stretch.scored for row in rows if row.stretch is not None]
            yield from zip(rows, torch.split(scores, scored), strict=True)

    def _write(self, row: Row, scores: torch.Tensor, likeliest: Sequence[int]) -> None:
        """Let a row take its next tokens: one, and behind it as many as were guessed."""
        guessed, right = len(row.guessed), 0
        try:
            if row.reads:
                self._keep(row)
            while True:
                token = likeliest[right] if row.choose is None else row.choose(scores[right])
                ended = row.push(token)
                self._counts.written_tokens += len(row.waiting)
                right += row.confirm()
                if ended or row.waiting:
                    break
                row.prepare()
        except Exception as error:  # noqa: BLE001  whoever waits for the row gets it
            row.request.error = error
            ended = True
        self._counts.guessed(guessed, right)
        if ended:
            self._release(row)
        elif guessed and row.lookup is not None:
            row.lookup.learn(guessed, right)

    def _keep(self, row: Row) -> None:
        """Store what a row has computed for those that begin alike."""
        if row.past is None or (self.settings.reproducible and not row.reads):
            return
        try:
            self.cache.store(row.tokens, row.past)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            self.cache.clear()

    def _release(self, row: Row, *, keeps: bool = True) -> None:
        """Let a row go."""
        if keeps:
            self._keep(row)
        if row.pinned is not None:
            self.cache.release(row.pinned)
        row.past = row.pinned = row.choose = row.stretch = None
        self._rows.remove(row)
        _leave(row)


def _leave(row: Row) -> None:
    """Tell a request that a row is done, and whoever waits when it was the last."""
    request = row.request
    request.rows.remove(row)
    if not request.rows:
        request.end()
