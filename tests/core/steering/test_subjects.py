"""A text about a short task has one of its words, where that asks little."""

import re

import pytest

from mellea.core.steering import (
    Avoids,
    AvoidsCharacters,
    BeginsWith,
    Bullets,
    Contains,
    Headings,
    Sentences,
    Words,
    steer,
)
from mellea.core.steering.layout import layout
from mellea.core.steering.subjects import subject_words
from mellea.testing.conformance.drawing import drawn
from tests.core.steering.admitting import admits

TASK = "Advertise a small bicycle shop."
OFF = (
    "We have served this town and all of its people for many years. "
    "Our staff always knows well what each family needs. "
)
OFF_END = "Come and see us on any day of the week you like. There is tea for all who have come."


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (TASK, ("bicycle", "shop")),
        ("Write a short story about a lost dog.", ("lost", "dog")),
        ("Explain how plants grow", ("plants", "grow")),
        ("Translate the house is red into French.", ()),
        ("Write a summary of the text below.", ()),
        ('Describe "the old bridge".', ()),
        ("Describe a bridge. Then describe a river.", ()),
        ("Describe a bridge " * 20, ()),
        ("", ()),
    ],
)
def test_words_of_the_subject_are_those_of_one_short_sentence(task, words):
    assert subject_words(task) == words


@pytest.mark.parametrize(
    "form", [AvoidsCharacters("!"), Sentences(at_least=3)], ids=["running", "counted sentences"]
)
def test_text_has_a_word_of_its_subject(form):
    node = layout(steer([form], TASK, about=subject_words(TASK)).plan)

    assert admits(node, OFF.replace("town", "bicycle town") + OFF_END)
    assert admits(node, OFF.replace("Our staff", "The shop") + OFF_END)
    assert not admits(node, OFF + OFF_END)


@pytest.mark.parametrize(
    "forms",
    [
        [Words(40, 60)],
        [Words(40, 60), Contains("tea", 2)],
        [Words(40, 60), Sentences(3, 3)],
        [Words(40, 60), Bullets(4)],
        [Words(60, 90), Headings(["Past", "Future"])],
        [BeginsWith("On Monday"), Words(40, 50)],
    ],
    ids=["running", "with words", "counted sentences", "list", "sections", "with a beginning"],
)
def test_text_without_room_to_wait_for_it_begins_with_it(forms):
    plan = steer(forms, TASK, about=subject_words(TASK)).plan
    texts = [text.lower() for text in drawn(plan, 60)]

    assert [text for text in texts if "bicycle" not in text and "shop" not in text] == []


@pytest.mark.parametrize(
    ("task", "word"),
    [("Describe a bus.", "bus"), ("Praise the horses.", "horses"), ("Praise the cats.", "cat")],
)
def test_word_of_the_subject_is_a_whole_one(task, word):
    plan = steer([Words(40, 60)], task, about=subject_words(task)).plan

    named = [re.search(rf"\b{word}s?\b", text.lower()) for text in drawn(plan, 60)]
    assert all(named)


def test_list_has_it_in_its_first_two_items():
    node = layout(steer([Bullets(3)], TASK, about=subject_words(TASK)).plan)
    items = ["* We have served this town and all of its people for many years.\n"] * 2 + [
        "* Come and see us on any other day."
    ]

    assert admits(node, "".join(items).replace("this town", "this shop", 1))
    assert not admits(node, "".join(items))


@pytest.mark.parametrize(
    "forms",
    [
        [Avoids(["bicycle", "shop"])],
        [Contains("bicycle")],
        [Words(at_most=30)],
        [AvoidsCharacters("co")],
    ],
    ids=["avoided", "asked for", "no room", "letters missing"],
)
def test_nothing_more_is_asked_where_a_rule_says_otherwise(forms):
    assert steer(forms, TASK, about=subject_words(TASK)).pattern == steer(forms, TASK).pattern


def test_word_that_is_avoided_is_not_led_to():
    pattern = steer([Avoids(["shop"])], TASK, about=subject_words(TASK)).pattern or ""

    assert "The bicycle" in pattern or "The (bicycle" in pattern
    assert "The shop" not in pattern


def test_words_at_the_beginning_do_not_grow_into_others():
    task = "Describe how bread is made."
    plan = steer([BeginsWith("Every baker"), Contains("oven")], task, about=subject_words(task)).plan

    assert {text[11].isalpha() for text in drawn(plan, 60)} == {False}
