"""Voting: majority, minimum Bayes risk, weights, formats."""

import asyncio
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from mellea.core import Budget, Capability, CBlock, ModelOption, RateLimitError, UsageError, ValidationResult
from mellea.core.errors import ProviderError
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements import check, req, simple_validate
from mellea.stdlib.sampling import (
    MajorityVotingStrategy,
    MajorityVotingStrategyForMath,
    MBRDRougeLStrategy,
    MBRSamplingStrategy,
)
from mellea.stdlib.sampling._math_answers import as_number, final_answer, same_number
from mellea.stdlib.sampling._rouge import common_length, rouge_l
from mellea.testing import ScriptedBackend


async def vote(strategy, answers, requirements=(), **kwargs):
    backend = ScriptedBackend(answers, capabilities=[Capability.SEED, Capability.JSON_SCHEMA])
    return await strategy.sample(CBlock("ask"), SimpleContext(), backend, requirements, **kwargs), backend


async def test_majority_returns_the_most_frequent_answer():
    result, _ = await vote(
        MajorityVotingStrategy(number_of_samples=5), ["Rome", "Paris", " paris. ", "Oslo", "PARIS"]
    )

    assert result.value == "Paris"
    assert result.why == "3 of 5 answers agree on it, which makes 3 of 5 votes"
    assert len(result.attempts) == 5


async def test_majority_by_a_key_of_ones_own():
    strategy = MajorityVotingStrategy(number_of_samples=3, key=lambda text: re.search(r"\d+", text).group())

    result, _ = await vote(strategy, ["I think 4", "5", "It is 5"])

    assert result.value == "5"


async def test_answers_that_the_key_cannot_read_agree_with_none():
    strategy = MajorityVotingStrategy(number_of_samples=3, key=int)

    result, _ = await vote(strategy, ["who knows", "who knows", "5"])

    assert "2 of them could not be read" in result.why


async def test_answer_that_can_be_read_goes_before_one_that_cannot():
    strategy = MajorityVotingStrategy(number_of_samples=3, key=int)

    result, _ = await vote(strategy, ["who knows", "I do not", "5"])

    assert result.value == "5"


async def test_equal_votes_go_to_the_lower_lane():
    result, _ = await vote(MajorityVotingStrategy(number_of_samples=4), ["b", "a", "a", "b"])

    assert result.value == "b"
    assert result.chosen.lane == 0


async def test_every_lane_draws_with_a_seed_of_its_own():
    """With one seed for all lanes each would draw the same text."""
    _, backend = await vote(
        MajorityVotingStrategy(number_of_samples=4), "x", model_options={ModelOption.SEED: 1}
    )

    assert len({request.options["seed"] for request in backend.requests}) == 4


async def test_format_reaches_the_backend_and_votes_count_by_value():
    """Two spellings of one value are one candidate."""

    class Point(BaseModel):
        x: int
        y: int

    answers = ['{"x": 1, "y": 2}', '{"x": 3, "y": 4}', '{"y": 4, "x": 3}']

    result, backend = await vote(MajorityVotingStrategy(number_of_samples=3), answers, format=Point)

    assert result.result.parsed == Point(x=3, y=4)
    assert {request.schema.name for request in backend.requests} == {"Point"}


async def test_weighted_votes_weigh_as_much_as_scores():
    scored = check(
        "scored", lambda ctx: ValidationResult(True, score={"a": 0.1, "b": 0.9}[str(ctx.last_output())])
    )

    plain, _ = await vote(MajorityVotingStrategy(number_of_samples=3), ["a", "a", "b"], [scored])
    weighted, _ = await vote(
        MajorityVotingStrategy(number_of_samples=3, weighted=True), ["a", "a", "b"], [scored]
    )

    assert (plain.value, weighted.value) == ("a", "b")
    assert "votes weigh as much as their scores" in weighted.why


async def test_weights_may_come_from_a_reward():
    strategy = MajorityVotingStrategy(number_of_samples=3, weighted=True, reward=lambda text: len(text) ** 3)

    result, _ = await vote(strategy, ["a", "a", "bb"])

    assert result.value == "bb"


async def test_weights_without_any_score_are_told():
    result, _ = await vote(MajorityVotingStrategy(number_of_samples=3, weighted=True), ["a", "a", "b"])

    assert result.value == "a"
    assert "no answer has a score" in result.why


