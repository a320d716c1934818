"""The words of a plan: what one looks like at the start, in the middle and at the end of a sentence."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

from mellea.core.steering.pattern import Letters, Literal, Node, choice, optional, repeat, sequence, shared
from mellea.core.steering.plan import Bounds, NotSteerableError, TextPlan
from mellea.core.steering.stops import GROWN, LAST, NEVER_BEGUN, NEVER_LAST
from mellea.core.steering.tries import Spelling, word_among, word_without

__all__ = ["Lexis", "lexis_of"]

_LETTERS_AFTER = 3
"""Most letters, such as those of a plural, that may follow what must occur."""

_BRIEF = 8
"""Most letters of a short word."""

_CHOICE = 20
"""Words that sentences can end with."""

_PLAIN = 20
"""Ranges of letters up to which a trie of many words is still small."""

_QUESTION_MARKS = "?;\uff1f"
_LINKS = {
    "Latin": ("and", "or", "with", "of", "for", "in"),
    "Greek": ("και", "με"),
    "Cyrillic": ("и", "\u0441", "в"),
    "Arabic": ("و", "في", "مع"),
    "Devanagari": ("और", "या"),
    "Hangul": ("및",),
}
_QUESTIONS = (
    "What",
    "How",
    "Why",
    "Where",
    "Who",
    "Can you",
    "Would you",
    "Have you",
    "Are you",
)
"""A bare ``Is`` or ``Are`` becomes the first letters of another word that the model has in mind."""


@frozen
class Lexis:
    """What sentences are built of.

    A server that holds a model to a pattern is the slower the more ways there are to go on at the end of
    a word. So a word takes the marks that may follow it among its letters, and a space divides it from the
    next.

    Args:
        first: A word that begins a sentence.
        inner: A word inside a sentence, with the comma that may follow it.
        free: Any word, with the mark that may follow it, be it one that ends a sentence.
        final: A word at which the model ends a sentence by itself.
        last: A word that may end a sentence.
        after: What may follow something inserted, up to the next space.
        comma: The mark that may follow something at the beginning of a sentence; empty for none.
        space: What stands between two words.
        gap: What stands between two words where lines may end too.
        ends: The marks that end a sentence.
        between: What stands between two sentences.
        joint: A word of a heading or a title.
        links: Words that link one noun to another.
        brief: A short word inside a sentence.
        brief_last: A short word at which a sentence ends that has no room for more; in English a common one.
        tag: A word between marks.
        asking: What begins a question, a word or two.
    """

    first: Node
    inner: Node
    free: Node
    final: Node
    last: Node
    after: Node
    comma: Node
    space: Node
    gap: Node
    ends: Node
    between: Node
    joint: Node
    links: tuple[Node, ...]
    brief: Node
    brief_last: Node
    tag: Node
    asking: Node


def lexis_of(plan: TextPlan) -> Lexis:
    """Return the words of a plan.

    Raises:
        NotSteerableError: No mark is left that could end a sentence, or no letter.
    """
    plan = plan.draft
    script = plan.script
    absent = plan.absent + "".join(each for each in plan.absent.swapcase() if len(each) == 1)
    lower = script.lower.without(absent)
    upper = (script.upper or script.lower).without(absent)
    ends = "".join(mark for mark in script.ends if mark not in plan.absent)
    if not ends or not lower.ranges or not upper.ranges:
        raise NotSteerableError("no letter, or no mark that ends a sentence, would be left.")
    if plan.last_mark and plan.last_mark not in _QUESTION_MARKS:
        ends = plan.last_mark
    words = _Words(plan, lower, upper, ends)
    return words.undivided() if not script.spaced else words.divided()


@frozen
class _Words:
    """Makes the words of a plan.

    Args:
        plan: The plan.
        lower: Its small letters.
        upper: Its capitals.
        ends: The marks that end a sentence.
    """

    plan: TextPlan
    lower: Letters
    upper: Letters
    ends: str

    @property
    def comma(self) -> str:
        """The marks inside a sentence."""
        plan = self.plan
        marks = plan.script.comma + (":" if plan.script.spaced else "")
        return "".join(mark for mark in marks if mark not in plan.absent)

    @property
    def gap(self) -> Node:
        """What stands between two words: where nothing is about lines, one may end too."""
        plan = self.plan
        parted = plan.paragraphs != Bounds() or plan.items or plan.headings or plan.title or plan.postscript
        if parted or not plan.lines:
            return Literal(" ")
        return choice(" ", repeat(Literal("\n"), 1, 2))

    def undivided(self) -> Lexis:
        """Return the words of a script that does not divide them: its characters."""
        character = self.lower
        comma = optional(Letters.among(self.comma)) if self.comma else Literal("")
        inner = sequence(character, comma)
        return Lexis(
            first=character,
            inner=inner,
            free=sequence(character, optional(Letters.among(self.comma + self.ends))),
            final=character,
            last=character,
            after=Letters.among(self.comma + self.ends),
            comma=Letters.among(self.comma) if self.comma else Literal(""),
            space=Literal(""),
            gap=Literal(""),
            ends=Letters.among(self.ends),
            between=Literal(""),
            joint=character,
            links=(character,),
            brief=inner,
            brief_last=character,
            tag=repeat(character, 2, 6),
            asking=character,
        )

    def divided(self) -> Lexis:
        """Return the words of a script with spaces between them."""
        plan, most = self.plan, self.plan.longest_word
        first, letters = self.letters()
        marks = Letters.among(self.comma + self.ends)
        any_word, short = Spelling(letters, letters, 1, most), Spelling(letters, letters, 1, _BRIEF)
        begun = self.word(Spelling(first, letters, 1, most), self.comma)
        return Lexis(
            first=begun,
            inner=self.word(any_word, self.comma),
            free=self.word(any_word, self.comma + self.ends),
            final=self.word(any_word, ""),
            last=self.last(most),
            after=marks if plan.left_out else repeat(letters | marks, 1, _LETTERS_AFTER),
            comma=Letters.among(self.comma) if self.comma else Literal(""),
            space=Literal(" "),
            gap=self.gap,
            ends=Letters.among(self.ends),
            between=self.gap,
            joint=word_without(any_word, plan.left_out),
            links=tuple(map(Literal, _links(plan))),
            brief=self.word(short, self.comma),
            brief_last=self.common() or self.last(_BRIEF),
            tag=word_without(any_word, plan.left_out),
            asking=_asking(plan) or begun,
        )

    def letters(self) -> tuple[Letters, Letters]:
        """Return the letters that a sentence may begin with, and those that a word may have."""
        digits = Letters.of("09" if self.plan.digits else "")
        both = self.lower if self.plan.script.upper is None else self.upper | self.lower
        return self.upper | digits, both | digits

    def word(self, spelling: Spelling, marks: str) -> Node:
        """Return a word with the marks that may stand in it and after it."""
        plan, joints = self.plan, self.joints
        if plan.left_out:
            word = word_without(spelling, plan.left_out)
            ending = sequence("'", repeat(spelling.rest, 1, 2)) if "'" in joints and self.elides else None
            tails = [optional(node) for node in (ending, Letters.among(marks) if marks else None) if node]
            return sequence(word, *tails)
        inside = spelling.rest | Letters.among(joints + marks) if joints + marks else spelling.rest
        return sequence(spelling.first, repeat(inside, spelling.least - 1, spelling.most))

    @property
    def joints(self) -> str:
        """The marks that may stand inside a word."""
        plan = self.plan
        if "Latin" not in plan.script.name:
            return ""
        return "".join(mark for mark in "'\u2019-" if mark not in plan.absent)

    @property
    def elides(self) -> bool:
        """Whether letters may follow an apostrophe: none of the words to leave out is so short."""
        return all(len(word) > 2 for word in self.plan.left_out)

    def last(self, most: int) -> Node:
        """Return the words that may end a sentence; those in capitals are names."""
        plan = self.plan
        small, upper = self.lower, self.upper
        english = plan.english and len(small.ranges) <= _PLAIN
        stops, begun = (NEVER_LAST, NEVER_BEGUN) if english else ((), ())
        if plan.script.upper is None:
            _, letters = self.letters()
            return shared(word_without(Spelling(letters, letters, 2, most), (*plan.left_out, *stops)))
        lowered = word_without(Spelling(small, small, 2, most), (*plan.left_out, *stops), begun)
        named = word_without(Spelling(upper, small, 2, most), plan.left_out)
        grown = self.free_of(word for word in GROWN if english and len(word) <= most)
        return shared(choice(lowered, named, *([word_among(grown)] if grown else [])))

    def free_of(self, words: Iterable[str]) -> frozenset[str]:
        """Return those of some words that the plan allows."""
        left_out = {word.lower() for word in self.plan.left_out}
        return frozenset(word for word in words if word not in left_out and self.plan.obstacle(word) is None)

    def common(self) -> Node | None:
        """Return common English words; None where there are too few.

        A model that may write any word where a sentence must end goes on, and runs the words that it has in
        mind together.
        """
        plan = self.plan
        if not plan.english or "Latin" not in plan.script.name:
            return None
        free = self.free_of(LAST)
        return shared(word_among(free)) if len(free) >= _CHOICE else None


def _links(plan: TextPlan) -> tuple[str, ...]:
    """Return words that link two nouns, a sign where the language has none that is known."""
    name = plan.script.name.split()[-1]
    known = _LINKS.get(name, ()) if plan.english or name != "Latin" else ()
    absent = set(plan.absent.lower())
    free = tuple(link for link in known if link not in plan.left_out and not set(link) & absent)
    return free or ("&",)


def _asking(plan: TextPlan) -> Node | None:
    """Return English words that begin a question; None where there are none."""
    words = [word for word in _QUESTIONS if plan.obstacle(word) is None]
    return choice(*words) if plan.english and words and "Latin" in plan.script.name else None
