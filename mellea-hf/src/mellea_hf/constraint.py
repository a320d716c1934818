"""Constrained decoding: only tokens with which the output can still fit, by llguidance.

An output fits a JSON schema, or, where it is a plain text, a regular expression or a grammar. It is never
cut: see ``way_home``.
"""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from attrs import frozen
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer

from mellea.core import OutputSchema, ProviderError, RequestRejectedError, SchemaDialect
from mellea.core.quote import QUOTE_OF
from mellea.core.steering import LarkGrammar
from mellea_hf.least_text import least_texts
from mellea_hf.quote_grammar import quote_grammar, without_quotes
from mellea_hf.remainder import Remainder
from mellea_hf.way_home import Exits, WayHome

__all__ = ["Automaton", "Constraints", "GrammarAutomaton", "HomingAutomaton", "RowConstraint"]

_KEPT = 64
"""Compiled schemas kept for each model."""


@frozen(eq=False)
class _Compiled:
    """A schema, compiled.

    Args:
        matcher: A matcher that has taken nothing.
        home: Knows how the shortest output is written; None where no way was found.
    """

    matcher: Any
    home: WayHome | None


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
        self._end_tokens = end_tokens
        self._compiled: OrderedDict[tuple[str, str], _Compiled] = OrderedDict()
        self._exits: Exits | None = None
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
        compiled = self._get(schema, dialect)
        return [compiled.matcher.deep_copy() for _ in range(rows)]

    def for_rows(self, schema: OutputSchema, dialect: SchemaDialect, rows: int) -> list[RowConstraint]:
        """Return what holds each row to the schema. See ``matchers``."""
        compiled = self._get(schema, dialect)
        return [
            RowConstraint(
                [GrammarAutomaton(compiled.matcher.deep_copy(), compiled.home and compiled.home.copy())]
            )
            for _ in range(rows)
        ]

    def _get(self, schema: OutputSchema, dialect: SchemaDialect) -> _Compiled:
        key = _wanted(schema, dialect)
        with self._lock:
            compiled = self._compiled.get(key)
            if compiled is None:
                compiled = self._compiled[key] = self._compile(*key)
            self._compiled.move_to_end(key)
            while len(self._compiled) > _KEPT:
                self._compiled.popitem(last=False)
            return compiled

    def _home(self, matcher: Any, texts: Iterable[str], rest: Remainder | None) -> WayHome | None:
        """Return what knows how an output is completed, or None where it does not see a way.

        Args:
            matcher: A matcher that has taken nothing.
            texts: Texts known to be short and whole, if there are some.
            rest: What the output may be, where an expression says so.
        """
        if self._exits is None:
            self._exits = Exits.of(self._tokenizer, self._end_tokens)
        home = WayHome(self._exits, list(texts), rest)
        return home if home.find(matcher.deep_copy()) else None

    def _compile(self, kind: str, text: str) -> _Compiled:
        least: Iterable[str] = ()
        rest: Remainder | None = None
        try:
            if kind == "lark":
                grammar = LLMatcher.grammar_from_lark(text)
            elif kind == "pattern":  # which llguidance anchors by itself
                grammar = LLMatcher.grammar_from_regex(text.removeprefix("^").removesuffix("$"))
                rest = Remainder.of(text)
                least = filter(None, [rest.least if rest else None])
            else:
                grammar, least = _of_schema(text), least_texts(json.loads(text))
        except ValueError as error:
            raise _rejection(error) from error
        matcher = self._matcher(grammar)
        return _Compiled(matcher, self._home(matcher, least, rest))

    def _matcher(self, grammar: str) -> Any:
        matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise _rejection(matcher.get_error())
        return matcher


def _wanted(schema: OutputSchema, dialect: SchemaDialect) -> tuple[str, str]:
    """Return whether an output is held to a Lark grammar, a pattern or a schema, and the text of that."""
    for form in schema.forms:
        if isinstance(form, LarkGrammar):
            return "lark", form.text
    try:
        if schema.plain_pattern:
            return "pattern", schema.plain_pattern
        return "schema", json.dumps(schema.in_dialect(dialect).schema)
    except (TypeError, ValueError) as error:
        raise _rejection(error) from error


def _of_schema(text: str) -> str:
    """Return llguidance's grammar of a JSON schema, with quotes word for word where it has some."""
    if QUOTE_OF in text:
        quoting = quote_grammar(json.loads(text))
        if quoting is not None:
            return str(LLMatcher.grammar_from_lark(quoting))
        text = json.dumps(without_quotes(json.loads(text)))
    # Free whitespace lets small models write nothing else.
    return str(LLMatcher.grammar_from_json_schema(text, defaults={"whitespace_flexible": False}))


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

    def allows(self, token: int, tokens_left: int) -> bool:
        """Tell what the mask says of one token, without the others."""

    def advance(self, token: int) -> None:
        """Take the token that came.

        Raises:
            ProviderError: It cannot come here.
        """

    def forced(self) -> Sequence[int]:
        """Return the tokens that have to come next, as far as they are known; they are not sampled."""


@runtime_checkable
class HomingAutomaton(Automaton, Protocol):
    """An automaton that knows how its text can be completed from where it is."""

    @property
    def home(self) -> Sequence[int] | None:
        """Tokens that complete the text; none where it is complete, and None where no way is known."""

    def leads_home(self, token: int, tokens_left: int) -> bool:
        """Tell whether the text can be completed behind a token that the mask allows.

        Args:
            token: The token.
            tokens_left: How many tokens the answer may still have behind it.
        """


