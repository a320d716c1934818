"""Constrained decoding: only tokens with which the output can still fit, by llguidance.

An output fits a JSON schema, or, where it is a plain text, a regular expression.
"""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import reduce
from typing import Any, Protocol

import torch
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer
from transformers import LogitsProcessor

from mellea.core import OutputSchema, ProviderError, RequestRejectedError, SchemaDialect
from mellea_hf.answer import Answer

__all__ = ["Automaton", "Constraints", "GrammarAutomaton", "MaskProcessor", "RowConstraint"]

_KEPT = 64
"""Compiled schemas kept for each model."""


class Constraints:
    """Compiles JSON schemas and patterns for one model. Any thread may use it.

    Args:
        tokenizer: A transformers tokenizer.
        vocabulary: Number of scores that the model gives.
        end_tokens: Tokens that end an answer.
    """

    def __init__(self, tokenizer: Any, vocabulary: int, end_tokens: Collection[int]) -> None:
        self._tokenizer = from_tokenizer(
            tokenizer, n_vocab=max(vocabulary, len(tokenizer)), eos_token=sorted(end_tokens)
        )
        self._compiled: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def vocabulary(self) -> Any:
        """Llguidance's tokenizer, which knows the bytes of each token."""
        return self._tokenizer

    def matchers(self, schema: OutputSchema, dialect: SchemaDialect, rows: int) -> list[Any]:
        """Return a fresh matcher for each row.

        Args:
            schema: What the output has to look like.
            dialect: The words in which a JSON schema is said.
            rows: How many.

        Raises:
            RequestRejectedError: llguidance does not understand the schema.
        """
        try:
            key = schema.plain_pattern or json.dumps(schema.in_dialect(dialect).schema)
        except (TypeError, ValueError) as error:
            raise _rejection(error) from error
        with self._lock:
            matcher = self._compiled.get(key)
            if matcher is None:
                matcher = self._compiled[key] = self._compile(
                    key, is_pattern=schema.plain_pattern is not None
                )
            self._compiled.move_to_end(key)
            while len(self._compiled) > _KEPT:
                self._compiled.popitem(last=False)
            return [matcher.deep_copy() for _ in range(rows)]

    def for_rows(self, schema: OutputSchema, dialect: SchemaDialect, rows: int) -> list[RowConstraint]:
        """Return what holds each row to the schema. See ``matchers``."""
        return [RowConstraint([GrammarAutomaton(each)]) for each in self.matchers(schema, dialect, rows)]

    def _compile(self, schema: str, *, is_pattern: bool) -> Any:
        try:
            if is_pattern:  # which llguidance anchors by itself
                grammar = LLMatcher.grammar_from_regex(schema.removeprefix("^").removesuffix("$"))
                return self._matcher(grammar)
            # Free whitespace lets small models write nothing else.
            grammar = LLMatcher.grammar_from_json_schema(schema, defaults={"whitespace_flexible": False})
        except ValueError as error:
            raise _rejection(error) from error
        return self._matcher(grammar)

    def _matcher(self, grammar: str) -> Any:
        matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise _rejection(matcher.get_error())
        return matcher


def _rejection(reason: object) -> RequestRejectedError:
    return RequestRejectedError(
        f"The JSON schema cannot constrain the output: {str(reason).rstrip('.')}.",
        hint="Change the schema, or check that part of it with a requirement.",
        backend="hf",
    )


class Automaton(Protocol):
    """What holds one row to a language, token by token. It has a state of its own."""

    def mask(self, tokens_left: int) -> bytes:
        """Return one byte for each token: 0 where it may not come next. Called off the engine's thread.

        Args:
            tokens_left: How many tokens the answer may still have.
        """

    def advance(self, token: int) -> None:
        """Take the token that came.

        Raises:
            ProviderError: It cannot come here.
        """

    def forced(self) -> Sequence[int]:
        """Return the tokens that have to come next, as far as they are known; they are not sampled."""


