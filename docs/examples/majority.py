"""Majority of five: one question, five seeds, and the most frequent answer wins."""

from collections import Counter
from typing import Literal

from pydantic import BaseModel

from mellea import ModelOption, start_session
from mellea.stdlib.sampling import MajorityVotingStrategy


class Capital(BaseModel):
    """What may be answered."""

    city: Literal["Athens", "Madrid", "Paris", "Rome"]


OPTIONS = {
    ModelOption.TEMPERATURE: 0.8,
    ModelOption.SEED: 5,
    ModelOption.MAX_NEW_TOKENS: 16,
}

with start_session(backend="hf", model_options=OPTIONS) as m:
    result = m.instruct(
        "What is the capital of France?",
        format=Capital,
        strategy=MajorityVotingStrategy(number_of_samples=5),
        return_sampling_results=True,
    )

votes = Counter(output.parsed.city for output in result.sample_generations)
print("Votes:", dict(votes.most_common()))
print("Elected:", result.result.parsed.city)
print("Because:", result.why)
