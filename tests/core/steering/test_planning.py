import pytest

from mellea.core.steering import (
    Avoids,
    AvoidsCharacters,
    BeginsWith,
    Bullets,
    Case,
    Characters,
    Contains,
    ContradictionError,
    EndsWith,
    Form,
    Headings,
    Highlights,
    InScript,
    Matches,
    Numbered,
    Numbers,
    OneOf,
    Postscript,
    Quoted,
    Sentences,
    Title,
    Words,
    steer,
)
from mellea.core.steering.layout import layout
from mellea.core.steering.lexis import lexis_of
from mellea.testing.conformance.drawing import drawn
from tests.core.steering.admitting import admits

CONTRADICTIONS = [
    (Words(at_most=40), Words(at_least=60)),
    (Sentences(2, 2), Sentences(3, 3)),
    (Avoids(["river"]), Contains("River")),
    (Contains("the river"), Avoids(["river"])),
    (BeginsWith("The end"), BeginsWith("A start")),
    (BeginsWith("Hello, you"), AvoidsCharacters(",")),
    (EndsWith("The End."), Case("lower")),
    (Case("lower"), Case("upper")),
    (Quoted(), BeginsWith("So")),
    (EndsWith("That is all."), Quoted()),
    (Title(), BeginsWith("So")),
    (Postscript(), EndsWith("That is all.")),
    (EndsWith("?"), AvoidsCharacters("?")),
    (EndsWith("?"), EndsWith("Yes.")),
    (Numbers(0), Numbers(2)),
    (Numbers(0), Numbered(3)),
    (Contains("7 days"), Numbers(0)),
    (Headings(["Rain"]), Avoids(["rain"])),
    (InScript("Greek"), Contains("river")),
    (Bullets(3), Bullets(4)),
]


@pytest.mark.parametrize(("first", "second"), CONTRADICTIONS, ids=str)
@pytest.mark.parametrize("turned", [False, True])
def test_two_forms_that_contradict_are_named(first, second, turned):
    forms = [second, first] if turned else [first, second]

    with pytest.raises(ContradictionError) as caught:
        steer([*forms, Words(at_most=200)])

    assert {caught.value.first, caught.value.second} == {first, second}
    assert first.describe() in str(caught.value)
    assert second.describe() in str(caught.value)


@pytest.mark.parametrize(
    ("forms", "left", "why"),
    [
        ([Sentences(2, 2), Words(9, 10)], 1, "leave no room"),
        ([Words(at_least=30), Matches("[a-z ]+")], 0, "gives the whole text"),
        ([Bullets(2), Numbered(2)], 1, "one list"),
        ([Matches(r"(?=a)\w+")], 0, "question mark"),
        ([Characters(at_most=300)], 0, "stand in"),
        ([Postscript(), Sentences(3, 3)], 1, "postscript"),
        ([Contains("x", 30)], 0, "at most"),
        ([Form()], 0, "no plan"),
    ],
)
def test_form_that_the_plan_cannot_take_is_left_to_checking_with_a_reason(forms, left, why):
    outcomes = steer(forms).outcomes

    assert [outcome.steered for outcome in outcomes] == [index != left for index in range(len(forms))]
    assert why in outcomes[left].why


@pytest.mark.parametrize(
    ("forms", "pattern"),
    [
        ([OneOf(["yes", "no"]), Case("upper")], "^(YES|NO)$"),
        ([Words(2, 2), OneOf(["yes", "it depends", "no"])], "^it depends$"),
        ([OneOf(["yes", "no"]), OneOf(["no", "never"])], "^no$"),
        ([OneOf(["Paris", "Rome"]), Characters(at_most=4)], "^Rome$"),
    ],
)
def test_of_a_few_texts_those_are_left_that_have_all_other_forms(forms, pattern):
    """Each form beside such a one was said to steer, and did not."""
    steering = steer(forms)

    assert steering.pattern == pattern
    assert all(outcome.steered for outcome in steering.outcomes)


