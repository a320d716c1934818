"""The words of a plan: what one looks like at the start, in the middle and at the end of a sentence."""

from __future__ import annotations

from attrs import frozen

from mellea.core.steering.common import COMMON
from mellea.core.steering.pattern import Letters, Literal, Node, choice, optional, repeat, sequence, shared
from mellea.core.steering.plan import NotSteerableError, TextPlan
from mellea.core.steering.stops import NEVER_LAST
from mellea.core.steering.tries import Spelling, word_among, word_without

__all__ = ["Lexis", "lexis_of"]

_HYPHENATED = 9
"""Most letters after a hyphen."""

_NUMBER = sequence(Letters.of("19"), repeat(Letters.of("09"), 0, 3))
_BRIEF = 8
"""Most letters of a short word."""

_ENOUGH = 100
"""Words that a text can be written with."""

_PLAIN = 20
"""Ranges of letters up to which a trie of many words is still small."""

_LINKS = {
    "Latin": ("and", "or", "with", "of", "for", "in"),
    "Greek": ("και", "με"),
    "Cyrillic": ("и", "\u0441", "в"),
    "Arabic": ("و", "في", "مع"),
    "Devanagari": ("और", "या"),
    "Hangul": ("및",),
}
_QUESTIONS = ("What", "How", "Why", "When", "Where", "Who", "Can", "Do", "Would", "Is", "Are", "Have", "Will")
_ELISIONS = ("s", "t", "re", "ve", "ll", "d", "m")


@frozen
class Lexis:
    """What sentences are built of.

    Args:
        first: A word that begins a sentence.
        middle: Any other word but the last.
        last: A word that may end a sentence.
        glue: What stands between two words.
        space: What stands between a word and something inserted.
        ends: The marks that end a sentence.
        between: What stands between two sentences.
        joint: A word of a heading or a title.
        links: Words that link one noun to another.
        brief: A short word inside a sentence; None where all words are known ones.
        brief_last: A short word that may end a sentence.
        tag: A word between marks.
        asking: A word that begins a question.
    """

    first: Node
    middle: Node
    last: Node
    glue: Node
    space: Node
    ends: Node
    between: Node
    joint: Node
    links: tuple[Node, ...]
    brief: Node | None
    brief_last: Node
    tag: Node
    asking: Node


def lexis_of(plan: TextPlan) -> Lexis:
    """Return the words of a plan.

    Raises:
        NotSteerableError: No mark is left that could end a sentence, or no letter.
    """
    script = plan.script
    absent = plan.absent + "".join(each for each in plan.absent.swapcase() if len(each) == 1)
    lower = script.lower.without(absent)
    upper = (script.upper or script.lower).without(absent)
    ends = "".join(mark for mark in script.ends if mark not in plan.absent)
    if not ends or not lower.ranges or not upper.ranges:
        raise NotSteerableError("no letter, or no mark that ends a sentence, would be left.")
    first, anywhere, rest = _cases(plan, lower, upper)
    commas = (
        script.comma and script.comma not in plan.absent and plan.case not in {"upper", "title"}
    )  # models list then
    space = Literal(" " if script.spaced else "")
    glue = sequence(optional(Literal(script.comma)), space) if commas else space
    if not script.spaced:
        character = Letters(lower.ranges)
        return Lexis(
            character,
            sequence(glue, character),
            character,
            Literal(""),
            space,
            choice(*ends),
            space,
            character,
            (character,),
            sequence(glue, character),
            character,
            repeat(character, 2, 6),
            character,
        )
    most = plan.longest_word
    middle = _word(plan, Spelling(anywhere, rest, 1, most), plan.left_out)
    if plan.digits:
        middle = choice(middle, _NUMBER)
    return Lexis(
        first=shared(_word(plan, Spelling(first, rest, 1, most), plan.left_out)),
        middle=middle,
        last=_last(plan, anywhere, upper, rest, most),
        glue=glue,
        space=space,
        ends=Letters.among(ends),
        between=Literal(" "),
        joint=shared(
            word_without(Spelling(upper, upper if plan.case == "upper" else lower, 1, 12), plan.left_out)
        ),
        links=tuple(map(Literal, _links(plan))),
        brief=None
        if _known(plan, 1, ())
        else word_without(Spelling(anywhere, rest, 1, _BRIEF), plan.left_out),
        brief_last=_last(plan, anywhere, upper, rest, _BRIEF),
        asking=_asking(plan) or shared(_word(plan, Spelling(first, rest, 1, most), plan.left_out)),
        tag=shared(
            _known(plan, 3, plan.left_out) or word_without(Spelling(anywhere, rest, 3, 10), plan.left_out)
        ),
    )


