"""When no attempt is good enough: the best one or, in strict mode, an error."""

from mellea import ModelOption, start_session
from mellea.core import RequirementsNotMetError
from mellea.stdlib.requirements import matches, word_count

NUMBER = matches(r"\d+", "Answer with a number alone.").unsteered()
IMPOSSIBLE = [word_count(at_most=30), NUMBER]
OPTIONS = {
    ModelOption.TEMPERATURE: 0.7,
    ModelOption.SEED: 1,
    ModelOption.MAX_NEW_TOKENS: 10,
}

with start_session(backend="hf", model_options=OPTIONS) as m:
    result = m.instruct(
        "Write one sentence about rain.",
        requirements=IMPOSSIBLE,
        return_sampling_results=True,
    )
    print(
        f"success: {result.success}, "
        f"the best meets {result.chosen.met} of {len(IMPOSSIBLE)} requirements"
    )
    print("lacks:", result.chosen.failures()[0][0])

    before = m.ctx
    try:
        m.instruct(
            "Write one sentence about rain.", requirements=IMPOSSIBLE, strict=True
        )
    except RequirementsNotMetError as error:
        print(f"{type(error).__name__}: {error.message}\n  -> {error.hint}")
        print(
            f"It has {len(error.result.attempts)} attempts; "
            f"the session is as it was: {m.ctx is before}"
        )
