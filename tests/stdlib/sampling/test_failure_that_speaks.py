"""A call whose answer does not meet every requirement says so, at the line that made it."""

import asyncio
import copy
import pickle
import warnings
from pathlib import Path

import pytest

from mellea import MelleaSession, check, generative, req, simple_validate
from mellea.core import RequirementsNotMetError, RequirementsNotMetWarning
from mellea.stdlib.components.docs import Table
from mellea.testing import ScriptedBackend

NEVER = check("It rhymes.", lambda ctx: (False, "it does not rhyme"))


def session(*answers):
    return MelleaSession(ScriptedBackend(list(answers) or "x"))


def line_of(text):
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line and "line_of" not in line)


def heard(call, action="default"):
    """Return the warnings of a call that are shown to whoever has not set any filter."""
    with warnings.catch_warnings(record=True) as given:
        warnings.simplefilter(action, RequirementsNotMetWarning)
        call()
    return given


def test_failure_names_requirement_reason_and_ways_out():
    with pytest.warns(RequirementsNotMetWarning) as given:
        session().instruct("Write.", requirements=[NEVER])

    said = str(given[0].message)
    assert "The best of 2 attempts does not meet every requirement: It rhymes: it does not rhyme." in said
    assert all(
        way in said for way in ("output.met", "output.sampling", "strict=True", "return_sampling_results")
    )


def test_warning_points_at_the_line_that_made_the_synchronous_call():
    given = heard(lambda: session().instruct("Write.", requirements=[NEVER]))  # the synchronous line

    assert [(w.filename, w.lineno) for w in given] == [(__file__, line_of("# the synchronous line"))]


def test_warning_points_at_the_line_that_awaits():
    async def main():
        await session().ainstruct("Write.", requirements=[NEVER])  # the awaiting line

    given = heard(lambda: asyncio.run(main()))

    assert [(w.filename, w.lineno) for w in given] == [(__file__, line_of("# the awaiting line"))]


def test_warning_of_gathered_calls_points_at_what_runs_them():
    async def main():
        m = session()
        await asyncio.gather(*(m.ainstruct("Write.", requirements=[NEVER]) for _ in range(5)))

    given = heard(lambda: asyncio.run(main()))  # the running line

    assert [(w.filename, w.lineno) for w in given] == [(__file__, line_of("# the running line"))]


def test_warning_points_at_the_line_within_a_callback_of_a_call():
    def nested(ctx):
        session().instruct("Write.", requirements=[NEVER])  # the nested line
        return True

    given = heard(lambda: session().instruct("Write.", requirements=[check("nested", nested)]))

    assert [w.lineno for w in given] == [line_of("# the nested line")]


def test_warning_is_given_once_for_each_line_whatever_the_reasons():
    reasons = iter(range(99))
    counting = check("Counted.", lambda ctx: (False, f"reason {next(reasons)}"))

    def twice():
        for _ in range(3):
            session().instruct("Write.", requirements=[counting])
        session().instruct("Write.", requirements=[counting])

    assert len(heard(twice)) == 2
    assert len(heard(twice, "always")) == 4
    assert heard(twice, "ignore") == []


def test_warnings_of_other_reasons_are_told_apart_by_their_text():
    assert str(RequirementsNotMetWarning("a")) == "a"
    assert str(RequirementsNotMetWarning("a")) != "b"


def test_warning_can_be_made_an_error_and_then_nothing_is_remembered():
    m = session()
    with warnings.catch_warnings():
        warnings.simplefilter("error", RequirementsNotMetWarning)
        with pytest.raises(RequirementsNotMetWarning):
            m.instruct("Write.", requirements=[NEVER])

    assert m.ctx.is_root_node


@pytest.mark.parametrize(
    ("check_", "named"),
    [
        (lambda text: undefined in text, "NameError"),  # noqa: F821
        (lambda text: text.contains("x"), "AttributeError"),
        (lambda text: len(text) / 0, "ZeroDivisionError"),
        (lambda text: {}["x"], "KeyError"),
        (lambda text: text + 1, "TypeError"),
        (lambda text: 1, "TypeError"),
    ],
)
def test_check_with_a_bug_is_named_as_such(check_, named):
    with pytest.warns(
        RequirementsNotMetWarning, match=rf"(?s){named}.*looks like a bug in the check itself: 'Fine'"
    ):
        session().instruct("Write.", requirements=[check("Fine", simple_validate(check_))])


def test_check_that_cannot_read_a_text_has_no_bug():
    with pytest.warns(RequirementsNotMetWarning) as given:
        session().instruct(
            "Write.", requirements=[check("A number", simple_validate(lambda text: int(text) > 1))]
        )

    assert "bug" not in str(given[0].message)


def test_output_knows_whether_it_meets_its_requirements():
    with pytest.warns(RequirementsNotMetWarning):
        failed = session().instruct("Write.", requirements=[NEVER])
    passed = session().instruct("Write.", requirements=[req("ok", lambda ctx: True)])

    assert (failed.met, passed.met) == (False, True)
    assert len(failed.sampling.attempts) == 2
    assert failed.sampling.result is failed
    assert copy.copy(failed).met is False


def test_output_of_which_nothing_was_checked_is_met():
    output = session().instruct("Write.")

    assert output.met
    assert output.sampling is None


def test_attempts_are_returned_without_a_warning_where_they_are_asked_for():
    result = session().instruct("Write.", requirements=[NEVER], return_sampling_results=True)

    assert not result
    assert result.result.sampling is result


def test_strict_call_raises_and_does_not_warn():
    with pytest.raises(RequirementsNotMetError, match="It rhymes"):
        session().instruct("Write.", requirements=[NEVER], strict=True)


def test_typed_function_that_fails_says_how_to_make_it_strict():
    @generative(requirements=[NEVER])
    def poem(text: str) -> str: ...

    with pytest.warns(RequirementsNotMetWarning, match=r"@generative\(strict=True\)") as given:
        poem(MelleaSession(ScriptedBackend('{"result": "a"}')), text="x")  # the typed line

    assert given[0].lineno == line_of("# the typed line")


def test_transformed_object_that_fails_is_told():
    table = Table(["a"], [["1"]])

    with pytest.warns(RequirementsNotMetWarning, match="It rhymes"):
        session(table.to_markdown(), table.to_markdown()).transform(table, "Keep it.", requirements=[NEVER])


def test_warning_crosses_a_process_pool():
    warning = RequirementsNotMetWarning("It failed.", result=object())

    again = pickle.loads(pickle.dumps(warning))

    assert str(again) == "It failed."
    assert again.result is None
