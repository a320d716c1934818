"""Mistakes that a newcomer makes are answered with what is wrong and what to do."""

import numpy as np
import pytest

from mellea import MelleaSession, Message, check, mfuncs, req, simple_validate, start_backend, start_session
from mellea.core import Capability, SamplingResult, UsageError, ValidationResult
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.sampling import RejectionSamplingStrategy
from mellea.testing import ScriptedBackend


def session(*answers):
    return MelleaSession(ScriptedBackend(list(answers) or "The sea."))


def verdict(check_, text="The sea."):
    return session().validate(check_, output=text)[0]


# Verdicts


@pytest.mark.parametrize(
    "value",
    [True, np.True_, np.bool_(1), np.array(True), (True, "no"), (np.True_, "no"), ValidationResult(np.True_)],
)
def test_verdict_of_numpy_counts(value):
    assert verdict(check("ok", lambda ctx: value)).result is True


@pytest.mark.parametrize("value", [False, np.False_, (np.False_, "why"), ValidationResult(np.False_)])
def test_verdict_of_numpy_counts_when_it_is_a_no(value):
    assert verdict(check("ok", lambda ctx: value)).result is False


@pytest.mark.parametrize(
    "value", ["x", 1, None, np.array([True, False]), np.float64(1.0), ("yes", "why"), (1, "why"), [True]]
)
def test_value_that_is_no_verdict_is_a_failed_check_that_says_so(value):
    said = verdict(check("ok", lambda ctx: value))

    assert not said
    assert "instead of a verdict (bool, (bool, reason) or ValidationResult)" in said.reason
    assert said.looks_like_bug


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: ValidationResult("x"), "True or False, not 'x'"),
        (lambda: ValidationResult(1), "True or False, not 1"),
        (lambda: ValidationResult(True, score="high"), "a number, not 'high'"),
    ],
)
def test_verdict_that_cannot_be_is_refused_and_fails_the_check(make, what):
    with pytest.raises(TypeError, match=what):
        make()
    said = verdict(check("ok", lambda ctx: make()))
    assert not said
    assert what in said.reason


def test_score_of_numpy_is_a_number():
    assert type(ValidationResult(True, score=np.float64(0.5)).score) is float
    assert ValidationResult(True, score=np.int64(2)).score == 2


@pytest.mark.parametrize("met", ["1", '"yes"', "null"])
def test_judge_without_a_verdict_cannot_be_read(met):
    backend = ScriptedBackend(f'{{"reason": "fine", "met": {met}}}', capabilities=[Capability.JSON_SCHEMA])

    said = MelleaSession(backend).validate("It is kind.", output="hi")[0]

    assert not said
    assert "cannot be read" in said.reason


# Reasons


def test_passed_check_does_not_show_the_reason_of_its_failure():
    names_finn = simple_validate(lambda text: ("Finn" in text, "customer 'Finn' is not in the mail"))

    assert verdict(req("Name Finn.", names_finn), "Dear Finn").reason is None
    assert verdict(req("Name Finn.", names_finn), "Dear Ada").reason == "customer 'Finn' is not in the mail"


def test_reason_that_a_check_gives_for_a_success_is_kept():
    assert verdict(check("ok", lambda ctx: ValidationResult(True, reason="it rhymes"))).reason == "it rhymes"


@pytest.mark.parametrize(
    "mistaken",
    [
        lambda text: "sea" in text,
        lambda text: len(text) < 9,
        lambda text: text.startswith("The"),
        lambda text: text[0] == "T",
        lambda text: int(text) > 1,
    ],
)
def test_check_that_takes_the_context_for_the_text_is_told_of_simple_validate(mistaken):
    assert "simple_validate(check)" in verdict(req("u", mistaken)).reason


def test_error_about_something_else_does_not_speak_of_simple_validate():
    assert "simple_validate" not in verdict(req("u", simple_validate(lambda text: text + 1))).reason


# Options


@pytest.mark.parametrize("verb", ["instruct", "ainstruct", "stream_instruct", "act", "aact"])
def test_misspelt_option_names_the_verb_and_what_may_be_meant(verb):
    with pytest.raises(
        TypeError, match=rf"{verb} takes no option 'model_option'\. Did you mean 'model_options'\?"
    ):
        run(getattr(session(), verb)("Write.", model_option={}))


def run(result):
    import asyncio

    return asyncio.run(result) if asyncio.iscoroutine(result) else result


def test_requirement_is_taken_for_requirements():
    with pytest.raises(
        UsageError, match="instruct takes no option 'requirement'. Did you mean 'requirements'?"
    ):
        session().instruct("Write.", requirement=["Short."])
    with pytest.raises(
        TypeError, match="instruct takes no option 'requirement'. Did you mean 'requirements'?"
    ):
        mfuncs.instruct("Write.", SimpleContext(), ScriptedBackend("x"), requirement=["Short."])


@pytest.mark.parametrize(
    ("verb", "asked", "wrong", "meant"),
    [
        ("chat", ("Hi",), "image", "images"),
        ("stream_chat", ("Hi",), "model_opts", "model_options"),
        ("validate", (["Short."],), "outputs", "output"),
        ("query", ("thing", "what?"), "stricty", "strict"),
        ("transform", ("thing", "twice"), "formats", "format"),
    ],
)
def test_misspelt_option_of_any_verb_is_told(verb, asked, wrong, meant):
    with pytest.raises(TypeError, match=rf"{verb} takes no option '{wrong}'\. Did you mean '{meant}'\?"):
        getattr(session(), verb)(*asked, **{wrong: None})


# What is no backend, and what is no task


def test_class_of_a_backend_is_no_backend():
    with pytest.raises(
        UsageError, match=r"ScriptedBackend is a class.*ScriptedBackend\(\.\.\.\).*'scripted'"
    ):
        start_session(ScriptedBackend)
    with pytest.raises(UsageError, match="is a class"):
        start_session(ScriptedBackend, "model", base_url="http://localhost")
    with pytest.raises(UsageError, match="is a class"):
        start_backend(ScriptedBackend)
    with pytest.raises(UsageError, match="ScriptedBackend is no backend"):
        MelleaSession(ScriptedBackend)


@pytest.mark.parametrize("empty", ["", "  \n"])
def test_empty_task_is_refused_before_anything_is_sent(empty):
    m = session()

    for verb in (m.instruct, m.stream_instruct):
        with pytest.raises(UsageError, match="The task is empty. Say what the model is to do."):
            verb(empty)
    with pytest.raises(UsageError, match="The task is empty"):
        m.instruct("{{what}}", user_variables={"what": " "})
    assert m.backend.calls == 0


def test_task_in_a_prefix_or_a_component_is_one():
    assert session().instruct("", prefix="Say hello.") == "The sea."
    assert session().instruct(Message("user", "Say hello.")) == "The sea."


def test_strategy_by_keyword_still_works():
    result = session().act("x", strategy=RejectionSamplingStrategy(), return_sampling_results=True)

    assert isinstance(result, SamplingResult)
