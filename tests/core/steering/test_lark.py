"""A Lark grammar as a form: checked without a model, and an error that says what is wrong with it."""

import sys

import pytest

from mellea.core import UsageError
from mellea.core.steering import LarkGrammar, steer

MOVES = 'start: "move " DIR " by " NUM\nDIR: "north" | "south"\nNUM: /[0-9]+/\n'


@pytest.mark.parametrize(
    ("text", "met", "seen"),
    [
        ("move north by 12", True, "admits"),
        (" move south by 3\n", True, "admits"),
        ("move west by 3", False, "'west by 3'"),
        ("move north by", False, "wants more"),
        ("move north by 12 miles", False, "' miles'"),
    ],
)
def test_grammar_checks_a_text(text, met, seen):
    result, reason = LarkGrammar(MOVES).check(text)

    assert result is met
    assert seen in reason


def test_text_that_is_no_grammar_is_refused():
    with pytest.raises(UsageError, match="no Lark grammar"):
        LarkGrammar("start: moves")


def test_without_the_engine_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "llguidance", None)

    with pytest.raises(UsageError, match=r"mellea-core\[hf\]"):
        LarkGrammar('start: "only here"')


def test_grammar_is_left_to_checking_by_a_pattern():
    (outcome,) = steer([LarkGrammar(MOVES)]).outcomes

    assert (outcome.steered, outcome.why) == (False, "a grammar is no pattern")


def test_held_grammar_has_no_guards_of_prose():
    held = steer([LarkGrammar(MOVES)]).holding([""])

    assert (held.steers, held.guards, held.describe()) == (True, None, "")
