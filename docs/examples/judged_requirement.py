"""A requirement in words is judged by a model.

It sees the conversation and the answer, and gives a verdict with a reason.
"""

from mellea import ModelOption, start_session
from mellea.stdlib.requirements import word_count

with start_session(backend="hf", model_options={ModelOption.MAX_NEW_TOKENS: 30}) as m:
    result = m.instruct(
        "Write one sentence about the sea.",
        requirements=[
            # Costs nothing, so it is checked first; when it fails, no judge is asked.
            word_count(at_most=40),
            "The answer is about the sea.",
        ],
        return_sampling_results=True,
        model_options={ModelOption.TEMPERATURE: 0},
    )
    result.show()

    # The same judge, asked about a text that no model wrote.
    verdict = m.validate(
        "The answer is a number.", output="Forty-two", input="How many?"
    )[0]
    print(f"met: {verdict.result}, because: {verdict.reason}")
    print(f"spent: {verdict.usage.total_tokens} tokens, {verdict.seconds:.1f} s")
