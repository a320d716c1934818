"""Forms compiled for one model: lifted automata, kept, and rows that are held to several of them."""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from functools import cached_property, lru_cache
from typing import Any

from mellea.core import MelleaError, UsageError
from mellea.core.steering import Case, ContradictionError, Form, NotSteerableError
from mellea.core.steering.automata import CLASSES, Prose, TextAutomaton, automaton_of
from mellea.core.steering.automata.counting import WordCount
from mellea.core.steering.automata.wording import Ending
from mellea.core.steering.casing import LetterCase
from mellea.core.steering.guards import floor_within
from mellea_hf.steering.beam import first_way_home
from mellea_hf.steering.joint import Joint
from mellea_hf.steering.lifting import Lifted, lift
from mellea_hf.steering.pacing import Pacing
from mellea_hf.steering.row import SteeredRow
from mellea_hf.steering.vocabulary import Vocabulary

__all__ = ["FormCompiler"]

_SECONDS = 0.3
"""The most time of a processor that making one automaton may take."""
_KEPT = 128
_KEPT_SETS = 64
"""Sets of forms of which it is kept how they go together."""
_AMPLE = 1500
"""Tokens within which a text of all forms is looked for."""
_TRIES = 3000
_SHORTEST = 20
"""Words that a steered text has at least, where neither a form nor the limit makes it shorter."""
_PAIRS = 20_000


