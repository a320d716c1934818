"""A structured output is read while it is written.

Each value is an instance with the fields that have come so far.
"""

from pydantic import BaseModel

from mellea import ModelOption, start_session
from mellea.stdlib.streaming.partial import partial_objects


class Person(BaseModel):
    """What is looked for in a note."""

    name: str
    age: int
    city: str


NOTE = "Olivia is 34 years old and lives in Lisbon."

with start_session(
    backend="hf",
    model_options={ModelOption.TEMPERATURE: 0, ModelOption.MAX_NEW_TOKENS: 48},
) as m:
    output = m.stream_instruct(
        "Extract the person from this text: {{note}}",
        user_variables={"note": NOTE},
        format=Person,
    )
    for person in partial_objects(output):
        print(sorted(person.model_fields_set), repr(person))
    print("Complete:", output.parsed)
