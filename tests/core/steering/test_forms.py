"""Every form: texts drawn from its pattern have it, and texts that break it are not admitted.

Alone and in pairs; a form is in a dozen pairs or more, which make 300 texts and 50 that break it again.
"""

import json
import re
from functools import cache
from itertools import combinations
from random import Random

import pytest

from mellea.core.steering import (
    Avoids,
    AvoidsCharacters,
    BeginsWith,
    Bullets,
    Case,
    Contains,
    ContradictionError,
    EndsWith,
    Headings,
    Highlights,
    InScript,
    MarkdownList,
    Matches,
    Numbered,
    Numbers,
    OneOf,
    Paragraphs,
    Placeholders,
    Postscript,
    Quoted,
    Sentences,
    Table,
    Title,
    Words,
    steer,
)
from mellea.core.steering.layout import layout
from mellea.core.steering.pattern import plain
from mellea.testing.conformance.drawing import draw, drawn
from tests.core.steering.admitting import admits

FORMS = [
    Words(at_least=45),
    Words(at_most=40),
    Words(50, 60),
    Words(30, 30),
    Sentences(3, 3),
    Sentences(at_least=4),
    Sentences(at_most=2),
    Paragraphs(3, 3),
    Paragraphs(at_least=2),
    BeginsWith("In the old town"),
    BeginsWith("Dear friends, hello!"),
    EndsWith("That is all."),
    EndsWith("ever after."),
    EndsWith("?"),
    Contains("river"),
    Contains("river bank", 2),
    Contains("river", 2, 2),
    Contains("river", 1, 3),
    Avoids(["the", "rain", "again"]),
    AvoidsCharacters(","),
    AvoidsCharacters("qz!"),
    Case("lower"),
    Case("upper"),
    Case("title"),
    Numbers(0),
    Numbers(3),
    InScript("Latin"),
    InScript("Greek"),
    Bullets(3),
    Numbered(4),
    Headings(["Past", "Future"]),
    Title(),
    Postscript(),
    Quoted(),
    Placeholders(3),
    Highlights(2),
]
ONE_OF_A_KIND = list({type(form): form for form in FORMS}.values())
WHOLE = [
    OneOf(["yes", "no", "it depends"]),
    Matches(r"[A-Z]\d{3}(-[a-z]+)?|none"),
    MarkdownList(2, 5),
    Table(),
    Table(["name", "home town"], 2, 4),
    Table(3, at_least=2),
    Bullets(2) | Numbered(3),
    OneOf(["yes", "no"]) | Matches("[0-9]{3}"),
    ~Words(30, 40),
]
JOINED = [Bullets(2) & Words(at_most=60), Contains("river") & Avoids(["rain"]) & Case("lower")]