class FormCompiler:
    """Makes automata for one model. Any thread may use it.

    Args:
        tokenizer: A transformers tokenizer.
        decode: Gives the bytes of tokens.
        end_tokens: Tokens that end an answer.
        size: Number of scores that the model gives.
    """

    def __init__(
        self, tokenizer: Any, decode: Callable[[list[int]], bytes], end_tokens: Collection[int], size: int
    ) -> None:
        self._parts = tokenizer, decode, end_tokens, size
        self._lifted: OrderedDict[Hashable, Lifted | NotSteerableError] = OrderedDict()
        self._floors: dict[int, Lifted] = {}
        self._lock = threading.RLock()
        self._outcomes = lru_cache(_KEPT_SETS)(self._find_outcomes)
        self._started = lru_cache(_KEPT_SETS)(self._start)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The tokens as texts."""
        return Vocabulary.of(*self._parts)

    @cached_property
    def _prose(self) -> dict[bool, Lifted]:
        return {ended: lift(Prose(ended=ended), self.vocabulary) for ended in (True, False)}

    def _floor(self, automata: Sequence[Lifted], limit: int) -> Lifted:
        """Return the automaton of the least number of words, which leaves room for a choice of words."""
        counts = [each.automaton for each in automata if isinstance(each.automaton, WordCount)]
        bounds = [each.most * 2 // 3 for each in counts if each.most is not None]
        words = floor_within(min([_SHORTEST, *bounds]), limit)
        if words not in self._floors:
            self._floors[words] = lift(WordCount(words, None), self.vocabulary)
        return self._floors[words]

    def lifted(self, form: Form, case: LetterCase | None = None) -> Lifted:
        """Return the automaton of a form, which reads the text in a case.

        Raises:
            NotSteerableError: It has none, or one that takes too long to make.
        """
        with self._lock:
            found = self._lifted.get((form, case))
            if found is None:
                try:
                    found = lift(automaton_of(form), self.vocabulary, _SECONDS, case)
                except NotSteerableError as error:
                    found = error
                self._lifted[form, case] = found
            self._lifted.move_to_end((form, case))
            while len(self._lifted) > _KEPT:
                self._lifted.popitem(last=False)
        if isinstance(found, NotSteerableError):
            raise found
        return found

    def outcomes(self, forms: Sequence[Form]) -> list[str]:
        """Return for each form why a text cannot be held to it beside those before; nothing where it can.

        A form that gives the whole text is held alone.

        Raises:
            ContradictionError: No text can have two of the forms.
        """
        whole = next((form for form in forms if form.gives_whole), None)
        if whole is not None:
            return ["" if form is whole else f"{type(whole).__name__} gives the text" for form in forms]
        return list(self._outcomes(tuple(forms)))

    def _find_outcomes(self, forms: tuple[Form, ...]) -> list[str]:
        """Return for each form why a text cannot be held to it beside those before."""
        taken: list[tuple[Form, Lifted]] = []
        case, whys = _case_of(forms), dict.fromkeys(forms, "")
        for form in sorted(whys, key=lambda form: not isinstance(form, Case)):  # the others read it in that
            try:
                one = self.lifted(form, case)
            except NotSteerableError as error:
                whys[form] = error.message.rstrip(".")
                continue
            with self._lock:
                joint = self._joint([*(each for _, each in taken), one])
                found = first_way_home(joint, _AMPLE, _TRIES)
            if found is None:
                for before, other in taken:
                    _check_pair(before, other.automaton, form, one.automaton)
                whys[form] = "no text was found that has it beside the others"
                continue
            taken.append((form, one))
        return [whys[form] for form in forms]

    def rows(
        self, forms: Sequence[Form], limit: int, count: int, *, proven: bool = False
    ) -> list[SteeredRow]:
        """Return what holds rows to forms.

        Args:
            forms: The forms.
            limit: The most tokens of an answer.
            count: How many rows.
            proven: Whether whoever draws does not ask before it takes a token.

        Raises:
            UsageError: The limit is too small.
        """
        joint, prose, witness = self._started(tuple(forms), limit)
        return [
            SteeredRow(joint, self.vocabulary, witness, Pacing(joint, prose, limit), proven=proven)
            for _ in range(count)
        ]

    def _start(self, forms: tuple[Form, ...], limit: int) -> tuple[Joint, int | None, list[int]]:
        """Return the automata with guards, the number of the one for prose, and a way home."""
        automata = [self.lifted(form, _case_of(forms)) for form in forms]
        with self._lock:
            for joint, prose in self._joints(automata, limit):
                witness = first_way_home(joint, limit - 1, _TRIES)
                if witness is not None:
                    return joint, prose, witness
            raise self._too_small(automata, limit)

    def _joints(self, automata: Sequence[Lifted], limit: int) -> Sequence[tuple[Joint, int | None]]:
        """Return the automata with the guards of good texts, with fewer of them, and without."""
        bare = [(self._joint(automata), None)]
        if any(each.phase == "whole" for each in automata):
            return bare
        ended = all(_is_ended(each.automaton) for each in automata)
        prose, size = self._prose[ended], len(automata)
        connectors = self.vocabulary.connectors
        with_prose = [
            (Joint(automata, [prose, self._floor(automata, limit)], connectors), size),
            (Joint(automata, [prose], connectors), size),
        ]
        return [*with_prose, *bare]

    def _joint(self, automata: Sequence[Lifted]) -> Joint:
        return Joint(automata, (), self.vocabulary.connectors)

    def _too_small(self, automata: Sequence[Lifted], limit: int) -> MelleaError:
        joint = self._joint(automata)
        enough = first_way_home(joint, _AMPLE, _TRIES)
        said = "" if enough is None else f" {len(enough) + 1} tokens are enough."
        return UsageError(
            f"No text that meets the requirements was found within {limit} tokens.{said}",
            hint="Raise MAX_NEW_TOKENS, ask for less, or set ModelOption.STEER to False.",
            backend="hf",
        )


def _case_of(forms: Iterable[Form]) -> LetterCase | None:
    """Return the case in which a text of some forms is read."""
    return next((form.kind for form in forms if isinstance(form, Case)), None)


def _is_ended(automaton: TextAutomaton) -> bool:
    """Return whether a text may end with the end of a sentence, as far as one automaton says."""
    return not isinstance(automaton, Ending) or automaton.reads_end(".!?")


def _check_pair(first: Form, one: TextAutomaton, second: Form, other: TextAutomaton) -> None:
    """Raise an error if no text has two forms, as far as their automata take all texts that have them.

    Raises:
        ContradictionError: There is none.
    """
    if not (one.exact and other.exact):
        return
    start = (one.start, 0, other.start, 0)
    seen, waiting = {start}, deque([start])
    while waiting:
        if len(seen) > _PAIRS:
            return
        left, had, right, got = waiting.popleft()
        if _met(one, left, had) and _met(other, right, got):
            return
        for character in CLASSES:
            after = one.step(left, character), other.step(right, character)
            if None in after:
                continue
            counts = _counted(one, left, had, character), _counted(other, right, got, character)
            state = (after[0], counts[0], after[1], counts[1])
            if None not in counts and state not in seen:
                seen.add(state)  # type: ignore[arg-type]
                waiting.append(state)  # type: ignore[arg-type]
    raise ContradictionError(
        f"No text can meet both {first.describe()!r} and {second.describe()!r}.",
        hint="Change one of the two, or leave one out.",
        first=first,
        second=second,
    )


def _met(automaton: TextAutomaton, state: Hashable, count: int) -> bool:
    return count >= automaton.least and automaton.accepts(state)


def _counted(automaton: TextAutomaton, state: Hashable, count: int, character: str) -> int | None:
    after = count + automaton.gains(state, character)
    if automaton.most is None:
        return min(after, automaton.least)
    return after if after <= automaton.most else None
