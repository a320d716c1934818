"""From a plan to the pattern of the whole text: paragraphs, lists, sections, and the frames around them."""

from __future__ import annotations

import re
from contextlib import suppress
from itertools import pairwise

from attrs import evolve, field, frozen

from mellea.core.steering.lexis import Lexis, lexis_of
from mellea.core.steering.pattern import Letters, Literal, Node, choice, optional, repeat, sequence
from mellea.core.steering.plan import Bounds, Insert, NotSteerableError, TextPlan, Wanted
from mellea.core.steering.prose import Prose, named, prose, sentence

__all__ = ["FLOOR", "layout", "roomed"]

FLOOR = 24
"""Words of a text where nothing says how long it is."""

_CEILING = 130
_PER_SENTENCE = 30
_ITEM = Bounds(6, 26)
_QUESTION = Bounds(5, 18)
_QUESTION_MARKS = "?;\uff1f"
_MARKS = tuple(".!?…。\uff01\uff1f।؟:;")


def roomed(plan: TextPlan) -> Bounds:
    """Return the bounds on the words of the whole text that a plan is carried out with, none of them open."""
    words = plan.words
    least = words.least or (FLOOR if words.most is None else min(FLOOR, words.most * 2 // 3))
    if words.most is not None:
        return Bounds(least, words.most)
    parts = max(1, plan.paragraphs.least, len(plan.headings), plan.items.count if plan.items else 1)
    sentences = plan.sentences.most or plan.sentences.least + 3 * bool(plan.sentences.least)
    most = max(
        _CEILING,
        least + 70,
        least * 3 // 2,
        parts * 60,
        sentences * _PER_SENTENCE,
        40 * len(plan.wanted) + 60,
    )
    return Bounds(least, most)


def layout(plan: TextPlan, *, ordered: bool = False) -> Node:
    """Return the pattern of the texts of a plan.

    Args:
        plan: The plan.
        ordered: Whether what must occur comes in the order in which it is asked for, which makes the pattern
            smaller.

    Raises:
        NotSteerableError: The parts of the plan do not go together; the message says why.
    """
    if plan.whole is not None:
        return plan.whole
    plan = plan.draft
    return _Layout(plan, lexis_of(plan), ordered).node()


@frozen
class _Layout:
    plan: TextPlan
    lexis: Lexis
    ordered: bool
    before: str = field(init=False)
    after: str = field(init=False)

    @before.default
    def _sentence_before(self) -> str:
        return self.plan.begin if self.plan.begin.endswith(_MARKS) else ""

    @after.default
    def _sentence_after(self) -> str:
        end = self.plan.end
        return end if end and (not end[0].isalpha() or not end[0].islower()) else ""

    def node(self) -> Node:
        plan, lexis = self.plan, self.lexis
        words = roomed(plan)
        words = Bounds(words.least, words.top - self._extra())
        apart = "\n" if plan.items or plan.headings else ""  # a quotation mark would hide what begins a line
        parts: list[Node | str] = [f'"{apart}'] if plan.quoted else []
        if plan.title:
            parts += [
                "<<",
                sequence(lexis.joint, repeat(sequence(lexis.space, lexis.joint), 1, _TITLE - 1)),
                f">>{self._below}",
            ]
        parts.append(self._items(words))
        if plan.postscript:
            if plan.sentences != Bounds():
                raise NotSteerableError("the point of a postscript would count as the end of a sentence.")
            parts += ["\n\n", plan.postscript, " ", sentence(lexis, Bounds(5, _POSTSCRIPT - 1))]
        if plan.quoted:
            parts.append('"')
        return sequence(*parts)

    @property
    def _below(self) -> str:
        """What divides a heading or a title from its text: where paragraphs count, no blank line."""
        return "\n\n" if self.plan.paragraphs == Bounds() else "\n"

    def _extra(self) -> int:
        """Return the most words that stand outside of the prose."""
        plan = self.plan
        headings = sum(len(heading.split()) + 1 for heading in plan.headings)
        marks = plan.items.count if plan.items else 0
        around = len(self.before.split()) + len(self.after.split()) + _QUESTION.top * self._asks
        return _TITLE * plan.title + _POSTSCRIPT * bool(plan.postscript) + headings + marks + around

    @property
    def _asks(self) -> bool:
        """Whether a question stands at the end because the last mark is that of one."""
        return bool(self.plan.last_mark) and not self.after and self.plan.last_mark in _QUESTION_MARKS

    def _last(self, body: Node, joint: Node | str) -> Node:
        """Return the body with what makes it end with the mark that is asked for."""
        if not self._asks:
            return body
        lexis = self.lexis  # a question with commas lists on
        asked = evolve(lexis, first=lexis.asking, inner=lexis.final, ends=Literal(self.plan.last_mark))
        words = Bounds(_QUESTION.least, _QUESTION.top - 1)  # what is counted as one word may be two
        return sequence(body, joint, sentence(asked, words))

    def _inserts(self) -> tuple[Insert, ...]:
        return tuple(_insert(wanted, self.plan, self.lexis) for wanted in self.plan.wanted)

    def _subject(self) -> Insert | None:
        """Return a word of the task; None where a text that is given has one, or none may be written."""
        plan = self.plan
        words = [_NUMBER.sub("", word) for word in plan.about]
        given = " ".join(text for _, text in plan.given).lower()
        free = [word for word in words if not any(plan.obstacle(each) for each in (word, f"{word}s"))]
        if not free or any(word in given for word in words):
            return None
        small, capital = (choice(*map(_in_any_number, each)) for each in (free, map(str.capitalize, free)))
        article = _article(plan)
        opening = choice(capital, sequence(article, small)) if article else capital
        return Insert(small, opening, article=int(bool(article)))

    def _frame(self, body: Node, joint: str) -> Node:
        """Return the body with the whole sentences that begin and end the text."""
        ahead = "\n\n" if self.plan.headings else joint or self.lexis.between
        before: list[Node | str] = [self.before, ahead] if self.before else []
        after: list[Node | str] = [joint or self.lexis.between, self.after] if self.after else []
        return sequence(*before, self._last(body, joint or self.lexis.between), *after)

    def _sections(self, words: Bounds) -> Node:
        plan = self.plan
        paragraphs = plan.paragraphs
        ahead = 1 if plan.postscript else 0
        count = len(plan.headings) or max(1, paragraphs.least - ahead)
        ahead += bool(self.before and plan.headings)
        if paragraphs != Bounds() and count + ahead not in paragraphs:
            raise NotSteerableError(
                "the headings, or the postscript, would make another number of paragraphs."
            )
        share = Bounds(-(-words.least // count), words.top // count)
        counted = self._counts(count)
        wanted = _dealt(self._inserts(), count)
        opening = "" if self.before else plan.begin
        closing = "" if self.after else plan.end
        if opening and plan.headings:
            raise NotSteerableError("the text would begin with a heading.")
        blocks = []
        for index in range(count):
            block = Prose(
                share,
                counted[index],
                wanted[index],
                opening * (index == 0),
                closing * (index == count - 1),
                ordered=self.ordered or count > 1,
                subject=self._subject() if index == 0 else None,
            )
            written = prose(self.lexis, block)
            blocks.append(
                sequence(f"# {plan.headings[index]}{self._below}", written) if plan.headings else written
            )
        body = sequence(*[part for block in blocks for part in ("\n\n", block)][1:])
        return self._frame(body, "")

    def _counts(self, count: int) -> list[Bounds | None]:
        """Return the bounds on the sentences of each of so many paragraphs."""
        sentences, fixed = self.plan.sentences, bool(self.before) + bool(self.after) + self._asks
        if sentences == Bounds():
            return [None] * count
        least = max(count, sentences.least - fixed)
        most = least + 2 if sentences.most is None else sentences.most - fixed
        if most < least:
            raise NotSteerableError(f"{sentences} sentences cannot be dealt to so many parts.")
        lows = [least // count + (index < least % count) for index in range(count)]
        highs = [max(low, most // count) for low in lows]
        while sum(highs) > most:
            highs[highs.index(max(highs))] -= 1
        return [Bounds(low, high) for low, high in zip(lows, highs, strict=True)]

    def _items(self, words: Bounds) -> Node:
        plan, items = self.plan, self.plan.items
        if items is None:
            return self._sections(words)
        if plan.headings or plan.paragraphs != Bounds():
            raise NotSteerableError("a list has neither sections nor paragraphs.")
        intro = bool(plan.begin) and not self.before
        count = items.count + intro
        if plan.end and not self.after:
            raise NotSteerableError("the last item would have to end with it.")
        if plan.sentences != Bounds() and (
            items.numbered or count + bool(self.before) + bool(self.after) + self._asks not in plan.sentences
        ):
            raise NotSteerableError("the items would not make that number of sentences.")
        share = Bounds(
            max(_ITEM.least, -(-words.least // count)), max(_ITEM.top, -(-words.least // count) + 16)
        )
        share = Bounds(share.least, min(share.top, words.top // count))
        wanted = _dealt(self._inserts(), items.count)
        lines: list[Node | str] = []
        for index, inserts in enumerate(wanted):
            mark = f"{index + 1}. " if items.numbered else self._mark()
            lines += ["\n", mark, sentence(self.lexis, share, inserts)]
        self._name(lines, share, [not inserts for inserts in wanted])
        body = sequence(*lines[1:])
        if intro:
            body = sequence(sentence(self.lexis, share, (), plan.begin), "\n\n", body)
        return self._frame(body, "\n\n")

    def _name(self, lines: list[Node | str], share: Bounds, free: list[bool]) -> None:
        """Let the first items in which nothing must occur have a word of the task.

        Two neighbouring ones, or one that begins with it.
        """
        subject = self._subject()
        if subject is None or not any(free):
            return
        pair = next((at for at, both in enumerate(pairwise(free)) if all(both)), None)
        at = 3 * (free.index(True) if pair is None else pair) + 2
        with suppress(NotSteerableError):
            if pair is None:
                lines[at] = sentence(self.lexis, share, (subject,))
            else:
                lines[at : at + 4] = [named(self.lexis, share, sequence(*lines[at + 1 : at + 3]), subject)]

    def _mark(self) -> str:
        return "- " if any(wanted.kind == "highlight" for wanted in self.plan.wanted) else "* "


_POSTSCRIPT = 25
"""Most words of a postscript."""

_TITLE = 8
"""Most words of a title."""

_PLACEHOLDER, _HIGHLIGHT = 2, 3
"""Most words between marks."""


_NUMBER = re.compile("(?<=[^aceiousw])s$")
"""What makes a plural of a word, and of hardly another: not of *bus*, *class* and *news*."""


def _in_any_number(word: str) -> Node:
    """Return a word, with what may make a plural of it."""
    return Literal(word) if word.endswith("s") else sequence(word, optional(Literal("s")))


def _dealt(inserts: tuple[Insert, ...], count: int) -> list[tuple[Insert, ...]]:
    """Return the inserts dealt to so many parts, the last part first: the beginnings stay free."""
    hands: list[list[Insert]] = [[] for _ in range(count)]
    for index, insert in enumerate(inserts):
        hands[index % count].append(insert)
    return [tuple(hand) for hand in hands]


def _insert(wanted: Wanted, plan: TextPlan, lexis: Lexis) -> Insert:
    """Return how something that must occur is written."""
    match wanted.kind:
        case "text":
            text = wanted.text
            count = len(text.split())
            capital = text[:1].upper() + text[1:]
            bare, article = sequence(text), _article(plan)
            free = article and not wanted.text[:1].isupper()
            return Insert(
                bare,
                choice(capital, sequence(article, text)) if free else sequence(capital),
                count,
                count,
                int(bool(free)),
            )
        case "number":
            number = sequence(Letters.of("19"), repeat(Letters.of("09"), 0, 3))
            leads = _leads(plan)
            opening = sequence(choice(*leads), " ", number) if leads else number
            return Insert(number, opening, article=2 * bool(leads))
        case "placeholder":
            node = sequence("[", _tagged(lexis, _PLACEHOLDER), "]")
            return Insert(node, node, 1, _PLACEHOLDER, 0)
        case _:
            node, article = sequence("*", _tagged(lexis, _HIGHLIGHT), "*"), _article(plan)
            return Insert(node, sequence(article, node), 1, _HIGHLIGHT, int(bool(article)))


def _article(plan: TextPlan) -> str:
    """Return the article and the blank with which a noun begins a sentence; nothing where there is none."""
    article = "The "
    return article if plan.english and "Latin" in plan.script.name and plan.obstacle(article) is None else ""


def _leads(plan: TextPlan) -> list[str]:
    """Return the words with which a number begins a sentence; a bare one begins a list in it."""
    known = ("There are", "About", "More than", "In") if plan.english and "Latin" in plan.script.name else ()
    return [lead for lead in known if plan.obstacle(lead) is None]


def _tagged(lexis: Lexis, most: int) -> Node:
    """Return some words between marks."""
    return sequence(lexis.tag, repeat(sequence(lexis.space, lexis.tag), 0, most - 1))