async def test_only_answers_that_meet_the_most_requirements_are_elected():
    short = req("Short.", simple_validate(lambda text: len(text) < 4))

    result, _ = await vote(
        MajorityVotingStrategy(number_of_samples=3), ["long answer", "long answer", "ok"], [short]
    )

    assert (result.value, result.success) == ("ok", True)
    assert "2 that meet fewer requirements did not vote" in result.why


async def test_lanes_may_repair_before_they_vote():
    short = req("Short.", simple_validate(lambda text: len(text) < 4))
    strategy = MajorityVotingStrategy(number_of_samples=2, loop_budget=2, concurrency_budget=1)

    result, _ = await vote(strategy, ["long answer", "ok", "ok"], [short])

    assert (result.value, len(result.attempts)) == ("ok", 3)
    assert result.why.startswith("2 of 2 answers agree")


async def test_lane_that_fails_does_not_vote():
    result, _ = await vote(
        MajorityVotingStrategy(number_of_samples=3), ["a", RateLimitError("slow down"), "a"]
    )

    assert result.value == "a"
    assert "slow down" in result.why


async def test_failure_of_all_lanes_is_the_providers_error():
    with pytest.raises(ProviderError):
        await vote(MajorityVotingStrategy(number_of_samples=2), [RateLimitError("a"), RateLimitError("b")])


async def test_budget_bounds_the_votes():
    result, backend = await vote(MajorityVotingStrategy(number_of_samples=8), "a", budget=Budget(attempts=3))

    assert len(result.attempts) == len(backend.requests) == 3


@pytest.mark.parametrize("wrong", [0, -1, "3"])
def test_number_of_samples_that_is_none_is_our_error(wrong):
    with pytest.raises(UsageError, match="number_of_samples"):
        MajorityVotingStrategy(number_of_samples=wrong)


async def test_rouge_elects_the_text_most_like_the_others():
    texts = ["the cat sat on the mat", "my dog ran off", "the cat sat on a mat", "the cat lay on the mat"]

    result, _ = await vote(MBRDRougeLStrategy(number_of_samples=4), texts)

    assert result.value == "the cat sat on the mat"
    assert "most like the others" in result.why


async def test_any_similarity_may_vote_asynchronously():
    async def same_length(one, other):
        await asyncio.sleep(0)
        return 1.0 if len(one) == len(other) else 0.0

    result, _ = await vote(MBRSamplingStrategy(same_length, number_of_samples=3), ["a", "bb", "cc"])

    assert result.value == "bb"


async def test_embeddings_vote_by_their_cosine():
    vectors = {"north": [0.0, 1.0], "up": [0.1, 1.0], "east": [1.0, 0.0]}
    calls = []

    def embed(texts):
        calls.append(texts)
        return [vectors[text] for text in texts]

    result, _ = await vote(MBRSamplingStrategy(embed=embed, number_of_samples=3), ["east", "north", "up"])

    assert result.value == "up"
    assert len(calls) == 1


def test_similarity_and_embedding_exclude_each_other():
    with pytest.raises(UsageError, match="either similarity or embed"):
        MBRSamplingStrategy()


async def test_one_answer_is_elected_by_itself():
    result, _ = await vote(MBRSamplingStrategy(lambda one, other: 0.5, number_of_samples=1), "alone")

    assert result.value == "alone"


def naive_common_length(first, second):
    table = [[0] * (len(second) + 1) for _ in range(len(first) + 1)]
    for i, x in enumerate(first):
        for j, y in enumerate(second):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    return table[-1][-1]


@given(st.text("abc", max_size=40), st.text("abc", max_size=40))
def test_common_length_is_that_of_the_textbook(first, second):
    assert common_length(first, second) == naive_common_length(first, second)


@given(st.text(max_size=60), st.text(max_size=60))
def test_rouge_is_symmetric_and_bounded(first, second):
    assert 0.0 <= rouge_l(first, second) == rouge_l(second, first) <= 1.0
    assert rouge_l(first, first) == 1.0


def test_rouge_of_a_known_pair():
    assert rouge_l("police killed the gunman", "police kill the gunman") == pytest.approx(0.75)


async def test_mathematically_equal_answers_are_one():
    answers = [
        r"So we get \boxed{\frac{1}{2}}.",
        "The answer is 0.5",
        "The answer is 2",
        "The final answer is: $50\\%$",
    ]

    result, _ = await vote(MajorityVotingStrategyForMath(number_of_samples=4), answers)

    assert result.value == answers[0]
    assert result.why.startswith("3 of 4 answers agree on it")


