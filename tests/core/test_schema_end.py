"""Schemas that nothing can fit, because every value needs another one, are refused when they are named."""

from __future__ import annotations

import pytest
from pydantic import BaseModel

from mellea import generative
from mellea.core import Capability, OutputSchema, UsageError
from mellea.stdlib.session import MelleaSession
from mellea.testing import ScriptedBackend


class Endless(BaseModel):
    again: Endless


class Tree(BaseModel):
    value: int
    kids: list[Tree]


def node(**properties):
    return {"type": "object", "properties": properties, "required": list(properties)}


def schema(**definitions):
    return {"$ref": f"#/$defs/{next(iter(definitions))}", "$defs": definitions}


def to(name):
    return {"$ref": f"#/$defs/{name}"}


ENDLESS = [
    schema(A=node(a=to("A"))),
    schema(A=to("A")),
    schema(A=node(b=to("B")), B=node(a=to("A"))),
    schema(A={"type": "array", "items": to("A"), "minItems": 1}),
    schema(A={"type": "array", "prefixItems": [{"type": "integer"}, to("A")], "minItems": 2}),
    schema(A=node(a={"anyOf": [to("A"), node(b=to("A"))]})),
    schema(A={"allOf": [node(x={"type": "integer"}), node(a=to("A"))]}),
    schema(
        A={
            "type": ["object", "array"],
            "properties": {"a": to("A")},
            "required": ["a"],
            "items": to("A"),
            "minItems": 1,
        }
    ),
    node(a={"$ref": "#"}),
]
ENDING = [
    schema(A=node(a={"anyOf": [to("A"), {"type": "null"}]})),
    schema(A={"type": "object", "properties": {"a": to("A")}}),
    schema(A={"type": "array", "items": to("A")}),
    schema(A={"type": "array", "prefixItems": [{"type": "integer"}, to("A")], "minItems": 1}),
    schema(A={**node(a=to("A")), "type": ["object", "null"]}),
    schema(A={**to("A"), "enum": [1]}),
    schema(A=node(b=to("B")), B={"const": 1}),
    {"$ref": "https://example.com/schema"},
    {"$ref": "#/$defs/missing"},
    {"$ref": 5, "required": "x", "minItems": "y", "type": "array", "anyOf": {}},
    {"type": "object", "required": ["a"]},
    {},
]  # fmt: skip


@pytest.mark.parametrize("endless", [*ENDLESS, Endless])
def test_schema_that_must_recurse_for_ever_is_refused(endless):
    with pytest.raises(UsageError, match="comes to an end: #.* needs itself"):
        OutputSchema.of(endless)


@pytest.mark.parametrize("ending", [*ENDING, Tree])
def test_schema_with_a_way_out_is_taken(ending):
    assert OutputSchema.of(ending)


def test_schema_that_requires_what_it_forbids_is_refused():
    with pytest.raises(UsageError, match="requires what it forbids"):
        OutputSchema.of({"type": "object", "properties": {"a": False}, "required": ["a"]})


def nested(levels):
    schema = {"type": "integer"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


def test_deep_schema_is_refused():
    with pytest.raises(UsageError, match="more than 100 levels deep"):
        OutputSchema.of(nested(20_000))


def test_schema_within_itself_is_refused():
    within: dict[str, object] = {"type": "array"}
    within["items"] = within

    with pytest.raises(UsageError, match="more than 100 levels deep"):
        OutputSchema.of(within)


def test_schema_of_many_equal_parts_is_looked_at_once_a_level():
    part: dict[str, object] = {"type": "integer"}
    for _ in range(45):
        part = {"anyOf": [part, part]}

    assert OutputSchema.of(part)


def test_deep_schema_can_be_used_up_to_the_bound():
    assert OutputSchema.of(nested(95)).parse("[" * 95 + "]" * 95)


def test_typed_function_that_never_ends_is_refused_where_it_is_defined():
    def again() -> Endless:
        """Never end."""

    with pytest.raises(UsageError, match="Endless needs itself"):
        generative(again)


@pytest.mark.parametrize("refused", [Endless, nested(999)])
def test_nothing_is_sent_for_a_schema_that_is_refused(refused):
    backend = ScriptedBackend("{}", capabilities=[Capability.JSON_SCHEMA])

    with MelleaSession(backend) as m, pytest.raises(UsageError):
        m.chat("x", format=refused)

    assert backend.requests == []