class GrammarAutomaton:
    """A schema or a pattern, by llguidance.

    Args:
        matcher: A fresh matcher.
    """

    def __init__(self, matcher: Any) -> None:
        self._matcher = matcher

    def mask(self, tokens_left: int) -> bytes:
        """Return one byte for each token: 0 where it may not come next."""
        mask: bytes = self._matcher.compute_logit_bias()
        return mask

    def advance(self, token: int) -> None:
        """Take the token that came.

        Raises:
            ProviderError: It cannot come here.
        """
        if not self._matcher.consume_token(token):
            raise ProviderError(
                f"Constrained decoding failed: {self._matcher.get_error()}.",
                hint="Simplify the schema.",
                backend="hf",
            )

    def forced(self) -> Sequence[int]:
        """Return the tokens that have to come next."""
        tokens: list[int] = self._matcher.compute_ff_tokens()
        return tokens


class RowConstraint:
    """What one row is held to: automata of which each has to allow a token.

    Args:
        automata: Fresh ones.
    """

    def __init__(self, automata: Sequence[Automaton]) -> None:
        self._automata = automata
        self._masks: Future[list[bytes]] | None = None

    def prepare(self, tokens_left: int) -> None:
        """Let the mask of the next token be computed, while the model computes its scores."""
        self._masks = _workers.submit(lambda: [one.mask(tokens_left) for one in self._automata])

    def apply(self, scores: torch.Tensor) -> None:
        """Rule out the tokens that may not come next, in scores of shape (vocabulary).

        Raises:
            ProviderError: No token may come, or an automaton failed.
        """
        if self._masks is None:
            raise RuntimeError("No mask was prepared.")
        masks, self._masks = self._masks.result(), None
        # One byte for each token: 0 where it is forbidden.
        allowed = reduce(
            torch.logical_and, [torch.frombuffer(bytearray(mask), dtype=torch.uint8) != 0 for mask in masks]
        )[: scores.shape[0]]
        if not allowed.any():
            raise ProviderError(
                "No token fits all that the output is held to.", hint="Ask for less at once.", backend="hf"
            )
        scores.masked_fill_(~allowed.to(scores.device), float("-inf"))

    def advance(self, token: int) -> None:
        """Take the token that came.

        Raises:
            ProviderError: An automaton refuses it.
        """
        for automaton in self._automata:
            automaton.advance(token)

    def forced(self) -> Sequence[int]:
        """Return the tokens that have to come next; none where several automata have a say."""
        return self._automata[0].forced() if len(self._automata) == 1 else ()


class _Workers:
    """The thread that computes masks; it starts with the first, and does nothing that touches torch."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def submit(self, work: Any) -> Future[Any]:
        """Do some work there; here, where the interpreter ends."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="mellea-hf-masks")
        try:
            return self._pool.submit(work)
        except RuntimeError:
            done: Future[Any] = Future()
            done.set_result(work())
            return done


_workers = _Workers()
os.register_at_fork(after_in_child=_workers.reset)


class MaskProcessor(LogitsProcessor):  # type: ignore[misc]  # transformers is not typed
    """Rules out, in transformers' own loop, the tokens that a row's constraint does not allow next.

    Args:
        constraints: What each row is held to.
        answers: The rows' answers, which know whether they have ended.
        limit: The most tokens of an answer.
    """

    def __init__(self, constraints: Sequence[RowConstraint], answers: Sequence[Answer], limit: int) -> None:
        self._rows = list(zip(constraints, answers, strict=True))
        self._limit = limit

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores with those of forbidden tokens at minus infinity."""
        for index, (constraint, answer) in enumerate(self._rows):
            if answer.finish_reason is None:
                if answer.tokens:
                    constraint.advance(answer.tokens[-1])
                constraint.prepare(self._limit - len(answer.tokens))
                constraint.apply(scores[index])
        return scores
