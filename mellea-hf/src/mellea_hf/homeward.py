"""Draws that lead home: what one row takes next, so that its output can still be completed.

In the engine's thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from transformers import LogitsProcessor

from mellea_hf.answer import Answer
from mellea_hf.constraint import RowConstraint
from mellea_hf.sampling import drawn, race_of, shaped

if TYPE_CHECKING:
    from mellea_hf.steering.row import SteeredRow

__all__ = ["HomewardProcessor", "MaskProcessor", "draw_homeward", "draw_steered"]

_DRAWS = 6
"""How often a token is drawn before the way home is followed."""
_LOOKS = 4
"""How many tokens are held against a constraint before the whole vocabulary is."""


def draw_homeward(
    draw: Sequence[Any], ids: torch.Tensor, scores: torch.Tensor, constraint: RowConstraint, left: int
) -> int:
    """Return a token for one row behind which its output can be completed.

    Args:
        draw: Leaves only the score of the token drawn, or all scores where the likeliest is taken.
        ids: The tokens so far, of shape (1, length).
        scores: Scores of shape (1, vocabulary); what may not come is ruled out in them, if need be.
        constraint: What the row is held to.
        left: How many tokens the answer may still have behind this one.
    """
    for turn in range(_DRAWS):
        token = drawn(draw, ids, scores.clone()) if turn else _drawn_allowed(draw, ids, scores, constraint)
        if constraint.leads_home(token, left):
            return token
        if not turn:
            constraint.apply(scores[0])
        scores[0, token] = float("-inf")
        if not bool((scores[0] > float("-inf")).any()):
            break
    home = constraint.home
    return home[0] if home else token


def _drawn_allowed(
    draw: Sequence[Any], ids: torch.Tensor, scores: torch.Tensor, constraint: RowConstraint
) -> int:
    """Return the token that is drawn where all that may not come is ruled out.

    The tokens that come first without that are held against the constraint one by one, and the whole
    vocabulary only where these are refused: the same token, at less cost.
    """
    race = race_of(draw, ids, scores)
    if race is not None:
        for _ in range(1 if constraint.has_mask else _LOOKS):
            token = race.first()
            if token is None:
                break
            if constraint.allows(token):
                return token
            race.without(token)
    constraint.apply(scores[0])
    if race is not None:
        token = race.among(shaped(draw[:-1], ids, scores.clone())[0])
        if token is not None:
            return token
    return drawn(draw, ids, scores.clone())


def draw_steered(
    draw: Sequence[Any], ids: torch.Tensor, scores: torch.Tensor, steered: SteeredRow
) -> tuple[int, torch.Tensor, torch.Tensor]:
    """Draw a token for one row among the few that may come, behind which there is a way home.

    Args:
        draw: As for ``draw_homeward``.
        ids: The tokens so far, of shape (1, length).
        scores: The model's scores, of shape (vocabulary).
        steered: What the row is held to.

    Returns:
        The token, and the tokens and scores, each of shape (few), that it was drawn from at last.
    """
    tokens, values = steered.choices(scores)
    for _ in range(_DRAWS):
        at = drawn(draw, ids, values[None].clone())
        token = int(tokens[at])
        if steered.takes(token):
            return token, tokens, values
        values[at] = float("-inf")
        if not bool(torch.isfinite(values).any()):
            break
    return steered.own, tokens.new_tensor([steered.own]), values.new_zeros(1)


class MaskProcessor(LogitsProcessor):  # type: ignore[misc]  # transformers is not typed
    """Rules out, in transformers' own loop, the tokens that a row's constraint does not allow next.

    Args:
        constraints: What each row is held to.
        answers: The rows' answers, which know whether they have ended.
        limit: The most tokens of an answer.
    """

    def __init__(
        self, constraints: Sequence[RowConstraint | SteeredRow], answers: Sequence[Answer], limit: int
    ) -> None:
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


class HomewardProcessor(LogitsProcessor):  # type: ignore[misc]  # transformers is not typed
    """Draws, in transformers' own loop, tokens that lead home, and leaves only their scores.

    Args:
        constraints: What each row is held to.
        answers: The rows' answers.
        limit: The most tokens of an answer.
        draws: For each row what draws its tokens.
    """

    def __init__(
        self,
        constraints: Sequence[RowConstraint],
        answers: Sequence[Answer],
        limit: int,
        draws: Sequence[Sequence[Any]],
    ) -> None:
        self._rows = list(zip(constraints, answers, draws, strict=True))
        self._limit = limit

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Return scores in which one token of each row that goes on is possible."""
        only = torch.full_like(scores, float("-inf"))
        for index, (constraint, answer, draw) in enumerate(self._rows):
            ids, own = input_ids[index : index + 1], scores[index : index + 1]
            if answer.finish_reason is None:
                left = self._limit - len(answer.tokens) - 1
                token = draw_homeward(draw, ids, own, constraint, left)
            else:
                token = int(own[0].argmax())
            only[index, token] = 0.0
        return only
