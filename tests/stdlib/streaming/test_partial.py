"""Structured output that is read while it is written."""

import asyncio
import enum
import json
from datetime import date
from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, RootModel, model_validator

from mellea.core import ModelOption, OutputParseError, RequirementsNotMetError, ServerError, UsageError
from mellea.core.event_loop import run_sync
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements import check
from mellea.stdlib.streaming import stream
from mellea.stdlib.streaming.partial import GrowingValue, partial_instance, partial_objects
from mellea.testing import ScriptedBackend
from tests.core.gated import GatedBackend
from tests.stdlib.streaming.requirements_of_streams import Without


class Pet(BaseModel):
    name: str
    kind: Literal["cat", "dog"] | None = None


class User(BaseModel):
    name: str
    age: int
    pets: list[Pet] = []


ADA = '{"name": "Ada", "age": 36, "pets": [{"name": "Tom", "kind": "cat"}]}'
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


async def collected(iterable):
    return [value async for value in iterable]


async def begun(pieces, format=None):
    backend = ScriptedBackend([pieces])
    thunk, _ = await backend.generate_from_context(
        "x", SimpleContext(), format=format, model_options={ModelOption.STREAM: True}
    )
    return thunk


def grown(format, *texts):
    value = GrowingValue(format)
    return [changed for text in texts for changed in value.update(text)]


async def test_typed_object_grows_and_ends_validated():
    thunk = await begun(['{"name": "A', 'da", "age": 3', '6, "pets": [{"na', 'me": "Tom"}]', "}"], User)

    values = await collected(partial_objects(thunk))

    assert [(value.name, value.age, [pet.name for pet in value.pets]) for value in values] == [
        ("A", None, []),
        ("Ada", None, []),
        ("Ada", 36, [None]),
        ("Ada", 36, ["Tom"]),
    ]
    assert all(isinstance(value, User) for value in values)
    assert values[-1] == thunk.parsed == User(name="Ada", age=36, pets=[Pet(name="Tom")])


async def test_first_object_comes_before_the_generation_ends():
    backend = GatedBackend('{"name": "Ada", ', last='"age": 36}')
    thunk, _ = await backend.generate_from_context(
        "x", SimpleContext(), format=User, model_options={ModelOption.STREAM: True}
    )

    first = await anext(aiter(partial_objects(thunk)))

    assert first.name == "Ada"
    backend.release.open()
    assert (await thunk.result()).parsed.age == 36


async def test_json_value_grows_where_no_class_is_given():
    thunk = await begun(['{"a": [1, ', "2, 3", "]}"], {"type": "object"})

    assert await collected(partial_objects(thunk)) == [{"a": [1]}, {"a": [1, 2]}, {"a": [1, 2, 3]}]


async def test_format_may_be_given_later():
    assert (await collected(partial_objects(await begun([ADA]), User)))[-1].name == "Ada"


def test_objects_are_read_synchronously():
    thunk = run_sync(begun([ADA], User), starts_only=True)

    assert list(partial_objects(thunk))[-1] == User.model_validate_json(ADA)


def test_computed_output_gives_its_object():
    assert list(partial_objects(ModelOutputThunk(ADA), User)) == [User.model_validate_json(ADA)]


async def test_value_that_stays_the_same_is_given_once():
    thunk = await begun(['{"name"', ': "Ada"', "  ", "\n", "}"], Pet)

    assert [value.name for value in await collected(partial_objects(thunk))] == [None, "Ada"]


async def test_several_readers_see_the_same():
    thunk = await begun(['{"name": ', '"Tom"}'], Pet)

    first, second = await asyncio.gather(collected(partial_objects(thunk)), collected(partial_objects(thunk)))

    assert first == second


async def test_leaving_early_does_not_stop_the_generation():
    thunk = await begun(['{"name": "To', 'm"}'], Pet)

    async for _ in partial_objects(thunk):
        break

    assert (await thunk.result()).parsed == Pet(name="Tom")


@pytest.mark.parametrize(
    "pieces", [[], ["no JSON"], ['{"name": "A'], ['{"name": 3}'], ["[1]"], ['{"name": "A"} {"name": "B"}']]
)
async def test_output_that_does_not_fit_is_our_error_at_the_end(pieces):
    with pytest.raises(OutputParseError, match="Pet"):
        await collected(partial_objects(await begun(pieces, Pet)))


async def test_output_that_is_no_json_is_our_error():
    with pytest.raises(OutputParseError):
        await collected(partial_objects(await begun(["no JSON"])))


async def test_provider_error_reaches_the_reader():
    with pytest.raises(ServerError):
        await collected(partial_objects(await begun(['{"name": "A', ServerError("The server broke.")], Pet)))


def test_format_that_is_none_is_our_error():
    with pytest.raises(UsageError, match="output format"):
        partial_objects(ModelOutputThunk("x"), 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12", []),
        ("12 ", [12]),
        ('{"a": 3', [{}]),
        ('{"a": 3}', [{"a": 3}]),
        ('{"a": "3', [{"a": "3"}]),
        ('{"a": "\\"3', [{"a": '"3'}]),
        ('{"a": 1.5', [{}]),
        ('{"a": tr', [{}]),
        ('{"a": "\\ud83d', [{"a": ""}]),
        ('{"a": "\\ud83d\\ude00', [{"a": "😀"}]),
        ("", []),
    ],
)
def test_what_is_not_certain_yet_is_left_out(text, expected):
    assert grown(None, text) == expected