async def test_numbers_are_compared_to_the_digits_asked_for():
    answers = ["2", "3.1416", "3.14159"]

    fine, _ = await vote(MajorityVotingStrategyForMath(number_of_samples=3), answers)
    coarse, _ = await vote(MajorityVotingStrategyForMath(number_of_samples=3, float_rounding=2), answers)

    assert (fine.value, coarse.value) == ("2", "3.1416")


@pytest.fixture
def without_math_verify(monkeypatch):
    monkeypatch.setitem(sys.modules, "math_verify", None)


@pytest.mark.usefixtures("without_math_verify")
async def test_symbolic_answers_count_as_text_without_the_extra_and_the_result_says_so():
    result, _ = await vote(
        MajorityVotingStrategyForMath(number_of_samples=3), [r"\boxed{x+1}", r"\boxed{y}", r"\boxed{x + 1}"]
    )

    assert result.value == r"\boxed{x+1}"
    assert 'pip install "mellea-core[math]"' in result.why


@pytest.mark.usefixtures("without_math_verify")
@pytest.mark.parametrize("setting", [{"strict": False}, {"allow_set_relation_comp": True}])
def test_setting_that_needs_the_extra_names_it(setting):
    with pytest.raises(UsageError, match=r"mellea-core\[math\]"):
        MajorityVotingStrategyForMath(**setting)


async def test_symbolic_answers_are_compared_by_computer_algebra():
    answers = [r"\boxed{x^2-1}", r"\boxed{y}", r"\boxed{(x+1)(x-1)}"]

    result, _ = await vote(MajorityVotingStrategyForMath(number_of_samples=3), answers)

    assert result.value == answers[0]
    assert result.why.startswith("2 of 3 answers agree on it")


async def test_comparison_that_takes_too_long_is_ended_and_told():
    strategy = MajorityVotingStrategyForMath(number_of_samples=2, timeout=0.001)

    result, _ = await vote(strategy, [r"\boxed{x+1}", r"\boxed{1+x}"])

    assert "took too long" in result.why


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("42", 42),
        ("#### 72", 72),
        ("so x = 3 and the total is $1,234.50.", 1234.5),
        (r"Thus \boxed{\frac{3}{4}}", 0.75),
        (r"\boxed{12\text{ cm}}", 12),
        (r"$\frac{\sqrt{4}}{8}$", 0.25),
        ("**7**", 7),
        ("3 apples plus 4 apples makes 7 apples.", 7),
        ("The answer is 2^{10}.", 1024),
        ("-3", -3),
        ("007", 7),
        ("25%", 0.25),
    ],
)
def test_final_answer_as_a_number(text, number):
    assert as_number(final_answer(text)) == number


@pytest.mark.parametrize(
    "text",
    [
        "x+1",
        "9^9^9^9",
        "(((9^64)^64)^64)^64",
        "1/0",
        "__import__('os')",
        "",
        "[1]",
        "(1,2)",
        "9" * 300,
        "(" * 150,
    ],
)
def test_what_is_no_number_is_none(text):
    assert as_number(text) is None


@given(st.text(max_size=80))
def test_any_text_has_a_final_answer(text):
    answer = final_answer(text)

    assert isinstance(answer, str)
    assert as_number(answer) is None or same_number(as_number(answer), as_number(answer), 6)


@given(st.fractions(max_denominator=10**6))
def test_a_fraction_is_read_back(fraction):
    assert as_number(rf"\frac{{{fraction.numerator}}}{{{fraction.denominator}}}") == fraction


@pytest.mark.parametrize(
    "text",
    [
        "x" + " " * 200_000 + "y",
        "answer" + "\n" * 200_000,
        "answer" + " " * 200_000,
        "$" * 200_000 + "x",
        "x" + "$" * 200_000 + "y",
        "#" * 200_000,
        "1" * 200_000 + "x",
        "1/" + " " * 200_000 + "x",
        "\\boxed{" * 50_000,
        "-" * 200_000,
    ],
    ids=[
        "spaces",
        "lines",
        "blank",
        "dollars",
        "inner dollars",
        "marks",
        "digits",
        "fraction",
        "boxes",
        "signs",
    ],
)
def test_hostile_text_is_searched_for_an_answer_in_linear_time(text):
    assert as_number(final_answer(text)) is None


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("$x$", "x"),
        ("\\(x\\).", "x"),
        ("**\\[ 3 \\]**", "3"),
        ("$$5$$;", "5"),
        ("`7`", "7"),
        ("The answer is\n 4.", "4"),
        ("#### 12", "12"),
    ],
)
def test_answer_is_taken_out_of_its_frame(text, answer):
    assert final_answer(text) == answer
