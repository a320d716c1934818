"""A typed function with a condition before the call and one on its value.

The schema makes the value right in form. What it says is checked by the postcondition:
nothing in it may be made up.
"""

from collections.abc import Callable

from pydantic import BaseModel

from mellea import (
    ModelOption,
    RejectionSamplingStrategy,
    check,
    generative,
    simple_validate,
    start_session,
)
from mellea.core import Context
from mellea.stdlib.components.genstub import PreconditionException


class Person(BaseModel):
    """What is looked for in a note."""

    name: str
    age: int
    city: str


def stands_in(note: str) -> Callable[[Context], tuple[bool, str]]:
    """Return the check that every field of the value can be found in a note."""

    def is_there(ctx: Context) -> tuple[bool, str]:
        person = ctx.last_output().parsed
        made_up = [
            str(value)
            for value in person.model_dump().values()
            if str(value) not in note
        ]
        return (
            not made_up,
            f"not in the note: {', '.join(made_up)}"
            if made_up
            else "everything is in the note",
        )

    return is_there


def has_a_number(arguments: str) -> bool:
    """Tell whether there is a digit in the arguments of the call."""
    return any(character.isdigit() for character in arguments)


@generative(
    precondition_requirements=[
        check("The note has a number.", simple_validate(has_a_number))
    ],
    strategy=RejectionSamplingStrategy(loop_budget=8),
    model_options={
        ModelOption.TEMPERATURE: 0.4,
        ModelOption.SEED: 1,
        ModelOption.MAX_NEW_TOKENS: 48,
    },
    strict=True,
)
def person_in(note: str) -> Person:
    """Extract the person from the note."""


NOTES = [
    "Olivia is 34 years old and lives in Lisbon.",
    "Kenji is 51 years old and lives in Osaka.",
    "Maya lives in Berlin.",
]

with start_session(backend="hf") as m:
    for note in NOTES:
        try:
            person = person_in(
                m, note, requirements=[check("Nothing is made up.", stands_in(note))]
            )
            print(f"{person.name:8} {person.age:3} {person.city}")
        except PreconditionException as error:
            print(error.message)
