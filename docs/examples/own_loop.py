"""The loop with its state made explicit.

The verbs take a context and a backend, and return a result and a new context.
"""

from mellea import (
    ChatContext,
    ModelOption,
    RejectionSamplingStrategy,
    mfuncs,
    start_backend,
)
from mellea.stdlib.requirements import contains, word_count

options = {ModelOption.TEMPERATURE: 0, ModelOption.MAX_NEW_TOKENS: 24}
start, backend = start_backend("hf", ctx=ChatContext(), model_options=options)

with backend:
    result, france = mfuncs.instruct(
        "What is the capital of {{country}}?",
        start,
        backend,
        user_variables={"country": "France"},
        requirements=[contains("Paris", check_only=True)],
        strategy=RejectionSamplingStrategy(loop_budget=2),
        return_sampling_results=True,
    )
    print(result, f"[{len(result.attempts)} attempt]")

    # Validating is a verb too: it changes no context.
    for verdict in mfuncs.validate(
        [contains("France"), word_count(at_most=4)], france, backend
    ):
        print(verdict.result, "-", verdict.reason)

    # Two ways to go on from one context; neither knows of the other.
    river, _ = mfuncs.chat("Which river flows through it?", france, backend)
    language, _ = mfuncs.chat("What language do people speak there?", france, backend)
    print(river.content, language.content, sep="\n")

print(
    f"{len(start.as_list())} spans at the start, "
    f"{len(france.as_list())} after the instruction"
)
