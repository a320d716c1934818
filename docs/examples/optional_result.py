"""A typed function that may return nothing.

A check on its value sees to it that a guess is never taken for an answer.
"""

import re
from collections.abc import Callable

from mellea import (
    MelleaSession,
    ModelOption,
    RejectionSamplingStrategy,
    check,
    generative,
    start_session,
)
from mellea.core import Context, RequirementsNotMetError


@generative(strategy=RejectionSamplingStrategy(loop_budget=3), strict=True)
def pieces_in(text: str) -> int | None:
    """Return how many pieces are ordered, or null if the text does not say."""


def stands_in(text: str) -> Callable[[Context], tuple[bool, str]]:
    """Return the check that a number is one of the text's, if there is one at all."""

    def holds(ctx: Context) -> tuple[bool, str]:
        value = ctx.last_output().parsed
        return value is None or str(value) in re.findall(
            r"\d+", text
        ), f"the value is {value}"

    return holds


def pieces(m: MelleaSession, text: str) -> int | None:
    """Return the number in the text; None where the model finds none or makes it up."""
    try:
        return pieces_in(
            m, text, requirements=[check("The number is in the text.", stands_in(text))]
        )
    except RequirementsNotMetError as error:
        print(f"({len(error.result.attempts)} guesses refused)")
        return None


OPTIONS = {
    ModelOption.TEMPERATURE: 0.6,
    ModelOption.SEED: 2,
    ModelOption.MAX_NEW_TOKENS: 16,
}

with start_session(backend="hf", model_options=OPTIONS) as m:
    for text in ("Please send 12 lamps.", "Do you sell lamps?"):
        print(f"{text} -> {pieces(m, text)}")
