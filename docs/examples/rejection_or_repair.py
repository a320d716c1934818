"""Three ways to go on after a failed attempt, compared on the same task."""

from mellea import ModelOption, RejectionSamplingStrategy, start_session
from mellea.stdlib.requirements import contains, word_count
from mellea.stdlib.sampling import MultiTurnStrategy, RepairTemplateStrategy

STRATEGIES = (RejectionSamplingStrategy, RepairTemplateStrategy, MultiTurnStrategy)
OPTIONS = {
    ModelOption.TEMPERATURE: 0.7,
    ModelOption.SEED: 2,
    ModelOption.MAX_NEW_TOKENS: 16,
}

print(f"{'strategy':30} success  attempts  met  tokens  seconds")
with start_session(backend="hf", model_options=OPTIONS) as m:
    for strategy in STRATEGIES:
        result = m.instruct(
            "Write one sentence about winter.",
            requirements=[contains("snow"), word_count(at_most=12)],
            strategy=strategy(loop_budget=2),
            return_sampling_results=True,
        )
        best, spent = result.chosen, sum(attempt.seconds for attempt in result.attempts)
        print(
            f"{strategy.__name__:30} {result.success!s:7}  {len(result.attempts):8}  "
            f"{best.met}/{len(best.results)}"
            f"  {result.usage.total_tokens:6}  {spent:7.1f}"
        )
