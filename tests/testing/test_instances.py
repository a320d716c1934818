"""Minimal instances of schemas, held against pydantic and jsonschema."""

import datetime as dt
import uuid
from decimal import Decimal
from enum import Enum
from typing import Annotated, Literal

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from mellea.core import UsageError
from mellea.stdlib.context import SimpleContext
from mellea.testing import ScriptedBackend, filled, minimal_instance


class Colour(Enum):
    RED = "red"


class Node(BaseModel):
    value: int
    next: "Node | None"
    children: list["Node"]


class Everything(BaseModel):
    name: Annotated[str, Field(min_length=3, max_length=5)]
    code: Annotated[str, Field(pattern=r"^[A-Z]{2,3}$")]
    age: Annotated[int, Field(gt=17, lt=20)]
    share: Annotated[float, Field(gt=0, lt=1)]
    even: Annotated[int, Field(ge=7, multiple_of=4)]
    price: Decimal
    colour: Colour
    kind: Literal["a", "b"]
    day: dt.date
    moment: dt.datetime
    number: uuid.UUID
    either: int | str
    pair: tuple[int, str]
    tags: Annotated[set[str], Field(min_length=3)]
    table: dict[str, int]
    many: Annotated[list[bool], Field(min_length=1)]
    nested: Node
    optional: str = "left out"


def violations(instance, schema):
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(instance)]


def test_instance_fits_every_kind_of_field():
    made = minimal_instance(Everything.model_json_schema())

    assert Everything.model_validate(made)
    assert "optional" not in made


@pytest.mark.parametrize(
    "schema",
    [
        {},
        True,
        {"const": 5},
        {"enum": ["x", 1]},
        {"type": ["null", "string"]},
        {"type": "integer", "minimum": -9, "maximum": -4},
        {"type": "number", "exclusiveMaximum": 0, "exclusiveMinimum": -1},
        {"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True},
        {"type": "array", "prefixItems": [{"type": "null"}], "minItems": 2},
        {"type": "object", "minProperties": 2, "additionalProperties": {"type": "boolean"}},
        {"type": "object", "required": ["a"]},
        {"allOf": [{"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a"]},
                   {"$ref": "#/$defs/b"}],
         "$defs": {"b": {"type": "object", "properties": {"b": {"const": 1}}, "required": ["b"]}}},
        {"allOf": [{"type": "string"}, {"minLength": 4}]},
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        {"type": "object", "properties": {"a": {}}, "oneOf": [{"required": ["a"]}]},
    ],
)  # fmt: skip
def test_instance_fits_plain_json_schemas(schema):
    assert violations(minimal_instance(schema), schema) == []


@given(st.integers(-50, 50), st.integers(0, 20), st.integers(1, 7))
def test_whole_numbers_fit_any_bounds(least, width, step):
    schema = {"type": "integer", "minimum": least, "maximum": least + width + step, "multipleOf": step}

    assert violations(minimal_instance(schema), schema) == []


@given(st.integers(0, 30), st.integers(0, 5))
def test_texts_are_as_short_as_they_may_be(least, more):
    assert len(minimal_instance({"type": "string", "minLength": least, "maxLength": least + more})) == least


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (False, "Nothing fits"),
        ({"type": "string", "pattern": "^[0-9]{3}-[A-Z]$"}, "No simple text"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "No number"),
        ({"$ref": "#/$defs/gone"}, "not in it"),
        ({"anyOf": []}, "no alternatives"),
        (
            {
                "$ref": "#/$defs/a",
                "$defs": {
                    "a": {"type": "object", "required": ["a"], "properties": {"a": {"$ref": "#/$defs/a"}}}
                },
            },
            "without end",
        ),
    ],
)
def test_schema_that_nothing_simple_fits_says_what_to_do(schema, words):
    with pytest.raises(UsageError, match=rf"{words}.*filled\(field=value\)"):
        minimal_instance(schema)


def test_given_values_replace_those_of_the_instance_and_are_not_modified():
    values = {"value": 7}

    made = minimal_instance(Node.model_json_schema(), values)

    assert Node.model_validate(made).value == 7
    assert values == {"value": 7}


def test_values_for_a_schema_without_fields_are_refused():
    with pytest.raises(UsageError, match="no fields"):
        minimal_instance({"type": "integer"}, {"a": 1})


async def test_filled_without_a_schema_says_so():
    thunk, _ = await ScriptedBackend([filled()]).generate_from_context("hi", SimpleContext())

    with pytest.raises(UsageError, match="no schema to fill"):
        await thunk.avalue()
