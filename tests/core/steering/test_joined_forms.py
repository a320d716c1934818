"""Forms that are joined: all of several, one of several, and none."""

import pytest

from mellea.core import Requirement
from mellea.core.steering import ContradictionError, steer
from mellea.stdlib.requirements.forms import (
    AllOf,
    AnyOf,
    Avoids,
    Bullets,
    Contains,
    Form,
    Matches,
    Not,
    Numbered,
    Numbers,
    OneOf,
    Sentences,
    Words,
    of_form,
)

LIST = Bullets(2) | Numbered(2)


@pytest.mark.parametrize(
    ("joined", "same"),
    [
        (Words(3) & Contains("x") & Bullets(2), AllOf([Words(3), Contains("x"), Bullets(2)])),
        (Words(3) | Contains("x") | Bullets(2), AnyOf([Words(3), Contains("x"), Bullets(2)])),
        (~~Contains("x"), Contains("x")),
        (~Words(at_least=40), Words(at_most=39)),
        (~Words(at_most=40), Words(at_least=41)),
        (~Sentences(2, 3), Sentences(at_most=1) | Sentences(at_least=4)),
        (~Words(at_least=1), Not(Words(at_least=1))),
        (~(Words(at_least=40) & Contains("x")), Words(at_most=39) | ~Contains("x")),
        (~(Words(at_least=40) | Contains("x")), Words(at_most=39) & ~Contains("x")),
    ],
)
def test_joined_forms_are_values(joined, same):
    assert joined == same
    assert hash(joined) == hash(same)


@pytest.mark.parametrize(
    ("form", "text", "met"),
    [
        (Words(2, 2) & Contains("tea"), "green tea", True),
        (Words(2, 2) & Contains("tea"), "green", False),
        (LIST, "* one\n* two", True),
        (LIST, "1. one\n2. two", True),
        (LIST, "one and two", False),
        (~Contains("tea"), "steam", False),
        (~Contains("tea"), "coffee", True),
    ],
)
def test_verdict(form, text, met):
    assert form.check(text)[0] is met
    assert (~form).check(text)[0] is not met


def test_parts_of_a_requirement_have_a_fate_of_their_own():
    rule = of_form(Words(at_most=30) & Contains("river") & ~Contains("sea"))

    assert rule.forms == (Words(at_most=30), Contains("river"), Not(Contains("sea")))
    assert [outcome.steered for outcome in steer(rule.forms).outcomes] == [True, True, False]
    assert Requirement("r", form=[LIST]).forms == (LIST,)


def test_alternative_that_contradicts_or_cannot_steer_is_left_out_of_the_pattern():
    no_figures = steer([Numbers(0), LIST], "Write.")
    no_plan = steer([Form() | Bullets(2), Avoids(["tea"])], "Write.")

    assert all(outcome.steered for steering in (no_figures, no_plan) for outcome in steering.outcomes)
    assert no_figures.pattern == steer([Numbers(0), Bullets(2)], "Write.").pattern
    assert no_plan.pattern == steer([Bullets(2), Avoids(["tea"])], "Write.").pattern


def test_choice_of_which_nothing_steers_is_left_to_checking():
    outcomes = steer([Words(at_most=30), Form() | ~Contains("x")], "Write.").outcomes

    assert [outcome.steered for outcome in outcomes] == [True, False]
    assert "no plan" in outcomes[1].why


def test_form_that_only_one_alternative_keeps_is_left_to_checking():
    outcomes = steer([Matches("[0-9]{3}") | Bullets(2), Words(at_most=30)], "Write.").outcomes

    assert [outcome.steered for outcome in outcomes] == [True, False]


def test_choice_of_which_nothing_goes_with_the_rest_is_a_contradiction():
    with pytest.raises(ContradictionError, match="at most 20"):
        steer([Words(at_least=50) | Words(at_least=60), Words(at_most=20)])


def test_choices_between_texts_are_joined():
    assert steer([OneOf(["yes", "no"]) | Matches("[0-9]{3}")]).pattern == "^((yes|no)|[0-9]{3})$"
