"""Best of n: answers are drawn side by side, and a reward says which is best."""

from mellea import ModelOption, start_session
from mellea.stdlib.requirements import contains
from mellea.stdlib.sampling import BestOfNSamplingStrategy


def brevity(text: str) -> float:
    """Prefer short texts, but none of fewer than five words."""
    words = len(text.split())
    return -float(words) if words >= 5 else -100.0


OPTIONS = {
    ModelOption.TEMPERATURE: 0.8,
    ModelOption.SEED: 1,
    ModelOption.MAX_NEW_TOKENS: 16,
}

with start_session(backend="hf", model_options=OPTIONS) as m:
    result = m.instruct(
        "Write one short sentence about the sea.",
        requirements=[contains("sea")],
        strategy=BestOfNSamplingStrategy(4, reward=brevity),
        return_sampling_results=True,
    )

for number, attempt in enumerate(result.attempts):
    mark = "*" if number == result.result_index else " "
    print(f"{mark} {attempt.score:4g}  met {attempt.met}  {attempt.output}")
print("Chosen, because:", result.why)