class GrammarAutomaton:
    """A schema or a pattern, by llguidance.

    Args:
        matcher: A fresh matcher.
        home: Knows how its text can be completed.
    """

    def __init__(self, matcher: Any, home: WayHome | None = None) -> None:
        self._matcher = matcher
        self._home = home
        self._seen: tuple[int, Any, list[int]] | None = None
        self._forced: list[int] | None = None

    @property
    def home(self) -> Sequence[int] | None:
        """Tokens that complete the text; None where no way is known."""
        return None if self._home is None else self._home.tokens(self._matcher)

    def mask(self, tokens_left: int) -> bytes:
        """Return one byte for each token: 0 where it may not come next."""
        mask: bytes = self._matcher.compute_logit_bias()
        return mask

    def allows(self, token: int, tokens_left: int) -> bool:
        """Tell what the mask says of one token: of several ways to write what has to come, it allows one."""
        if self._matcher.is_stopped():
            return bool(self.mask(tokens_left)[token])
        forced = self.forced()
        return forced[0] == token if forced else self._matcher.validate_tokens([token]) == 1

    def leads_home(self, token: int, tokens_left: int) -> bool:
        """Tell whether a way home is known, or there is one, behind a token that the mask allows."""
        if self._home is None or tokens_left >= self._home.enough:
            return True
        after = self._matcher.deep_copy()
        if not after.consume_token(token):
            return True  # taking it says what is wrong
        if after.is_stopped():
            self._seen = token, after, []
            return True
        way = self._home.after(after, token, tokens_left)
        if way is not None:
            self._seen = token, after, way
        return way is not None

    def advance(self, token: int) -> None:
        """Take the token that came.

        Raises:
            ProviderError: It cannot come here.
        """
        seen, self._seen, self._forced = self._seen, None, None
        if self._home is not None and seen is not None and seen[0] == token:
            _, self._matcher, way = seen
            self._home.took(token, way)
        elif not self._matcher.consume_token(token):
            raise ProviderError(
                f"Constrained decoding failed: {self._matcher.get_error()}.",
                hint="Simplify the schema.",
                backend="hf",
            )
        elif self._home is not None:
            self._home.took(token)

    def forced(self) -> Sequence[int]:
        """Return the tokens that have to come next."""
        if self._forced is None:
            self._forced = self._matcher.compute_ff_tokens()
        return self._forced


class RowConstraint:
    """What one row is held to: automata of which each has to allow a token.

    Args:
        automata: Fresh ones.
    """

    def __init__(self, automata: Sequence[Automaton]) -> None:
        self._automata = automata
        only = automata[0] if len(automata) == 1 else None
        self._homing = only if isinstance(only, HomingAutomaton) and only.home is not None else None
        self._forbidden: Future[Any] | None = None
        self._tokens_left = 0
        self._took_mask = True

    @property
    def home(self) -> Sequence[int] | None:
        """Tokens that complete the output; None where no way is known that all automata would take."""
        return None if self._homing is None else self._homing.home

    @property
    def is_complete(self) -> bool:
        """Whether the output may end where it is."""
        return self.home is not None and not self.home

    def leads_home(self, token: int, tokens_left: int) -> bool:
        """Tell whether a token may be taken without the output being cut later.

        Args:
            token: A token that the mask allows.
            tokens_left: How many tokens the answer may still have behind it.
        """
        return self._homing is None or self._homing.leads_home(token, tokens_left)

    def prepare(self, tokens_left: int) -> None:
        """Make ready for the next token, while the model computes its scores.

        If the token before took a mask, the next one is computed meanwhile. Otherwise it is left until it is
        asked for: most tokens that are drawn are allowed, which costs less to see than a mask does.
        """
        self._tokens_left, self._forbidden = tokens_left, None
        if self._took_mask:
            self._forbidden = _workers.submit(lambda: _forbidden(self._automata, tokens_left))
        self._took_mask = False

    @property
    def has_mask(self) -> bool:
        """Whether the mask of the next token is there, or on its way."""
        return self._forbidden is not None

    def allows(self, token: int) -> bool:
        """Tell whether a token may come next."""
        if self._forbidden is not None:
            return not self._forbidden.result()[token]
        return all(each.allows(token, self._tokens_left) for each in self._automata)

    def apply(self, scores: torch.Tensor) -> None:
        """Rule out the tokens that may not come next, in scores of shape (vocabulary).

        Raises:
            ProviderError: No token may come, or an automaton failed.
        """
        self._took_mask = True
        if self._forbidden is None:
            self._forbidden = Future()
            self._forbidden.set_result(_forbidden(self._automata, self._tokens_left))
        forbidden = self._forbidden.result()[: scores.shape[0]]
        if forbidden.all():
            raise ProviderError(
                "No token fits all that the output is held to.", hint="Ask for less at once.", backend="hf"
            )
        scores.masked_fill_(torch.from_numpy(forbidden).to(scores.device), float("-inf"))

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


def _forbidden(automata: Sequence[Automaton], tokens_left: int) -> Any:
    """Return which tokens not all automata allow next, of shape (vocabulary)."""
    masks = [np.frombuffer(one.mask(tokens_left), np.uint8) for one in automata]
    return np.logical_or.reduce([mask == 0 for mask in masks])


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
