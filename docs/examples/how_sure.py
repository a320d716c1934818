"""How sure a model is of its answer, read from the log-probabilities of its tokens."""

from math import exp

from mellea import ModelOption, start_session

OPTIONS = {ModelOption.MAX_NEW_TOKENS: 1, ModelOption.LOGPROBS: 3}


def sureness(m, question: str) -> tuple[str, float]:
    """Return the first token of an answer, and how likely it was."""
    thunk = m.instruct(question, strategy=None, model_options=OPTIONS)
    (first,) = thunk.generation.logprobs
    for other in first.alternatives:
        print(f"  {other.token!r:12} {other.probability:.2f}")
    return first.token, exp(first.logprob)


with start_session(backend="hf") as m:
    for question in ("The capital of France is", "The best colour is"):
        token, probability = sureness(m, f"Go on with one word: {question}")
        print(f"{question}: {token!r}, {probability:.0%} sure")
