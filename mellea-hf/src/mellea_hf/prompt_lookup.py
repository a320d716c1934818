"""How a row may go on: as its own tokens went on before.

Answers repeat what stands in their prompts: a judge quotes what it judges, a repair keeps most of a text, and
lists and small models repeat themselves. The tokens that followed an earlier place are computed ahead, in the
step that computes the next token anyhow. Those that the row then takes are known already, and the others are
forgotten: nobody's tokens change. The method is prompt lookup decoding (Saxena, 2023).
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["PromptLookup"]

_PAIR = 2
_PLACES = 8
"""How many places are looked at, the latest ones."""
_LONGEST = 8
"""The longest run of tokens that is looked for."""
_ALONE = 4
"""The shortest that is trusted where a step would compute one token otherwise, which is cheaper by far."""
_FIRST, _MOST = 4, 16
"""How many tokens are guessed at first, and at most."""


class PromptLookup:
    """Knows the tokens of a row, and guesses the next ones.

    Args:
        tokens: Those of its prompt.
    """

    def __init__(self, tokens: Sequence[int]) -> None:
        self._tokens: list[int] = []
        self._places: dict[tuple[int, int], list[int]] = {}
        """Behind which places two tokens stand."""
        self._reach = _FIRST
        self._needed = _PAIR
        self.add(tokens)

    def add(self, tokens: Sequence[int]) -> None:
        """Take the next tokens."""
        for token in tokens:
            if self._tokens:
                self._places.setdefault((self._tokens[-1], token), []).append(len(self._tokens) + 1)
            self._tokens.append(token)

    def guess(self, most: int, *, alone: bool = False) -> Sequence[int]:
        """Return the tokens that may come next; none where nothing says which.

        Args:
            most: How many at most.
            alone: Whether nothing else is computed in the step.
        """
        if min(most, len(self._tokens) - 1) < 1:
            return ()
        places = self._places[self._tokens[-2], self._tokens[-1]][-_PLACES - 1 : -1]
        run, place = max(((self._run(place), place) for place in places), default=(0, 0))
        if run < (max(self._needed, _ALONE) if alone else self._needed):
            return ()
        period = len(self._tokens) - place
        return [self._tokens[place + step % period] for step in range(min(most, self._reach))]

    def _run(self, place: int) -> int:
        """Return how many tokens before a place are those before the end."""
        tokens, run = self._tokens, _PAIR
        while run < min(_LONGEST, place) and tokens[place - run - 1] == tokens[-run - 1]:
            run += 1
        return run

    def learn(self, guessed: int, right: int) -> None:
        """Guess further where all was right, and on better grounds where nothing was."""
        if right == guessed:
            self._reach = min(2 * self._reach, _MOST)
        else:
            self._reach = max(right, 1)
        self._needed = _PAIR if right else min(self._needed + 1, _LONGEST)
