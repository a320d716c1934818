"""One budget for all that a call may spend: attempts, lanes, repairs and judges."""

from mellea import ModelOption, RejectionSamplingStrategy, start_session
from mellea.core import Budget
from mellea.stdlib.requirements import matches

NEVER = matches(r"\d+", "Answer with a number alone.").unsteered()
OPTIONS = {
    ModelOption.TEMPERATURE: 0.7,
    ModelOption.SEED: 1,
    ModelOption.MAX_NEW_TOKENS: 8,
}
BUDGETS = (Budget(attempts=2), Budget(tokens=100))

with start_session(backend="hf", model_options=OPTIONS) as m:
    for budget in BUDGETS:
        result = m.instruct(
            "Write one sentence about rain.",
            requirements=[NEVER],
            strategy=RejectionSamplingStrategy(loop_budget=50, budget=budget),
            return_sampling_results=True,
        )
        print(
            f"{len(result.attempts)} attempts, {result.usage.total_tokens} tokens: "
            f"{result.why}"
        )
