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
from tests.core.steering.drawing import drawn

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
        ([Words(at_least=30), OneOf(["yes", "no"])], 1, "gives the whole text"),
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


def test_nothing_to_steer_has_no_pattern():
    steering = steer([])

    assert steering.pattern is None
    assert steering.describe() == ""


@pytest.mark.parametrize(
    ("prompt", "word", "forms"),
    [
        (
            "\u041d\u0430\u043f\u0438\u0448\u0438 \u043e \u0440\u0435\u043a\u0435 \u0438 \u0433\u043e\u0440\u043e\u0434\u0435.",
            "\u0440\u0435\u043a\u0430",
            [Sentences(3, 3), Avoids(["\u0433\u043e\u0440\u043e\u0434"])],
        ),
        (
            "\u0393\u03c1\u03ac\u03c8\u03b5 \u03b3\u03b9\u03b1 \u03c4\u03b7 \u03b8\u03ac\u03bb\u03b1\u03c3\u03c3\u03b1.",
            "\u03ba\u03cd\u03bc\u03b1",
            [Words(30, 60), Case("lower")],
        ),
        (
            "\u5199\u4e00\u6bb5\u5173\u4e8e\u6cb3\u6d41\u7684\u6587\u5b57\u3002",
            "\u97f3\u4e50",
            [Sentences(2, 3)],
        ),
        (
            "\u0627\u0643\u062a\u0628 \u0639\u0646 \u0627\u0644\u0646\u0647\u0631",
            "\u0645\u0648\u0633\u064a\u0642\u0649",
            [Words(at_least=30)],
        ),
        (
            "\u0928\u0926\u0940 \u0915\u0947 \u092c\u093e\u0930\u0947 \u092e\u0947\u0902 \u0932\u093f\u0916\u0947\u0902",
            "\u0938\u0902\u0917\u0940\u0924",
            [Words(at_least=30)],
        ),
        ("\uac15\uc5d0 \ub300\ud574 \uc368 \uc8fc\uc138\uc694", "\uc74c\uc545", [Sentences(2, 2)]),
        ("\u00c9cris un texte sur une rivi\u00e8re.", "for\u00eat", [Sentences(2, 4), AvoidsCharacters(",")]),
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
