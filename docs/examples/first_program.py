"""Your first generative program: notes about new colleagues in, a welcome out."""

from collections.abc import Callable

from pydantic import BaseModel

from mellea import (
    MelleaSession,
    ModelOption,
    RejectionSamplingStrategy,
    check,
    generative,
    req,
    simple_validate,
    start_session,
)
from mellea.core import Context
from mellea.stdlib.requirements import avoids, contains, word_count

NOTES = [
    "Olivia is 34 years old and lives in Lisbon.",
    "Kenji is 51 years old and lives in Osaka.",
]


class Person(BaseModel):
    """What a note says of somebody."""

    name: str
    age: int
    city: str


@generative(
    model_options={ModelOption.TEMPERATURE: 0.4},
    strategy=RejectionSamplingStrategy(loop_budget=8),
    strict=True,
)
def person_in(note: str) -> Person:
    """Extract the person from the note."""


def found_in(note: str) -> Callable[[Context], tuple[bool, str]]:
    """Return the check that everything said of a person stands in a note."""

    def everything_is_there(ctx: Context) -> tuple[bool, str]:
        values = [
            str(value) for value in ctx.last_output().parsed.model_dump().values()
        ]
        missing = [value for value in values if not value or value not in note]
        return not missing, f"not in the note: {missing}"

    return everything_is_there


def is_one_sentence(text: str) -> tuple[bool, str]:
    """Tell whether a text is one sentence that came to its end."""
    ends = sum(text.count(mark) for mark in ".!?")
    return ends == 1 and text.rstrip('"')[
        -1:
    ] in ".!?", f"it has {ends} sentence marks and ends with {text[-1:]!r}"


def first_sentence(text: str) -> str:
    """Cut a text behind its first sentence."""
    ends = [text.find(mark) for mark in ".!?" if mark in text]
    return text[: min(ends) + 1] if ends else text


def welcome(m: MelleaSession, name: str) -> str:
    """Write a sentence of welcome; an error, if none of six attempts is good enough."""
    result = m.instruct(
        "Write one friendly sentence that welcomes {{name}} to the design team.",
        user_variables={"name": name},
        requirements=[
            contains(name),
            word_count(at_most=20),
            avoids("excited"),
            req(
                "Write one sentence.",
                simple_validate(is_one_sentence),
                repair=first_sentence,
            ),
        ],
        strategy=RejectionSamplingStrategy(loop_budget=6),
        return_sampling_results=True,
    )
    result.show()
    return result.raise_for_failure().value


def main() -> None:
    """Read the notes, and welcome whoever they are about."""
    options = {
        ModelOption.TEMPERATURE: 0.7,
        ModelOption.SEED: 5,
        ModelOption.MAX_NEW_TOKENS: 32,
    }
    with start_session(backend="hf", model_options=options) as m:
        for note in NOTES:
            person = person_in(
                m,
                note,
                requirements=[check("It is what the note says.", found_in(note))],
            )
            print(f"\n{person!r}\n{welcome(m, person.name)}")


if __name__ == "__main__":
    main()
