"""Generative programs on a real model: typed, checked, repaired, judged, chosen, and stopped early."""

from pydantic import BaseModel, Field

from mellea import ModelOption, RejectionSamplingStrategy, check, generative, req, simple_validate
from mellea.stdlib.sampling import BestOfNSamplingStrategy, MajorityVotingStrategy


class City(BaseModel, extra="forbid"):
    name: str = Field(max_length=12)
    country: str = Field(max_length=12)


@generative
def find_city(text: str) -> City:
    """Find the city and its country in the text."""


def is_right(city):
    return (city.name.casefold(), city.country.casefold()) == ("paris", "france")


def the_text_says_it(ctx):
    city = ctx.last_output().parsed
    return is_right(city), f"the text says nothing of {city.name} in {city.country}"


def test_extraction_is_judged_by_schema_and_by_content(session):
    result = session.instruct(
        "Paris is in France. Extract the city.",
        format=City,
        requirements=[check("The text says it.", the_text_says_it)],
        strategy=RejectionSamplingStrategy(loop_budget=4),
        model_options={ModelOption.MAX_NEW_TOKENS: 250},
        return_sampling_results=True,
    )

    city = result.result.parsed
    assert isinstance(city, City)
    assert result.success is (is_right(city))
    assert result.success is any(is_right(attempt.output.parsed) for attempt in result.attempts)
    assert result.success or len(result.attempts) == 4


def test_typed_function_gives_the_annotated_type(session):
    city = find_city(session, text="Paris is in France.", model_options={ModelOption.MAX_NEW_TOKENS: 250})

    assert isinstance(city, City)


def test_rejected_instruction_is_accepted_later(session):
    rejected = []

    def another_one(text):
        rejected.append(text)
        return len(rejected) > 1, "that was the first answer"

    result = session.instruct(
        "Name an animal.",
        requirements=[check("It is not the first answer.", simple_validate(another_one))],
        strategy=RejectionSamplingStrategy(loop_budget=4),
        return_sampling_results=True,
    )

    assert result.success
    assert len(result.attempts) == 2
    assert result.attempts[0].results[0][1].reason == "that was the first answer"
    assert str(session.ctx.last_output()) == result.value
    assert len(session.ctx.as_list()) == 2


def test_judge_gives_a_verdict_with_a_reason(session):
    result = session.instruct(
        "Say hello.",
        requirements=[req("The answer is a greeting.")],
        strategy=RejectionSamplingStrategy(),
        return_sampling_results=True,
    )

    ((requirement, verdict),) = result.result_validations
    assert requirement.description == "The answer is a greeting."
    assert verdict.reason
    assert "cannot be read" not in verdict.reason
    assert verdict.usage.completion_tokens > 0
    assert verdict.result is result.success


def test_best_of_four_has_the_highest_reward(session):
    strategy = BestOfNSamplingStrategy(4, reward=lambda text: -len(text))

    result = session.instruct(
        "Name a bird.",
        strategy=strategy,
        model_options={ModelOption.TEMPERATURE: 1.5},
        return_sampling_results=True,
    )

    lengths = [len(str(output)) for output in result.sample_generations]
    assert len(lengths) == 4
    assert len(result.value) == min(lengths)
    assert len(set(map(str, result.sample_generations))) > 1


def test_majority_of_five_returns_the_most_frequent_answer(session):
    def parity(text):
        return len(text) % 2

    strategy = MajorityVotingStrategy(number_of_samples=5, key=parity)

    result = session.instruct(
        "Name a colour.",
        strategy=strategy,
        return_sampling_results=True,
        model_options={ModelOption.MAX_NEW_TOKENS: 8},
    )

    answers = [parity(str(output)) for output in result.sample_generations]
    assert len(answers) == 5
    assert answers.count(parity(result.value)) == max(map(answers.count, answers))
