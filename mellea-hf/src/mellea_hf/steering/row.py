"""One row that is steered: which tokens may come, which are favoured, and a way home that is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from mellea_hf.steering.joint import Joint, State
from mellea_hf.steering.pacing import Pacing
from mellea_hf.steering.vocabulary import Vocabulary

__all__ = ["SteeredRow"]

_FLOOR = 1e-3
"""The least probability of a token that advances no rule."""
_RARE = 2e-5
"""The least probability of a token that does."""
_LEFT = 0.01
"""Where less of the probability is allowed, the text ends, or advances a rule."""
_PROVEN = 12
_SEARCH = 300


class SteeredRow:
    """What one row is held to: a joint value with its state, its witness, and its guards.

    Args:
        joint: The automata.
        vocabulary: The tokens.
        witness: A way home from the start.
        pacing: What favours tokens.
        proven: Whether each token that ``apply`` leaves must have a way home, for a caller that does not ask
            ``takes``.
    """

    def __init__(
        self,
        joint: Joint,
        vocabulary: Vocabulary,
        witness: Sequence[int],
        pacing: Pacing,
        *,
        proven: bool = False,
    ) -> None:
        self._joint, self._vocabulary, self._pacing = joint, vocabulary, pacing
        self._state: State = joint.start
        self._witness = list(witness)
        self._proven = proven
        self._tokens: list[int] = []
        self._grams: set[tuple[int, ...]] = set()
        self._left = 0
        self._next: dict[int, tuple[State, list[int]]] = {}

    @property
    def is_complete(self) -> bool:
        """Whether all accept the text as it is."""
        return bool(self._joint.accepts(self._state))

    def prepare(self, tokens_left: int) -> None:
        """Take note of how many tokens the answer may still have; one is kept for its end."""
        self._left = tokens_left - 1

    def apply(self, scores: torch.Tensor) -> None:
        """Leave the tokens that may come in scores of shape (vocabulary), with what favours them."""
        tokens, values = self.choices(scores)
        scores.fill_(float("-inf"))
        scores[tokens] = values

    def choices(self, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the tokens that may come, with their scores and what favours them, each of shape (few).

        Args:
            scores: The model's scores, of shape (vocabulary).
        """
        tokens, values = self._allowed(scores.detach().float().cpu().numpy())
        if self._proven:
            kept = [at for at in np.argsort(-values)[:_PROVEN] if self.takes(int(tokens[at]))]
            tokens, values = tokens[kept], values[kept]
        if not len(tokens):
            tokens, values = np.array([self.own]), np.zeros(1)
        where = torch.from_numpy(np.asarray(tokens, np.int64)).to(scores.device)
        return where, torch.from_numpy(np.asarray(values, np.float32)).to(scores.device, scores.dtype)

    @property
    def own(self) -> int:
        """The token by which the known way home goes on; an end token where the text is there."""
        return self._witness[0] if self._witness else self._vocabulary.end_tokens[0]

    def _allowed(self, raw: Any) -> tuple[Any, Any]:
        """Return the tokens that may come, with their scores."""
        joint, ends = self._joint, self._vocabulary.end_tokens
        distances = joint.distance(self._state)
        may_end = not any(distances)
        weights = np.exp(raw - raw.max())
        ending = float(weights[ends].sum()) / float(weights.sum())
        weights[ends] = 0.0
        shares = weights / max(float(weights.sum()), 1e-30)
        plan = self._pacing.plan(self._state, distances, ending, self._left, self._witness)
        if may_end and (plan.ends or self._left <= 0):
            return np.array(ends[:1]), np.zeros(1, np.float32)
        tokens = np.flatnonzero(shares >= _FLOOR)
        advancing = self._advancing(plan.wanted, shares, rare=plan.goes_home)
        if plan.only is not None:
            only = self._advancing([plan.only], shares, rare=True)
            if len(only):
                tokens = advancing = only
        tokens = np.union1d(tokens, advancing)
        after = joint.distances(self._state, tokens)
        alive = (after.max(0) <= self._left - 1) & self._fresh(tokens, advancing)
        alive &= self._pacing.in_order(after, distances)
        tokens, after = tokens[alive], after[:, alive]
        if float(shares[tokens].sum()) < _LEFT:
            if may_end:
                return np.array(ends[:1]), np.zeros(1, np.float32)
            closer = self._advancing([at for at, far in enumerate(distances) if far], shares, rare=True)
            tokens = np.union1d(tokens[shares[tokens] >= _FLOOR], closer)
            after = joint.distances(self._state, tokens)
            tokens, after = tokens[after.max(0) <= self._left - 1], after[:, after.max(0) <= self._left - 1]
        values = np.log(np.maximum(shares[tokens], 1e-12)) + plan.bonus(after)
        if may_end and ending >= _FLOOR:
            tokens = np.append(tokens, ends[0])
            values = np.append(values, np.log(ending / max(1 - ending, 1e-6)) + plan.end_bonus)
        return tokens, values

    def _advancing(self, automata: Sequence[int], shares: Any, *, rare: bool) -> Any:
        """Return the likeliest tokens that bring some automata closer, above a lower floor."""
        found = []
        for number in automata:
            ways = self._joint.automata[number].ways(self._state[number])
            ways = ways[self._joint.possible[ways]]
            best = ways if len(ways) <= 8 else ways[np.argpartition(-shares[ways], 8)[:8]]
            found.append(best if rare else best[shares[best] >= _RARE])
        return np.concatenate(found) if found else np.zeros(0, np.int64)

    def _fresh(self, tokens: Any, advancing: Any) -> Any:
        """Return which tokens repeat no four tokens of the text."""
        last = tuple(self._tokens[-3:])
        again = {gram[3] for gram in self._grams if gram[:3] == last} - set(map(int, advancing))
        return ~np.isin(tokens, list(again)) if again else np.ones(len(tokens), bool)

    def takes(self, token: int) -> bool:
        """Return whether there is a way home behind a token, within the tokens left."""
        if token in self._vocabulary.end_tokens:
            return self._joint.accepts(self._state)
        if token not in self._next:
            after = self._joint.step(self._state, token)
            way = self._way(token, after)
            if way is None:
                return False
            self._next[token] = after, way
        return True

    def _way(self, token: int, state: State) -> list[int] | None:
        most = self._left - 1
        known = [self._witness[1:], self._witness] if self._witness else []
        if known and known[1][0] == token:
            known = known[:1]
        for path in known:
            found = self._joint.follow(state, path, most)
            if found is not None:
                return found
        return self._joint.way_home(state, most, _SEARCH)

    def advance(self, token: int) -> None:
        """Take the token that came."""
        if token in self._vocabulary.end_tokens:
            return
        if not self.takes(token):
            self._next[token] = self._joint.step(self._state, token), []
        self._state, self._witness = self._next[token]
        self._next = {}
        self._tokens.append(token)
        if len(self._tokens) >= 4:
            self._grams.add(tuple(self._tokens[-4:]))
        self._pacing.wrote(self._tokens)