def mutations(text: str, dice: Random) -> list[str]:
    """Return texts that differ from one by a little."""
    words = text.split(" ")
    place = dice.randrange(len(words))
    return [
        " ".join(words[:place] + words[place + 1 :]),
        " ".join([*words[:place], "river", *words[place:]]),
        " ".join([*words[:place], "the 7 rain,", *words[place:]]),
        text.swapcase(),
        text.replace(".", "?").replace("!", "?"),
        f"{text} More of it.",
        f'"{text}"',
        f"Well, {text}",
        text.replace("\n\n", "\n").replace("* ", "").replace("[", "").replace("]", ""),
        text[: len(text) // 2],
    ]


@pytest.fixture(scope="module")
def texts():
    """Texts of all kinds, and what comes of them by small changes."""
    dice = Random(7)
    plain = [text for form in FORMS for text in drawn(steer([form]).plan, 4)]
    plain += drawn(steer([InScript("Cyrillic")]).plan, 30)
    return [
        *plain,
        *(each for text in plain for each in mutations(text, dice)),
        "yes, no",
        "maybe",
        "A12",
        "none at all",
    ]


@pytest.fixture(scope="module")
def broken(texts):
    """The texts that break a form, by the form; each is looked for once."""
    return cache(lambda form: [text for text in texts if text and not form.check(text)[0]])


@pytest.mark.parametrize("form", [*FORMS, *WHOLE, *JOINED], ids=str)
def test_texts_of_a_forms_pattern_have_the_form(form):
    steering = steer([form])

    assert [outcome.steered for outcome in steering.outcomes] == [True]
    wrong = [(text, form.check(text)) for text in drawn(steering.plan, 300) if not form.check(text)[0]]
    assert wrong == []


@pytest.mark.parametrize("form", [*FORMS, *WHOLE], ids=str)
def test_texts_that_break_a_form_are_not_admitted(form, broken):
    plan = steer([form]).plan
    node = layout(plan)

    assert len(broken(form)) >= 50
    admitted = [text for text in Random(3).sample(broken(form), 50) if admits(node, text)]
    assert [text for text in admitted if not form.check(plan.cased(text))[0]] == []
    assert plan.case or not admitted


def planned(first, second):
    """Return how two forms steer, or None if they contradict each other."""
    try:
        return steer([first, second])
    except ContradictionError as error:
        return (
            None
            if {error.first, error.second} == {first, second}
            else pytest.fail(f"it names others: {error}")
        )


@pytest.mark.parametrize(("first", "second"), list(combinations(ONE_OF_A_KIND, 2)), ids=str)
def test_pairs_of_forms_are_steered_together_or_said_not_to_be(first, second, broken):
    steering = planned(first, second)
    if steering is None:
        return
    kept = [outcome.form for outcome in steering.outcomes if outcome.steered]
    assert first in kept or second in kept
    wrong = [(text, form) for text in drawn(steering.plan, 25) for form in kept if not form.check(text)[0]]
    assert wrong == []
    assert all(outcome.why for outcome in steering.outcomes if not outcome.steered)
    node, read = layout(steering.plan), steering.plan.cased
    sample = [text for form in kept for text in Random(f"{first} {second}").sample(broken(form), 5)]
    admitted = [text for text in sample if admits(node, text)]
    assert [text for text in admitted if not all(form.check(read(text))[0] for form in kept)] == []
    assert steering.case or not admitted


@pytest.mark.parametrize("form", [MarkdownList(2, 5), Table(["name", "town"]), Table()], ids=str)
@pytest.mark.parametrize(
    "others",
    [
        [Avoids(["rain"]), Case("lower"), Numbers(0)],
        [AvoidsCharacters("q1"), InScript("Latin")],
        [Case("upper")],
    ],
    ids=str,
)
def test_lists_and_tables_keep_to_forms_of_their_words(form, others):
    if isinstance(form, Table) and form.columns and Case("upper") in others:
        form = Table(["NAME", "TOWN"])
    steering = steer([form, *others])

    assert all(outcome.steered for outcome in steering.outcomes)
    wrong = [
        (text, each)
        for text in drawn(steering.plan, 60)
        for each in [form, *others]
        if not each.check(text)[0]
    ]
    assert wrong == []


@pytest.mark.parametrize("form", [*FORMS, *WHOLE], ids=str)
def test_pattern_as_it_is_sent_admits_the_texts_as_json_writes_them(form):
    steering, dice = steer([form]), Random(1)

    for text in [draw(layout(steering.plan), dice) for _ in range(5)]:
        assert re.fullmatch(steering.pattern, json.dumps(text, ensure_ascii=False)[1:-1])
        assert re.fullmatch(plain(steering.pattern), text)


@pytest.mark.parametrize("form", [*FORMS, *WHOLE], ids=str)
def test_pattern_keeps_to_what_servers_keep(form):
    pattern = steer([form]).pattern

    assert pattern.startswith("^")
    assert pattern.endswith("$")
    assert not re.search(r"\(\?|\\[dwsbDWSBpP]|\[\^", pattern)
    assert not re.search(r"(?<!\\)\.", re.sub(r"\[[^\]]*\]", "", pattern))
    assert not re.search(r"\(\||\|\)|\|\|", re.sub(r"\\.", "", pattern))
    assert len(pattern) < 20_000
