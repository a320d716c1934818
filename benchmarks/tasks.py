"""Tasks with rules that plain code can check: what to write, and two to four rules of some forty kinds.

The checkers are written from the words of the rules, not from the forms that steer. The tasks of the first
subjects are for development. Those of the others, with kinds of rules that the first never have, are for the
result: whoever changes how texts are steered after a look at their answers writes new ones.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

from attrs import frozen

from benchmarks.subjects import SUBJECTS, Subject

__all__ = ["KINDS", "TASKS", "Rule", "Task"]


@frozen
class Rule:
    """One rule.

    Args:
        kind: Its kind.
        values: What it is about: numbers, words, phrases.
    """

    kind: str
    values: tuple[str | int, ...]

    @property
    def text(self) -> str:
        """The rule in words."""
        return _WORDED[self.kind](*self.values)

    def holds(self, text: str) -> bool:
        """Return whether a text keeps it."""
        return KINDS[self.kind](text.strip(), *self.values)


@frozen
class Task:
    """What to write, and the rules.

    Args:
        name: Its name.
        ask: What to write.
        rules: Its rules.
        held_out: Whether it belongs to those that are for the result.
    """

    name: str
    ask: str
    rules: tuple[Rule, ...]
    held_out: bool

    @property
    def prompt(self) -> str:
        """The task and its rules in words."""
        return "\n".join([self.ask, "", "Requirements:", *(f"- {rule.text}" for rule in self.rules)])

    def strict(self, text: str) -> bool:
        """Return whether a text keeps all rules."""
        return all(rule.holds(text) for rule in self.rules)


def _words(text: str) -> int:
    return len(text.split())


def _sentences(text: str) -> int:
    pieces = re.split(r"[.!?]+(?=[\s\"*)\]]|$)", text)
    return sum(any(each.isalpha() for each in piece) for piece in pieces)


def _paragraphs(text: str) -> int:
    return len([block for block in text.split("\n\n") if block.strip()])


def _times(text: str, word: str) -> int:
    return len(re.findall(rf"\b{re.escape(word.lower())}\b", text.lower()))


def _bullets(text: str) -> int:
    return sum(line.lstrip().startswith(("* ", "- ", "+ ")) for line in text.split("\n"))


def _numbers(text: str) -> list[str]:
    return [
        found
        for line in text.split("\n")
        if (found := line.strip().partition(".")[0]).isdigit() and "." in line
    ]


def _capitals(text: str) -> bool:
    return all(word[0].isupper() for word in re.findall(r"[A-Za-z][A-Za-z']*", text))


def _headed(text: str, *names: str) -> bool:
    places = [
        next((at for at, line in enumerate(text.split("\n")) if line.strip(" #*:") == name), -1)
        for name in names
    ]
    return -1 not in places and places == sorted(places)


def _titled(text: str) -> bool:
    return re.match(r"\"?<<[^<>\n]+>>", text) is not None


def _with_postscript(text: str) -> bool:
    return (
        "P.S." in text
        and text.rsplit("\n", maxsplit=1)[-1].startswith("P.S.")
        and _words(text.rsplit("\n", maxsplit=1)[-1]) > 2
    )


KINDS: dict[str, Callable[..., bool]] = {
    "words at least": lambda text, number: _words(text) >= number,
    "words at most": lambda text, number: 0 < _words(text) <= number,
    "words between": lambda text, low, high: low <= _words(text) <= high,
    "sentences": lambda text, number: _sentences(text) == number,
    "sentences at least": lambda text, number: _sentences(text) >= number,
    "sentences at most": lambda text, number: 0 < _sentences(text) <= number,
    "paragraphs": lambda text, number: _paragraphs(text) == number,
    "mention": lambda text, *words: all(word.lower() in text.lower() for word in words),
    "mention often": lambda text, word, number: text.lower().count(word.lower()) >= number,
    "mention exactly": lambda text, word, number: _times(text, word) == number,
    "avoid": lambda text, *words: all(_times(text, word) == 0 for word in words),
    "avoid letter": lambda text, letter: letter not in text.lower(),
    "begin": lambda text, phrase: text.startswith(phrase),
    "end": lambda text, phrase: text.endswith(phrase),
    "small letters": lambda text: text == text.lower() and any(map(str.isalpha, text)),
    "capital letters": lambda text: text == text.upper() and any(map(str.isalpha, text)),
    "capitalized words": lambda text: _capitals(text) and any(map(str.isalpha, text)),
    "bullets": lambda text, number: _bullets(text) == number,
    "numbered": lambda text, number: _numbers(text) == [str(each + 1) for each in range(number)],
    "headings": _headed,
    "title": _titled,
    "postscript": _with_postscript,
    "quoted": lambda text: len(text) > 2 and text.startswith('"') and text.endswith('"'),
    "placeholders": lambda text, number: len(re.findall(r"\[[^\]\n]+\]", text)) >= number,
    "highlights": lambda text, number: len(re.findall(r"\*[^*\s][^*\n]*\*", text)) >= number,
    "no commas": lambda text: "," not in text,
    "no figures": lambda text: not any(map(str.isdigit, text)),
    "figures": lambda text, number: len(re.findall(r"[0-9]+", text)) >= number,
    "no exclamation": lambda text: "!" not in text,
    "end with question": lambda text: text.endswith("?"),
    "words exactly": lambda text, number: _words(text) == number,
    "sentences between": lambda text, low, high: low <= _sentences(text) <= high,
    "characters at most": lambda text, number: 0 < len(text) <= number,
    "characters between": lambda text, low, high: low <= len(text) <= high,
    "paragraphs at least": lambda text, number: _paragraphs(text) >= number,
    "one paragraph": lambda text: "\n" not in text,
    "phrase": lambda text, phrase: phrase.lower() in " ".join(text.lower().split()),
    "avoid letters": lambda text, *letters: not any(letter in text.lower() for letter in letters),
    "no questions": lambda text: "?" not in text,
    "three headings": _headed,
}

_WORDED: dict[str, Callable[..., str]] = {
    "words at least": lambda number: f"Write at least {number} words.",
    "words at most": lambda number: f"Write no more than {number} words.",
    "words between": lambda low, high: f"Write between {low} and {high} words.",
    "sentences": lambda number: f"Write exactly {number} sentences.",
    "sentences at least": lambda number: f"Write {number} sentences or more.",
    "sentences at most": lambda number: f"Write at most {number} sentences.",
    "paragraphs": lambda number: f"Write {number} paragraphs, separated by a blank line.",
    "mention": lambda *words: f"Use the word{'s' * (len(words) > 1)} {' and '.join(words)}.",
    "mention often": lambda word, number: f"Use the word {word} at least {number} times.",
    "mention exactly": lambda word, number: (
        f"Use the word {word} exactly {'once' if number == 1 else f'{number} times'}."
    ),
    "avoid": lambda *words: f"Do not use the word{'s' * (len(words) > 1)} {' or '.join(words)}.",
    "avoid letter": lambda letter: f"Do not use the letter {letter}.",
    "begin": lambda phrase: f"Start with the words: {phrase}",
    "end": lambda phrase: f"The last words are exactly: {phrase}",
    "small letters": lambda: "Write everything in lower case.",
    "capital letters": lambda: "Write everything in capital letters.",
    "capitalized words": lambda: "Start every word with a capital letter.",
    "bullets": lambda number: f"Answer with {number} bullet points, each starting with a star.",
    "numbered": lambda number: f"Answer with a numbered list of {number} items.",
    "headings": lambda *names: f"Use the headings {' and '.join(names)}, each on its own line.",
    "title": lambda: "Put a title in double angular brackets first, like <<title>>.",
    "postscript": lambda: "Add a postscript at the end, starting with P.S.",
    "quoted": lambda: "Wrap the whole answer in double quotation marks.",
    "placeholders": lambda number: (
        f"Include at least {number} placeholders in square brackets, like [address]."
    ),
    "highlights": lambda number: f"Highlight at least {number} phrases with stars, like *this*.",
    "no commas": lambda: "Do not use any commas.",
    "no figures": lambda: "Do not use any digits.",
    "figures": lambda number: f"Include at least {number} numbers written in digits.",
    "no exclamation": lambda: "Do not use exclamation marks.",
    "end with question": lambda: "End with a question mark.",
    "words exactly": lambda number: f"Write exactly {number} words.",
    "sentences between": lambda low, high: f"Write {low} to {high} sentences.",
    "characters at most": lambda number: f"Write at most {number} characters.",
    "characters between": lambda low, high: f"Write between {low} and {high} characters.",
    "paragraphs at least": lambda number: f"Write at least {number} paragraphs, separated by a blank line.",
    "one paragraph": lambda: "Write a single paragraph without line breaks.",
    "phrase": lambda phrase: f'Use the phrase "{phrase}".',
    "avoid letters": lambda *letters: f"Use neither the letter {' nor the letter '.join(letters)}.",
    "no questions": lambda: "Do not use question marks.",
    "three headings": lambda *names: f"Use the headings {', '.join(names)}, each on its own line.",
}


_PHRASES = ("as soon as", "one of these days", "far away", "by the way", "once more", "side by side")
_LENGTHS = (
    ("words at least", (40,)),
    ("words at least", (60,)),
    ("words at least", (80,)),
    ("words at most", (50,)),
    ("words at most", (80,)),
    ("words between", (40, 70)),
    ("words between", (60, 80)),
    ("sentences", (3,)),
    ("sentences", (4,)),
    ("sentences at least", (4,)),
    ("sentences at most", (4,)),
)
_FRESH_LENGTHS = (
    *_LENGTHS[::2],
    ("words exactly", (45,)),
    ("words exactly", (60,)),
    ("sentences between", (3, 5)),
    ("characters at most", (400,)),
    ("characters between", (250, 450)),
)
_PLAIN = (
    "no commas",
    "no figures",
    "no exclamation",
    "small letters",
    "capital letters",
    "capitalized words",
    "title",
    "postscript",
    "quoted",
)
_APART = (  # kinds of which a task has one
    {"quoted", "begin", "end", "end with question"},
    {"title", "begin", "headings"},
    {"title", "paragraphs"},
    {"postscript", "paragraphs"},
    {"postscript", "end", "end with question"},
    {"postscript", "sentences", "sentences at least", "sentences at most"},
    {"end", "end with question"},
    {"begin", "headings"},
    {"small letters", "capital letters", "capitalized words", "begin", "end", "headings"},
    {"small letters", "capital letters", "capitalized words", "postscript"},
    {"paragraphs", "bullets", "numbered", "headings"},
    {"figures", "no figures", "numbered"},
    {"mention", "mention often", "mention exactly"},
    {
        "words at least",
        "words at most",
        "words between",
        "sentences",
        "sentences at least",
        "sentences at most",
    },
    {"one paragraph", "paragraphs", "bullets", "numbered", "headings", "title", "postscript"},
    {"no questions", "end with question"},
)
_LIKE = {
    "words exactly": "words between",
    "characters at most": "words at most",
    "characters between": "words between",
    "sentences between": "sentences",
    "paragraphs at least": "paragraphs",
    "three headings": "headings",
    "avoid letters": "avoid letter",
}
"""Kinds that go with the same kinds as another."""
_LISTS = {"bullets", "numbered", "headings", "paragraphs"}
_NARROW = {("words at most", (50,)), ("words between", (40, 70)), ("words exactly", (45,))}


def _rules(subject: Subject, dice: random.Random) -> Iterator[Rule]:
    """Yield rules of every kind for a subject, in an order by chance."""
    words = dice.sample(subject.words, 3)
    rules = [
        Rule(*dice.choice(_FRESH_LENGTHS if subject.held_out else _LENGTHS)),
        *(Rule(kind, ()) for kind in _PLAIN),
    ]
    rules += [
        Rule("paragraphs", (dice.choice((2, 3)),)),
        Rule("mention", tuple(words[: dice.choice((1, 2, 3))])),
        Rule("mention often", (words[0], dice.choice((2, 3)))),
        Rule("mention exactly", (words[1], dice.choice((1, 2)))),
        Rule("avoid", subject.avoid[: dice.choice((1, 2))]),
        Rule("avoid letter", (dice.choice("qzxj"),)),
        Rule("begin", (subject.begin,)),
        Rule("end", (subject.end,)),
        Rule("bullets", (dice.choice((3, 4)),)),
        Rule("numbered", (dice.choice((3, 4)),)),
        Rule("headings", subject.headings),
        Rule("placeholders", (dice.choice((2, 3)),)),
        Rule("highlights", (dice.choice((1, 2)),)),
        Rule("figures", (dice.choice((1, 2)),)),
        Rule("end with question", ()),
    ]
    if subject.held_out:
        rules += [
            Rule("paragraphs at least", (2,)),
            Rule("one paragraph", ()),
            Rule("phrase", (dice.choice(_PHRASES),)),
            Rule("avoid letters", tuple(dice.sample("qzxjv", 2))),
            Rule("no questions", ()),
            Rule("three headings", (*subject.headings, "Summary")),
        ]
    dice.shuffle(rules)
    lengthy = dice.random() < 0.5  # a length stands in more than half of the tasks
    yield from sorted(rules, key=lambda rule: not (lengthy and _is_length(rule)))


def _is_length(rule: Rule) -> bool:
    return rule.kind.startswith(("words", "sentences", "characters"))


def _family(rule: Rule) -> str:
    return _LIKE.get(rule.kind, rule.kind)


def _fits(rule: Rule, rules: list[Rule]) -> bool:
    kind, kinds = _family(rule), set(map(_family, rules))
    if kind in kinds or any(kind in group and group & kinds for group in _APART):
        return False
    both = [*rules, rule]
    if any((each.kind, each.values) in _NARROW for each in both) and any(
        _family(each) in _LISTS for each in both
    ):
        return False
    if any(_family(each) in _LISTS - {"paragraphs"} for each in both) and any(
        each.kind.startswith("sentences") for each in both
    ):
        return False
    letters = {str(letter) for each in both if _family(each) == "avoid letter" for letter in each.values}
    texts = " ".join(
        str(value) for each in both if _family(each) not in {"avoid letter", "avoid"} for value in each.values
    ).lower()
    if any(letter in texts for letter in letters):
        return False
    avoided = {str(value) for each in both if each.kind == "avoid" for value in each.values}
    exactly = {str(each.values[0]) for each in both if each.kind == "mention exactly"}
    others = (
        " ".join(
            str(v) for each in both if _family(each) in {"begin", "end", "headings"} for v in each.values
        )
        .lower()
        .split()
    )
    return not (avoided | exactly) & {word.strip(".") for word in others}


def _tasks() -> Iterator[Task]:
    for number, subject in enumerate(SUBJECTS):
        for turn in range(3 if subject.held_out else 6):
            dice = random.Random(f"{subject.ask} {turn}")
            size, rules = dice.choice((2, 3, 3, 4)), []
            for rule in _rules(subject, dice):
                if len(rules) < size and _fits(rule, rules):
                    rules.append(rule)
            yield Task(f"{number}.{turn}", subject.ask, tuple(rules), subject.held_out)


TASKS: tuple[Task, ...] = tuple(_tasks())
