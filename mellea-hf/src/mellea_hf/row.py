"""One row of a batch: a prompt, its answer so far, and what has been computed of both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from time import perf_counter
from typing import TYPE_CHECKING, Any

from attrs import define, field

from mellea_hf.answer import Answer
from mellea_hf.options import DecodingSettings
from mellea_hf.prefix_tree import common_length
from mellea_hf.progress import progress_bar

if TYPE_CHECKING:
    from mellea_hf.constraint import RowConstraint
    from mellea_hf.keys_values import KeysValues
    from mellea_hf.lora import LoraWeights
    from mellea_hf.prefix_tree import Node
    from mellea_hf.prompt_lookup import PromptLookup
    from mellea_hf.steering.row import SteeredRow

__all__ = ["Request", "Row", "Stretch"]

_PATIENCE = 2.0
"""Seconds of generation before a bar shows."""


@define(eq=False)
class Stretch:
    """The next tokens of a row, for one step.

    Args:
        tokens: Their ids.
        past: The row's keys and values before them; those of the tokens are written behind.
        lora: The weights of the row's adapter.
        acts_from: The place in the row from which they act.
        scored: After how many of the tokens, the last ones, scores are wanted.
    """

    tokens: Sequence[int]
    past: KeysValues
    lora: LoraWeights | None = None
    acts_from: int = 0
    scored: int = 1

    def acting(self) -> list[LoraWeights | None]:
        """Return the weights that act on each token."""
        before = min(max(self.acts_from - self.past.length, 0), len(self.tokens))
        return [None] * before + [self.lora] * (len(self.tokens) - before)


@define(eq=False)
class Request:
    """What is asked of the engine in one call: one answer, or several.

    Args:
        settings: How to generate.
        limit: The most tokens of an answer.
        must_stop: Asked between steps whether to give up.
        vocabulary: llguidance's tokenizer, for log-probabilities.
        may_skip: Whether tokens that have to come may be written without a look at the model's scores.
        shows_progress: Whether nobody sees the pieces, so that a bar on a terminal has something to tell.
    """

    settings: DecodingSettings
    limit: int
    must_stop: Callable[[], bool]
    vocabulary: Any = None
    may_skip: bool = True
    shows_progress: bool = False
    rows: list[Row] = field(factory=list, init=False)
    future: Future[None] = field(factory=Future, init=False)
    error: BaseException | None = field(default=None, init=False)
    bar: Any = field(default=None, init=False)

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be computed for it."""
        return self.error is not None or self.must_stop()

    def begin(self) -> bool:
        """Tell whether a row of it may run, which it may unless it was cancelled."""
        if self.future.cancelled():
            return False
        if self.bar is None:
            if not self.future.set_running_or_notify_cancel():
                return False
            count = len(self.rows)
            title = "Generating" if count == 1 else f"Generating {count} answers"
            shape = "{desc}: {n} tokens, {elapsed}"
            self.bar = progress_bar(
                self.limit, title, shape=shape, delay=_PATIENCE, wanted=self.shows_progress
            )
        return not self.is_over

    def end(self) -> None:
        """Tell whoever waits that it is done."""
        if self.future.cancelled() or (self.bar is None and not self.future.set_running_or_notify_cancel()):
            return
        if self.bar is not None:
            self.bar.close()
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(None)


