"""Instruct, validate, repair: each attempt is checked against what the task states."""

from mellea import ModelOption, RejectionSamplingStrategy, start_session
from mellea.stdlib.requirements import avoids, contains, word_count

OPTIONS = {
    ModelOption.TEMPERATURE: 0.7,
    ModelOption.SEED: 5,
    ModelOption.MAX_NEW_TOKENS: 24,
}

with start_session(backend="hf", model_options=OPTIONS) as m:
    result = m.instruct(
        "Write one friendly sentence that welcomes {{name}} to the {{team}} team.",
        user_variables={"name": "Olivia", "team": "design"},
        requirements=[contains("Olivia"), word_count(at_most=16), avoids("excited")],
        strategy=RejectionSamplingStrategy(loop_budget=4),
        return_sampling_results=True,
    )

print(result)
print(result.table())
print(repr(result))
