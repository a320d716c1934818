"""A text is put in the case that is asked for while it comes; the model writes ordinary letters."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mellea.core import UsageError
from mellea.core.steering import (
    BeginsWith,
    Bullets,
    Case,
    Contains,
    Headings,
    OneOf,
    Placeholders,
    Words,
    steer,
)
from mellea.core.steering.casing import Casing, cased
from mellea.testing.conformance.drawing import drawn

KINDS = ["lower", "upper", "title"]


@pytest.mark.parametrize(
    ("kind", "text", "put"),
    [
        ("lower", "The OLD bridge isn't far.", "the old bridge isn't far."),
        ("upper", "Die Straße, the 2nd isn't far.", "DIE STRASSE, THE 2ND ISN'T FAR."),
        ("title", "the OLD well-known bridge isn't far.", "The Old Well-Known Bridge Isn't Far."),
        ("title", "'so said o'neill', the 2nd", "'So Said O'neill', The 2Nd"),
        ("title", "O'Neill and the dogs' ball", "O'Neill And The Dogs' Ball"),
        ("title", "élan, cafe\u0301s, ΑΘΗΝΑ", "Élan, Cafe\u0301s, Αθηνα"),
    ],
)
def test_text_is_put_in_a_case(kind, text, put):
    assert cased(text, kind) == put
    assert Case(kind).check(put)[0]
    assert not Case(kind).check(text)[0] or text == put


def test_text_in_no_case_stays_as_it_is():
    assert cased("The OLD bridge", None) == "The OLD bridge"


@pytest.mark.parametrize("kind", KINDS)
@given(pieces=st.lists(st.text("aB'é- ß\u0301.1", max_size=4)))
@example(pieces=["don", "'", "t"])
def test_pieces_are_put_in_a_case_as_the_whole_is(kind, pieces):
    text, casing = "".join(pieces), Casing(kind)

    assert "".join(map(casing.feed, pieces)) == cased(text, kind) == cased(cased(text, kind), kind)


@pytest.mark.parametrize(
    ("text", "titled"),
    [
        ("They're Here", True),
        ("They'Re Here", True),
        ("They\u2019re Here", True),
        ("They're here", False),
        ("12!", False),
        ("AB", False),
    ],
)
def test_letter_behind_an_apostrophe_begins_no_word(text, titled):
    assert Case("title").check(text)[0] is titled


@pytest.mark.parametrize("kind", KINDS)
def test_pattern_of_a_case_is_that_of_ordinary_letters(kind):
    forms = [Words(30, 60), Contains("river")]

    held, free = steer([*forms, Case(kind)], "Write about it."), steer(forms, "Write about it.")

    assert held.case == kind
    assert held.repetition_penalty == free.repetition_penalty
    assert held.describe() == free.describe()
    assert held.pattern == free.pattern or (kind == "title" and "\u2019" not in held.pattern)
    assert f"Its letters are put in {kind} case as they come." in held.summary()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "others",
    [
        (Bullets(3), Contains("river")),
        (Placeholders(2), Words(at_most=60)),
        (OneOf(["Yes, it's so", "no"]),),
        (Contains("it's", 2),),
    ],
    ids=str,
)
def test_texts_are_read_with_all_forms(kind, others):
    forms = [Case(kind), *others]
    steering = steer(forms)

    texts = drawn(steering.plan, 40)

    assert all(outcome.steered for outcome in steering.outcomes)
    assert [(text, form) for text in texts for form in forms if not form.check(text)[0]] == []


def test_given_texts_keep_the_case_that_is_asked_for():
    assert steer([Case("title"), BeginsWith("They're")]).case == "title"
    with pytest.raises(UsageError, match="No text can meet both"):
        steer([Case("upper"), Headings(["Past"])])


def test_forms_of_several_cases_keep_to_the_first():
    steering = steer([Case("upper") | Case("lower")])

    assert steering.case == "upper"
    assert all(text.isupper() for text in drawn(steering.plan, 20))