@pytest.mark.parametrize("other", [Words(at_least=30), Contains("sea"), Numbers(1), OneOf(["never"])])
def test_few_texts_of_which_none_has_another_form_contradict_it(other):
    few = OneOf(["yes", "no"])

    with pytest.raises(ContradictionError) as caught:
        steer([Case("lower"), other, few])

    assert {caught.value.first, caught.value.second} == {few, other}


def test_nothing_to_steer_has_no_pattern():
    steering = steer([])

    assert steering.pattern is None
    assert steering.describe() == ""


@pytest.mark.parametrize(
    ("prompt", "word", "forms"),
    [
        (
            "Напиши о реке и городе.",
            "река",
            [Sentences(3, 3), Avoids(["город"])],
        ),
        (
            "Γράψε για τη θάλασσα.",
            "κύμα",
            [Words(30, 60), Case("lower")],
        ),
        (
            "写一段关于河流的文字。",
            "音乐",
            [Sentences(2, 3)],
        ),
        (
            "اكتب عن النهر",
            "موسيقى",
            [Words(at_least=30)],
        ),
        (
            "नदी के बारे में लिखें",
            "संगीत",
            [Words(at_least=30)],
        ),
        ("강에 대해 써 주세요", "음악", [Sentences(2, 2)]),
        ("Écris un texte sur une rivière.", "forêt", [Sentences(2, 4), AvoidsCharacters(",")]),
    ],
    ids=["Cyrillic", "Greek", "Han", "Arabic", "Devanagari", "Hangul", "French"],
)
def test_letters_follow_the_script_of_the_prompt(prompt, word, forms):
    asked = [*forms, Contains(word)]
    steering = steer(asked, prompt)

    assert all(outcome.steered for outcome in steering.outcomes)
    texts = drawn(steering.plan, 60)
    assert [(text, form) for text in texts for form in asked if not form.check(text)[0]] == []
    assert not any(f"The {word}" in text for text in texts)


def test_longest_text_bounds_what_is_drawn():
    steering = steer([Words(20, 60)])

    assert max(len(text.split()) for text in drawn(steering.plan, 50)) <= 60
    assert steering.longest >= 120


def test_words_may_be_as_long_as_those_of_the_prompt():
    assert steer([Words(20, 60)], "Explain internationalization.").plan.longest_word == 20


def test_text_without_lines_has_none():
    asked = [Words(20, 60), Contains("river")]

    assert "\\\\n" in steer(asked).pattern
    assert "\\\\n" not in steer(asked, lines=False).pattern


@pytest.mark.parametrize(
    ("word", "admitted"),
    [
        *(("river", True), ("to", False), ("tofollow", False), ("areprocessed", False)),
        *(("today", True), ("theirs", True), ("Theodore", True), ("together", False)),
    ],
)
def test_no_sentence_ends_with_a_word_made_up_of_one_that_cannot_end_it(word, admitted):
    lexis = lexis_of(steer([Avoids(["together"])], "Write about it.").plan)

    assert admits(lexis.last, word) is admitted


@pytest.mark.parametrize(
    ("form", "text", "admitted"),
    [
        (Highlights(1), "The *old bridge* is long and dark.", True),
        (Highlights(1), "*The old bridge* is long and dark.", False),
        (Numbers(1), "There are 3 bridges over the river here.", True),
        (Numbers(1), "3 bridges are over the river here.", False),
        (EndsWith("?"), "We went over the bridge. Are you ready to come home?", True),
        (EndsWith("?"), "We went over the bridge. Are ready to come home?", False),
        (Avoids(["rain"]), "We went home by the old train.", True),
        (Avoids(["rain"]), "We went home on the rainy road.", False),
        (Avoids(["the"]), "We went home and then we slept.", True),
        (Contains("river", 1, 1), "The river is old and it runs far.", True),
        (Contains("river", 1, 1), "The river is old and the riverbank is green.", False),
    ],
)
def test_sentences_begin_and_words_end_as_models_write_them(form, text, admitted):
    node = layout(steer([form, Words(5, 30), Sentences(at_most=2)], "Write about it.").plan)

    assert form.check(text)[0]
    assert admits(node, text) is admitted
