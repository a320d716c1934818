"""Constrained decoding: only tokens with which the output can still fit, by llguidance.

An output fits a JSON schema, or, where it is a plain text, a regular expression.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from typing import Any

import torch
from llguidance import LLMatcher
from llguidance.hf import from_tokenizer
from transformers import LogitsProcessor

from mellea.core import OutputSchema, ProviderError, RequestRejectedError, SchemaDialect
from mellea_hf.answer import Answer

__all__ = ["Constraints", "MaskProcessor"]

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


class MaskProcessor(LogitsProcessor):  # type: ignore[misc]  # transformers is not typed
    """Rules out the tokens that the schema does not allow next.

    Args:
        matchers: A fresh matcher for each row.
        answers: The row's answers, which know whether they have ended.
    """

    def __init__(self, matchers: Sequence[Any], answers: Sequence[Answer]) -> None:
        self._rows = list(zip(matchers, answers, strict=True))

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return the scores with those of forbidden tokens at minus infinity."""
        for index, (matcher, answer) in enumerate(self._rows):
            if answer.finish_reason is None:
                scores[index].masked_fill_(_forbid(matcher, answer, scores), float("-inf"))
        return scores


def _forbid(matcher: Any, answer: Answer, scores: torch.Tensor) -> torch.Tensor:
    if answer.tokens and not matcher.consume_token(answer.tokens[-1]):
        raise ProviderError(
            f"Constrained decoding failed: {matcher.get_error()}.", hint="Simplify the schema.", backend="hf"
        )
    # One byte for each token: 0 where it is forbidden.
    bias = torch.frombuffer(bytearray(matcher.compute_logit_bias()), dtype=torch.uint8)
    return (bias[: scores.shape[1]] == 0).to(scores.device)
