"""Requirements that a model grades."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellea.core import Capability, Message, ModelOption, ServerError, UsageError
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements import graded, validate_all
from mellea.stdlib.requirements.grades import first_grade
from mellea.testing import ScriptedBackend

CTX = SimpleContext().add(Message("user", "Where is Rome?")).add(ModelOutputThunk("In Italy."))
HELPFUL = graded("How helpful is it?")


def constrained(*grades):
    return ScriptedBackend(list(grades), capabilities=[Capability.JSON_SCHEMA])


def grade(score, reason="It is short."):
    return json.dumps({"reason": reason, "score": score})


class OneAtATime(ScriptedBackend):
    concurrent = False


async def test_grade_is_the_score_and_comes_with_its_reason():
    result = await HELPFUL.validate(constrained(grade(7)), CTX)

    assert (result.result, result.score) == (True, 7.0)
    assert result.reason == "graded 7 of 10: It is short."


async def test_judge_sees_conversation_question_and_answer_and_is_cold():
    judge = constrained(grade(7))

    await HELPFUL.validate(judge, CTX)

    request = judge.requests[0]
    assert [
        said in request.messages[-1].content for said in ("Where is Rome?", "In Italy.", "How helpful is it?")
    ] == [True] * 3
    assert request.options["temperature"] == 0.0
    assert request.schema.json_schema["properties"]["score"]["enum"] == list(range(1, 11))


async def test_options_of_the_call_go_before():
    judge = constrained(grade(7))

    await HELPFUL.validate(judge, CTX, model_options={ModelOption.TEMPERATURE: 0.5})

    assert judge.requests[0].options["temperature"] == 0.5


async def test_tokens_of_the_judge_are_counted():
    result = await HELPFUL.validate(constrained(grade(7)), CTX)

    assert result.usage.total_tokens > 0


async def test_judge_that_cannot_be_constrained_answers_in_words():
    result = await HELPFUL.validate(ScriptedBackend(["8/10, because it is right."]), CTX)

    assert (result.score, result.reason) == (8.0, "graded 8 of 10: 8/10, because it is right.")


@pytest.mark.parametrize("answer", ["What a fine answer.", "11 points", ""])
async def test_words_without_a_grade_score_lowest_and_say_so(answer):
    result = await HELPFUL.validate(ScriptedBackend([answer]), CTX)

    assert (result.result, result.score) == (True, 0.0)
    assert result.reason == f"The judge's grade cannot be read: {json.dumps(answer)}"


@pytest.mark.parametrize(
    "answer", [grade(11), grade(0), grade(True), grade("7"), '{"score": 7}', "[7]", '{"reason": "cu']
)
async def test_json_that_is_no_grade_scores_lowest_and_says_so(answer):
    result = await HELPFUL.validate(constrained(answer), CTX)

    assert result.score == 0.0
    assert result.reason.startswith("The judge's grade cannot be read: ")


@pytest.mark.parametrize(("score", "met"), [(6, False), (7, True), (10, True)])
async def test_lowest_grade_decides(score, met):
    result = await graded("How helpful is it?", at_least=7).validate(constrained(grade(score)), CTX)

    assert result.result is met


async def test_reason_of_a_failure_says_what_is_wanted():
    result = await graded("How kind is it?", scale=5, at_least=4).validate(
        constrained(grade(2, "It is rude.")), CTX
    )

    assert result.reason == "graded 2 of 5, and at least 4 is wanted: It is rude."


async def test_grade_that_cannot_be_read_does_not_meet_a_lowest_grade():
    assert not await graded("How helpful is it?", at_least=1).validate(ScriptedBackend(["good"]), CTX)


async def test_judge_of_its_own_goes_before_the_backend():
    writer, judge = constrained(), constrained(grade(3))

    results = await validate_all([graded("How helpful is it?", judge=judge)], CTX, writer)

    assert results[0].score == 3.0
    assert writer.requests == []


async def test_all_answers_go_into_one_request_where_one_is_worked_on_at_a_time():
    answers = [
        CTX,
        SimpleContext().add(Message("user", "Where is Rome?")).add(ModelOutputThunk("On the Tiber.")),
    ]
    given = json.dumps(
        {"answer_1": {"reason": "right", "score": 8}, "answer_2": {"reason": "exact", "score": 9}}
    )
    judge = OneAtATime([given], capabilities=[Capability.JSON_SCHEMA])

    results = await HELPFUL.grade_all(judge, answers)

    assert [(result.score, result.reason) for result in results] == [
        (8.0, "graded 8 of 10: right"),
        (9.0, "graded 9 of 10: exact"),
    ]
    assert len(judge.requests) == 1
    assert judge.prompts[0].count("Where is Rome?") == 1
    assert [result.usage is None for result in results] == [False, True]


async def test_answers_to_other_questions_go_into_requests_of_their_own():
    other = SimpleContext().add(Message("user", "Where is Oslo?")).add(ModelOutputThunk("In Norway."))
    given = {
        "Oslo": [grade(3)],
        "Rome": [json.dumps({"answer_1": json.loads(grade(4)), "answer_2": json.loads(grade(5))})],
    }
    judge = OneAtATime(given, capabilities=[Capability.JSON_SCHEMA])

    results = await HELPFUL.grade_all(judge, [CTX, other, CTX])

    assert [result.score for result in results] == [4.0, 3.0, 5.0]


async def test_answer_left_out_of_the_grades_scores_lowest():
    judge = OneAtATime(
        [json.dumps({"answer_1": json.loads(grade(4))})], capabilities=[Capability.JSON_SCHEMA]
    )

    results = await HELPFUL.grade_all(judge, [CTX, CTX])

    assert [result.score for result in results] == [4.0, 0.0]


async def test_no_answer_asks_nobody():
    judge = constrained()

    assert await HELPFUL.grade_all(judge, []) == []
    assert judge.requests == []


async def test_judge_that_fails_is_an_error_and_no_grade():
    with pytest.raises(ServerError):
        await HELPFUL.validate(ScriptedBackend([ServerError("The judge broke.")]), CTX)


async def test_grading_without_output_is_our_error():
    with pytest.raises(UsageError, match="no output"):
        await HELPFUL.validate(constrained(), SimpleContext())


def test_question_is_kept_out_of_the_prompt_unless_told_otherwise():
    assert (HELPFUL.check_only, graded("Be helpful.", check_only=False).check_only) == (True, False)


@pytest.mark.parametrize(
    ("description", "numbers"),
    [
        ("", {}),
        ("  ", {}),
        (None, {}),
        ("q", {"scale": 1}),
        ("q", {"scale": 101}),
        ("q", {"scale": True}),
        ("q", {"scale": 2.5}),
        ("q", {"at_least": 0}),
        ("q", {"at_least": 6, "scale": 5}),
        ("q", {"at_least": "7"}),
    ],
)
def test_nothing_to_grade_by_and_numbers_out_of_range_are_our_errors(description, numbers):
    with pytest.raises(UsageError):
        graded(description, **numbers)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("8", 8),
        ("**8**", 8),
        ("8.", 8),
        ("Score: 10/10", 10),
        ("I give it 15, no, 9.", 9),
        ("On a scale of 1-10: 7", 7),
        ("On a 10-point scale, 6", 6),
        ("007", 7),
        ("7.5", None),
        ("-3", None),
        ("0", None),
        ("1,000", None),
        ("v2", None),
        ("none", None),
    ],
)
def test_first_grade_in_words(words, found):
    assert first_grade(words, 10) == found


@given(st.text(), st.integers(2, 100))
def test_grade_in_any_text_is_in_range_or_none(text, scale):
    assert (first_grade(text, scale) or 1) in range(1, scale + 1)


@given(st.integers(1, 100), st.text(alphabet="abc ,!\n"))
def test_grade_that_comes_first_is_read(number, rest):
    assert first_grade(f"{number} {rest} 3", 100) == number


@given(st.integers(min_value=101))
def test_number_of_any_length_beyond_the_scale_is_no_grade(number):
    assert first_grade(str(number), 100) is None


@pytest.mark.parametrize(("bound", "sent"), [(16, 300), (1000, 1000)])
async def test_bound_on_the_length_of_answers_does_not_cut_the_grade(bound, sent):
    judge = ScriptedBackend(["8"], model_options={ModelOption.MAX_NEW_TOKENS: bound})

    await HELPFUL.validate(judge, CTX)

    assert judge.requests[0].options["max_new_tokens"] == sent


async def test_bound_of_the_grading_call_itself_counts():
    judge = ScriptedBackend(["8"], model_options={ModelOption.MAX_NEW_TOKENS: 16})

    await HELPFUL.validate(judge, CTX, model_options={ModelOption.MAX_NEW_TOKENS: 20})

    assert judge.requests[0].options["max_new_tokens"] == 20
