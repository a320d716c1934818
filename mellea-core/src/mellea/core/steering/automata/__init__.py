"""Automata of forms: each reads a text character by character, so that an engine can hold a model to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mellea.core.steering import forms as known
from mellea.core.steering.alphabet import SCRIPTS
from mellea.core.steering.automata.base import CLASSES, TextAutomaton, class_of
from mellea.core.steering.automata.counting import (
    CharacterCount,
    NumberCount,
    ParagraphCount,
    SentenceCount,
    WordCount,
)
from mellea.core.steering.automata.expressions import Expression
from mellea.core.steering.automata.lines import (
    BulletList,
    Numbering,
    PostscriptEnd,
    Sections,
    TitleLine,
)
from mellea.core.steering.automata.marking import HighlightCount, PlaceholderCount, QuotedWhole
from mellea.core.steering.automata.prose import Prose
from mellea.core.steering.automata.wording import (
    Absent,
    Beginning,
    Cased,
    Ending,
    Letters,
    Occurrences,
    Without,
)
from mellea.core.steering.expressions import node_of
from mellea.core.steering.forms import Form
from mellea.core.steering.pattern import choice
from mellea.core.steering.plan import NotSteerableError

__all__ = ["CLASSES", "Prose", "TextAutomaton", "automaton_of", "class_of"]


def automaton_of(form: Form) -> TextAutomaton:
    """Return the automaton of a form: ours, or that of a form of one's own.

    Raises:
        NotSteerableError: There is none, or its text has characters that automata do not take.
    """
    make = _AUTOMATA.get(type(form))
    automaton: TextAutomaton = form.automaton() if make is None else make(form)
    return automaton


def _spelled(*texts: str) -> None:
    """Raise an error unless all characters of texts are a class of their own."""
    strange = sorted({each for text in texts for each in text if each not in CLASSES[:-4]})
    if strange:
        raise NotSteerableError(f"automata do not spell {' '.join(strange)}.")


def _occurrences(form: known.Contains) -> TextAutomaton:
    _spelled(form.text)
    if form.at_most is not None and not form.text.isalpha():
        raise NotSteerableError("only a single word can be kept from occurring more often.")
    return Occurrences(form.text, form.at_least, form.at_most)


def _lacking(form: known.Not) -> TextAutomaton:
    lacked = form.form
    if not isinstance(lacked, known.Contains) or (lacked.at_least, lacked.at_most) != (1, None):
        raise NotSteerableError("automata keep no such form out.")
    _spelled(lacked.text)
    return Without(lacked.text)


def _absent(form: known.Avoids) -> TextAutomaton:
    _spelled(*form.words)
    return Absent(form.words)


def _without(form: known.AvoidsCharacters) -> TextAutomaton:
    kept = set(form.characters.casefold())
    return Letters(lambda each: kept.isdisjoint(each.casefold()))


def _cased(form: known.Case) -> TextAutomaton:
    if form.kind == "title":
        return Cased()
    change = str.lower if form.kind == "lower" else str.upper
    return Letters(lambda each: change(each) == each and not _is_uncased(each), needs_letter=True)


def _is_uncased(character: str) -> bool:
    return character.isalpha() and not (character.islower() or character.isupper())


def _in_script(form: known.InScript) -> TextAutomaton:
    if form.name != "Latin":
        raise NotSteerableError("automata write Latin letters.")
    return Letters(lambda each: not each.isalpha() or each in SCRIPTS["Latin"], needs_letter=True)


def _ending(form: known.EndsWith) -> TextAutomaton:
    _spelled(form.text)
    return Ending(form.text)


def _beginning(form: known.BeginsWith) -> TextAutomaton:
    _spelled(form.text)
    return Beginning(form.text)


def _sections(form: known.Headings) -> TextAutomaton:
    _spelled(*form.names)
    return Sections(form.names)


def _postscript(form: known.Postscript) -> TextAutomaton:
    _spelled(form.mark)
    return PostscriptEnd(form.mark)


def _choice(form: known.OneOf) -> TextAutomaton:
    _spelled(*form.choices)
    return Expression(choice(*form.choices))


_AUTOMATA: dict[type[Form], Callable[[Any], TextAutomaton]] = {
    known.Words: lambda form: WordCount(form.at_least, form.at_most),
    known.Sentences: lambda form: SentenceCount(form.at_least, form.at_most),
    known.Paragraphs: lambda form: ParagraphCount(form.at_least, form.at_most),
    known.Characters: lambda form: CharacterCount(form.at_least, form.at_most),
    known.Numbers: lambda form: NumberCount(form.at_least, None if form.at_least else 0),
    known.Contains: _occurrences,
    known.Not: _lacking,
    known.Avoids: _absent,
    known.AvoidsCharacters: _without,
    known.Case: _cased,
    known.InScript: _in_script,
    known.BeginsWith: _beginning,
    known.EndsWith: _ending,
    known.Bullets: lambda form: BulletList(form.count),
    known.Numbered: lambda form: Numbering(form.count),
    known.Headings: _sections,
    known.Title: lambda _: TitleLine(),
    known.Postscript: _postscript,
    known.Quoted: lambda _: QuotedWhole(),
    known.Placeholders: lambda form: PlaceholderCount(form.at_least),
    known.Highlights: lambda form: HighlightCount(form.at_least),
    known.OneOf: _choice,
    known.Matches: lambda form: Expression(node_of(form.expression)),
}
