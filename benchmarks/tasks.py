"""Tasks with rules that plain code can check: what to write, and two to four rules of some thirty kinds.

The checkers are written from the words of the rules, not from the forms that steer. Half of the tasks, chosen
by a hash of their names, are for development; the other half is for the result and not to be looked at
before.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterator

from attrs import frozen

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
    """What to write, and the rules."""

    name: str
    ask: str
    rules: tuple[Rule, ...]

    @property
    def prompt(self) -> str:
        """The task and its rules in words."""
        return "\n".join([self.ask, "", "Requirements:", *(f"- {rule.text}" for rule in self.rules)])

    @property
    def held_out(self) -> bool:
        """Whether it belongs to the half that is for the result."""
        return hashlib.sha256(self.name.encode()).digest()[0] % 2 == 1

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
}


@frozen
class _Subject:
    ask: str
    words: tuple[str, ...]
    avoid: tuple[str, ...]
    begin: str
    end: str
    headings: tuple[str, str]


def _subject(ask: str, words: str, avoid: str, begin: str, end: str, headings: str) -> _Subject:
    first, second = headings.split("/")
    return _Subject(ask, tuple(words.split()), tuple(avoid.split()), begin, end, (first, second))


_SUBJECTS = (
    _subject(
        "Describe a river for a travel guide.",
        "bridge boat fish",
        "water beautiful",
        "Few places",
        "Bring a camera.",
        "Banks/Boats",
    ),
    _subject(
        "Write a short story about a lost dog.",
        "garden letter rain",
        "happy sad",
        "One morning",
        "They went home.",
        "Lost/Found",
    ),
    _subject(
        "Explain why people should sleep enough.",
        "memory energy doctor",
        "tired bed",
        "Good sleep",
        "Rest well tonight.",
        "Night/Day",
    ),
    _subject(
        "Write a note to a new neighbour.",
        "welcome kitchen street",
        "moving house",
        "Dear neighbour",
        "See you soon.",
        "Hello/Help",
    ),
    _subject(
        "Describe how bread is made.",
        "flour oven time",
        "delicious cake",
        "Every baker",
        "Enjoy it warm.",
        "Dough/Oven",
    ),
    _subject(
        "Write about a winter day in the city.",
        "snow music children",
        "cold white",
        "On that day",
        "Spring will come.",
        "Morning/Evening",
    ),
    _subject(
        "Recommend a book to a friend.",
        "chapter hero ending",
        "amazing novel",
        "My friend",
        "Tell me what you think.",
        "Story/Reasons",
    ),
    _subject(
        "Write a speech for a school party.",
        "teachers future thanks",
        "education proud",
        "Dear friends",
        "Thank you all.",
        "Past/Future",
    ),
    _subject(
        "Explain what a bank does.",
        "savings loan trust",
        "money rich",
        "In every town",
        "Ask before you sign.",
        "Saving/Lending",
    ),
    _subject(
        "Advertise a small bicycle shop.",
        "repair wheels helmet",
        "cheap best",
        "Our shop",
        "Come and ride.",
        "Service/Prices",
    ),
    _subject(
        "Describe your ideal kitchen.",
        "table window light",
        "modern clean",
        "In my kitchen",
        "That is my dream.",
        "Space/Light",
    ),
    _subject(
        "Write an apology for being late.",
        "train meeting promise",
        "sorry traffic",
        "Dear colleagues",
        "It will not happen again.",
        "Reason/Promise",
    ),
    _subject(
        "Explain how plants grow.",
        "seed roots soil",
        "sun green",
        "Every plant",
        "Nature takes its time.",
        "Roots/Leaves",
    ),
    _subject(
        "Write a review of a small restaurant.",
        "soup waiter menu",
        "food tasty",
        "Last Friday",
        "We will be back.",
        "Dishes/Service",
    ),
    _subject(
        "Describe a day at the sea.",
        "waves shells wind",
        "beach sand",
        "At the coast",
        "Nobody wanted to leave.",
        "Arrival/Return",
    ),
    _subject(
        "Give advice on learning a language.",
        "practice mistakes songs",
        "easy school",
        "A new language",
        "Keep going every day.",
        "Listening/Speaking",
    ),
    _subject(
        "Write about an old clock.",
        "grandfather tower silence",
        "time hands",
        "The old clock",
        "It still ticks.",
        "Past/Present",
    ),
    _subject(
        "Invite people to a neighbourhood concert.",
        "stage piano evening",
        "music free",
        "This Saturday",
        "Everybody is welcome.",
        "Programme/Place",
    ),
    _subject(
        "Explain why forests matter.",
        "birds climate wood",
        "trees nature",
        "A forest",
        "Let us protect them.",
        "Animals/People",
    ),
    _subject(
        "Describe a good team.",
        "goals respect leader",
        "work success",
        "A good team",
        "Together we go far.",
        "People/Habits",
    ),
    _subject(
        "Write about the first day at a new job.",
        "office coffee desk",
        "boss nervous",
        "On Monday",
        "It was a good start.",
        "Before/After",
    ),
)
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
_APART = (
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
)
_LISTS = {"bullets", "numbered", "headings", "paragraphs"}
_NARROW = {("words at most", (50,)), ("words between", (40, 70))}


def _rules(subject: _Subject, dice: random.Random) -> Iterator[Rule]:
    """Yield rules of every kind for a subject, in an order by chance."""
    words = dice.sample(subject.words, 3)
    rules = [Rule(*dice.choice(_LENGTHS)), *(Rule(kind, ()) for kind in _PLAIN)]
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
    dice.shuffle(rules)
    lengthy = dice.random() < 0.5  # a length stands in more than half of the tasks
    yield from sorted(rules, key=lambda rule: not (lengthy and _is_length(rule)))


def _is_length(rule: Rule) -> bool:
    return rule.kind.startswith(("words", "sentences"))


def _fits(rule: Rule, rules: list[Rule]) -> bool:
    kinds = {each.kind for each in rules}
    if rule.kind in kinds or any(rule.kind in group and group & kinds for group in _APART):
        return False
    both = [*rules, rule]
    if any((each.kind, each.values) in _NARROW for each in both) and any(
        each.kind in _LISTS for each in both
    ):
        return False
    if any(each.kind in _LISTS - {"paragraphs"} for each in both) and any(
        each.kind.startswith("sentences") for each in both
    ):
        return False
    letter = next((str(each.values[0]) for each in both if each.kind == "avoid letter"), "")
    texts = " ".join(
        str(value) for each in both if each.kind not in {"avoid letter", "avoid"} for value in each.values
    ).lower()
    if letter and letter in texts:
        return False
    avoided = {str(value) for each in both if each.kind == "avoid" for value in each.values}
    exactly = {str(each.values[0]) for each in both if each.kind == "mention exactly"}
    others = (
        " ".join(str(v) for each in both if each.kind in {"begin", "end", "headings"} for v in each.values)
        .lower()
        .split()
    )
    return not (avoided | exactly) & {word.strip(".") for word in others}


def _tasks() -> Iterator[Task]:
    for number, subject in enumerate(_SUBJECTS):
        for turn in range(6):
            dice = random.Random(f"{subject.ask} {turn}")
            size, rules = dice.choice((2, 3, 3, 4)), []
            for rule in _rules(subject, dice):
                if len(rules) < size and _fits(rule, rules):
                    rules.append(rule)
            yield Task(f"{number}.{turn}", subject.ask, tuple(rules))


TASKS: tuple[Task, ...] = tuple(_tasks())
