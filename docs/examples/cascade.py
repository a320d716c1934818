"""A cascade: a fast backend tries first, and the next one only when it fails.

Here the fast one is a script.
"""

from mellea import ModelOption, start_session
from mellea.stdlib.requirements import contains
from mellea.stdlib.sampling import CascadeSamplingStrategy
from mellea.testing import ScriptedBackend

QUESTIONS = {
    "What is the capital of France?": "Paris",
    "What is the capital of Japan?": "Tokyo",
}

fast = ScriptedBackend(["The capital of France is Paris.", "I do not know."])

with start_session(
    backend="hf",
    model_options={ModelOption.TEMPERATURE: 0, ModelOption.MAX_NEW_TOKENS: 16},
) as m:
    cascade = CascadeSamplingStrategy([fast, m.backend])
    for question, city in QUESTIONS.items():
        result = m.instruct(
            question,
            requirements=[contains(city, check_only=True)],
            strategy=cascade,
            return_sampling_results=True,
        )
        print(f"{result}\n  [{result.why}; {result.usage.total_tokens} tokens]")
