"""Typed output: a pydantic class says what the model can write at all."""

from pydantic import BaseModel

from mellea import start_session


class Person(BaseModel):
    """What is looked for in a note."""

    name: str
    age: int
    city: str


NOTES = [
    "Olivia is 34 years old and lives in Lisbon.",
    "Kenji is 51 years old and lives in Osaka.",
]

with start_session(backend="hf") as m:
    for note in NOTES:
        # The note is data: {{braces}} in it would not be read as a template.
        output = m.instruct(
            "Extract the person from this text: {{note}}",
            user_variables={"note": note},
            format=Person,
        )
        person = output.parsed  # a Person, for the type checker too
        print(f"{person.name:8} {person.age:3} {person.city}")