@define(eq=False)
class Row:
    """A row on its way through the engine.

    Args:
        request: What it belongs to.
        prompt: Token ids.
        answer: What it fills; one that was stopped keeps no finish reason.
        constraint: What its tokens are held to, mask by mask.
        steered: What they are held to in place of that, token by token.
        lora: The weights of the adapter that answers.
        acts_from: The place in the prompt from which they act.
    """

    request: Request
    prompt: Sequence[int]
    answer: Answer
    constraint: RowConstraint | None = None
    steered: SteeredRow | None = None
    lora: LoraWeights | None = None
    acts_from: int = 0
    queued_at: float = field(factory=perf_counter, init=False)
    past: KeysValues | None = field(default=None, init=False)
    choose: Callable[[Any], int] | None = field(default=None, init=False)
    """Takes the next token from scores; None where that is the likeliest."""
    pinned: Node[Any] | None = field(default=None, init=False)
    waiting: list[int] = field(factory=list, init=False)
    """Tokens that are known and not computed."""
    stretch: Stretch | None = field(default=None, init=False)
    """What of them the step that runs computes, and the guesses behind them."""
    lookup: PromptLookup | None = field(default=None, init=False)
    """Guesses how it goes on."""
    guessed: Sequence[int] = field(default=(), init=False)
    """Tokens that may follow those that wait, and are computed with them."""

    def __attrs_post_init__(self) -> None:
        self.request.rows.append(self)

    def take(self, most: int) -> int:
        """Let the next step compute some of the tokens that wait; return how many."""
        if self.past is None:
            return 0
        self.stretch = Stretch(self.waiting[:most], self.past, self.lora, self.acts_from)
        self.guessed = ()
        return len(self.stretch.tokens)

    def guess(self, most: int, *, alone: bool) -> int:
        """Let the next step, which computes all that waits, go on to what may follow; return how far.

        Args:
            most: How many tokens at most.
            alone: Whether the step computes one token otherwise.
        """
        if self.lookup is None or self.stretch is None:
            return 0
        self.guessed = self.lookup.guess(min(most, self.tokens_left - 1), alone=alone)
        self.stretch.tokens = [*self.stretch.tokens, *self.guessed]
        self.stretch.scored += len(self.guessed)
        return len(self.guessed)

    def prepare(self) -> None:
        """Let what holds it make ready for the next token, while the model computes its scores."""
        if self.constraint is not None:
            self.constraint.prepare(self.tokens_left)
        if self.steered is not None:
            self.steered.prepare(self.tokens_left)

    def has_computed(self) -> bool:
        """Note that the step is done; tell whether nothing waits any more."""
        if self.past is not None and self.stretch is not None:
            count = len(self.stretch.tokens) - len(self.guessed)
            self.past.length += count
            self.waiting = self.waiting[count:]
        self.stretch = None
        return not self.waiting

    def confirm(self) -> int:
        """Note which of the tokens that wait were guessed, and thus computed; return how many."""
        right = common_length(self.guessed, self.waiting)
        if self.past is not None:
            self.past.length += right
        self.guessed, self.waiting = self.guessed[right:], self.waiting[right:]
        return right

    def push(self, token: int) -> bool:
        """Take the next token, and those that have to follow it; tell whether the answer has ended."""
        self.waiting = []
        if self._push(token):
            return True
        if self.constraint is None or not self.request.may_skip:
            return False
        for follower in self.constraint.forced():
            if not self.constraint.leads_home(follower, self.tokens_left - 1):
                return False  # the way home has other tokens, fewer ones
            if self._push(follower):
                return True
        return False

    def _push(self, token: int) -> bool:
        self.waiting.append(token)
        if self.lookup is not None:
            self.lookup.add([token])
        self.request.bar.update()
        if self.answer.push(token):
            return True
        if self.constraint is not None:
            self.constraint.advance(token)
        if self.steered is not None:
            self.steered.advance(token)
        if not self.tokens_left:
            held = self.constraint or self.steered
            self.answer.finish("stop" if held is not None and held.is_complete else "length")
            return True
        return False

    @property
    def tokens(self) -> Sequence[int]:
        """All tokens whose keys and values are there, as the cache names them."""
        length = self.past.length if self.past is not None else 0
        return self._named([*self.prompt, *self.answer.tokens][:length])

    @property
    def named_prompt(self) -> Sequence[int]:
        """Its prompt, as the cache names it."""
        return self._named(self.prompt)

    def _named(self, tokens: Sequence[int]) -> Sequence[int]:
        return tokens if self.lora is None else self.lora.key(tokens, self.acts_from)

    @property
    def reads(self) -> bool:
        """Whether it still reads its prompt."""
        return not self.answer.tokens

    @property
    def stretch_length(self) -> int:
        """How many tokens of it the step computes."""
        return len(self.stretch.tokens) if self.stretch is not None else 0

    @property
    def computes_all(self) -> bool:
        """Whether the next token is known after the step that comes."""
        return self.stretch_length >= len(self.waiting)

    @property
    def tokens_left(self) -> int:
        """How many tokens its answer may still have."""
        return self.request.limit - len(self.answer.tokens)