@settings(deadline=None)
@given(JSON_VALUES, st.booleans())
def test_every_prefix_can_be_read_and_the_whole_is_the_value(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)
    growing = GrowingValue()

    for end in range(len(text)):
        growing.update(text[:end])

    assert GrowingValue().complete(text) == [value]


@settings(deadline=None)
@given(st.lists(st.builds(User, name=st.text(max_size=5), age=st.integers(0, 10**6)), max_size=3))
def test_every_prefix_of_typed_output_gives_objects_of_the_class(users):
    class Users(BaseModel):
        users: list[User]

    text = Users(users=users).model_dump_json()
    values = grown(Users, *(text[:end] for end in range(len(text) + 1)))

    assert all(isinstance(value, Users) for value in values)
    assert all(isinstance(user, User) for value in values for user in value.users or [])
    assert values[-1] == Users(users=users)


def test_fields_that_have_come_are_told_apart_from_defaults():
    value = grown(User, '{"name": "Ada", "pets": [')[0]

    assert value.model_fields_set == {"name", "pets"}
    assert value.age is None


def test_field_is_given_when_it_is_valid_by_itself():
    class Event(BaseModel):
        day: date
        kind: Literal["talk", "walk"]
        note: Annotated[str, Field(min_length=3)]

    assert grown(Event, '{"day": "2026-0')[0].day is None
    assert grown(Event, '{"day": "2026-01-02')[0].day == date(2026, 1, 2)
    assert grown(Event, '{"kind": "tal')[0].kind is None
    assert grown(Event, '{"note": "ab')[0].note is None


def test_aliases_nested_unions_and_mappings_are_read():
    class Colour(enum.Enum):
        RED = "red"

    class Thing(BaseModel):
        size: int = Field(alias="theSize")
        colour: Colour
        best: Pet | None = None
        named: dict[str, Pet] = {}
        either: int | str = 0

    text = '{"theSize": 4, "colour": "red", "either": "x", "best": {"name": "To", "kind": "c'
    value = grown(Thing, text)[0]

    assert (value.size, value.colour, value.best.name, value.best.kind, value.either) == (
        4,
        Colour.RED,
        "To",
        None,
        "x",
    )
    assert grown(Thing, '{"named": {"a": {"name": "T')[0].named["a"].name == "T"


def test_root_model_grows():
    class Names(RootModel[list[str]]):
        pass

    assert grown(Names, '["A", "B')[0].root == ["A", "B"]


def test_value_of_another_shape_gives_no_object():
    assert grown(User, "[1, 2]") == []
    assert partial_instance(User, {"name": {"a": 1}}).name is None


def test_validators_of_the_class_see_only_the_complete_object():
    class Range(BaseModel):
        low: int
        high: int

        @model_validator(mode="after")
        def in_order(self):
            if self.low > self.high:
                raise ValueError("low is above high")
            return self

    assert grown(Range, '{"low": 3, ')[0].low == 3
    with pytest.raises(OutputParseError, match="low is above high"):
        GrowingValue(Range).complete('{"low": 3, "high": 1}')


async def test_stream_gives_its_partial_objects():
    backend = ScriptedBackend([['{"name": "T', 'om"', "}"]])
    streamer = await stream(
        "x", backend, SimpleContext(), format=Pet, requirements=[check("fine", lambda ctx: True)]
    )

    assert [value.name for value in await collected(streamer.partials())] == ["T", "Tom"]
    assert streamer.success


def test_stream_gives_its_partial_objects_synchronously():
    streamer = run_sync(stream("x", ScriptedBackend([[ADA]]), SimpleContext(), format=User), starts_only=True)

    assert list(streamer.partials())[-1] == User.model_validate_json(ADA)


async def test_partial_objects_of_a_withdrawn_attempt_are_replaced_by_those_of_the_next():
    backend = ScriptedBackend([['{"name": "T', 'bad"}'], ['{"name": "Ki', 'm"}']])
    streamer = await stream(
        "x", backend, SimpleContext(), format=Pet, requirements=[Without("bad")], loop_budget=2
    )

    assert [value.name for value in await collected(streamer.partials())] == ["T", "Ki", "Kim"]


async def test_partial_objects_of_a_stopped_stream_end_with_an_error():
    backend = ScriptedBackend([['{"name": "T', 'bad"}']])
    streamer = await stream("x", backend, SimpleContext(), format=Pet, requirements=[Without("bad")])

    with pytest.raises(RequirementsNotMetError, match="bad came"):
        await collected(streamer.partials())


async def test_object_that_fails_a_requirement_is_given_and_is_no_success():
    streamer = await stream(
        "x", ScriptedBackend(['{"name": "Tom"}']), SimpleContext(), format=Pet, requirements=[NEVER]
    )

    assert await collected(streamer.partials()) == [Pet(name="Tom")]
    assert not streamer.success


NEVER = check("never", lambda ctx: False)


async def test_leaving_the_partial_objects_of_a_stream_stops_it():
    backend = GatedBackend('{"name": "T')
    streamer = await stream("x", backend, SimpleContext(), format=Pet)

    async for _ in streamer.partials():
        break

    await backend.stopped.passed()
    assert streamer.mot.cancelled