def _links(plan: TextPlan) -> tuple[str, ...]:
    """Return words that link two nouns, a sign where the language has none that is known."""
    name = plan.script.name.split()[-1]
    known = _LINKS.get(name, ()) if plan.english or name != "Latin" else ()
    absent = set(plan.absent.lower())
    free = tuple(plan.cased(link) for link in known if link not in plan.left_out and not set(link) & absent)
    return free or ("&",)


def _asking(plan: TextPlan) -> Node | None:
    """Return English words that begin a question; None where there are none."""
    words = [word for word in map(plan.cased, _QUESTIONS) if plan.obstacle(word) is None]
    return choice(*words) if plan.english and words and "Latin" in plan.script.name else None


def _last(plan: TextPlan, anywhere: Letters, upper: Letters, rest: Letters, most: int) -> Node:
    """Return the words that may end a sentence; those in capitals are names."""
    stops = NEVER_LAST if plan.english and len(rest.ranges) <= _PLAIN else ()
    known = _known(plan, 2, (*plan.left_out, *stops))
    if known is not None:
        return shared(known)
    if plan.case is not None or plan.script.upper is None:
        return shared(word_without(Spelling(anywhere, rest, 2, most), (*plan.left_out, *stops)))
    small = word_without(Spelling(rest, rest, 2, most), (*plan.left_out, *stops))
    return shared(choice(small, word_without(Spelling(upper, rest, 2, most), plan.left_out)))


def _cases(plan: TextPlan, lower: Letters, upper: Letters) -> tuple[Letters, Letters, Letters]:
    """Return the letters that a sentence, any word, and a word after its first letter may have."""
    match plan.case:
        case "lower":
            return lower, lower, lower
        case "upper":
            return upper, upper, upper
        case "title":
            return upper, upper, lower
        case _:
            return upper, lower if plan.script.upper is None else upper | lower, lower


def _known(plan: TextPlan, least: int, avoided: tuple[str, ...]) -> Node | None:
    """Return the words that a text in capitals keeps to; None for any other text."""
    if plan.case not in {"upper", "title"} or not plan.english or plan.script.name != "Latin":
        return None
    out = frozenset(word.lower() for word in avoided)
    absent = frozenset(plan.absent.lower())
    words = frozenset(
        plan.cased(word)
        for word in (*COMMON, *plan.familiar)
        if len(word) >= least and word not in out and absent.isdisjoint(word)
    )
    return word_among(words) if len(words) >= _ENOUGH else None


def _word(plan: TextPlan, spelling: Spelling, avoided: tuple[str, ...]) -> Node:
    known = _known(plan, spelling.least, avoided)
    if known is not None:
        return known
    word = word_without(spelling, avoided)
    if plan.case == "title" or "Latin" not in plan.script.name:
        return word
    tail = Spelling(spelling.rest, spelling.rest, 3, _HYPHENATED)
    hyphen = sequence("-", word_without(tail, avoided)) if "-" not in plan.absent else None
    endings = [each.upper() if plan.case == "upper" else each for each in _ELISIONS]
    free = [
        each
        for each in endings
        if not set(each.lower()) & set(plan.absent.lower()) and each.lower() not in plan.left_out
    ]
    elision = sequence("'", choice(*free)) if free and "'" not in plan.absent else None
    tails = [node for node in (hyphen, elision) if node is not None]
    return sequence(word, optional(choice(*tails))) if tails else word
