"""Functions as tools: their schemas, and what they take."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from enum import Enum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from mellea.core import ToolArgumentsError, UsageError
from mellea.stdlib.tools import MelleaTool, Tool, as_tools, tool


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int = 9


class Dog(BaseModel):
    kind: Literal["dog"]
    owner: str = Field(description="Who feeds it.")


class Node(BaseModel):
    value: int
    next: Node | None = None


@dataclasses.dataclass
class Place:
    city: str
    country: str = "Italy"


class Unit(Enum):
    C = "celsius"
    F = "fahrenheit"


@tool
def weather(city: str, days: int = 1, unit: Literal["C", "F"] = "C") -> str:
    """Tell the weather.

    As it will be.

    Args:
        city: The city
            to look at.
        days: How many days.
    """
    return f"{city} {days!r} {unit}"


def parameters(function: Any) -> Any:
    return MelleaTool.from_callable(function).as_json_tool["function"]["parameters"]


def takes(annotation: Any, **settings: Any) -> Any:
    def function(x): ...

    function.__annotations__ = {"x": annotation}
    return parameters(function)["properties"]["x"]


def test_schema_says_what_the_function_takes():
    assert weather.as_json_tool == {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Tell the weather.\n\nAs it will be.",
            "parameters": {
                "type": "object",
                "required": ["city"],
                "properties": {
                    "city": {"type": "string", "description": "The city to look at."},
                    "days": {"type": "integer", "description": "How many days.", "default": 1},
                    "unit": {"type": "string", "enum": ["C", "F"], "description": "", "default": "C"},
                },
            },
        },
    }


def test_schema_is_a_new_one_each_time():
    weather.as_json_tool["function"]["parameters"]["properties"].clear()

    assert weather.as_json_tool["function"]["parameters"]["properties"]


NUMPY = """Add.

Parameters
----------
a : int
    The first.
b
    The second.
"""
SPHINX = """Add.

:param a: The first.
:param int b: The second.
:returns: The sum.
"""


@pytest.mark.parametrize("text", [NUMPY, SPHINX])
def test_docstrings_of_other_styles_describe_too(text):
    def add(a: int, b: int) -> int: ...

    add.__doc__ = text
    described = MelleaTool.from_callable(add).as_json_tool["function"]

    assert described["description"] == "Add."
    assert [part["description"] for part in described["parameters"]["properties"].values()] == [
        "The first.",
        "The second.",
    ]


def test_parameter_without_annotation_is_a_text():
    def f(x): ...

    assert parameters(f)["properties"] == {"x": {"type": "string", "description": ""}}


def test_parameter_that_may_be_none_is_not_required_and_is_none_without():
    def f(x: int | None, y: str): ...

    made = MelleaTool.from_callable(f)

    assert made.parameters["required"] == ["y"]
    assert made.parameters["properties"]["x"]["type"] == ["integer", "null"]
    assert made.arguments({"y": "a"}) == {"x": None, "y": "a"}


def test_union_with_a_discriminator_is_one_of_its_branches():
    pet = takes(Annotated[Cat | Dog, Field(discriminator="kind", description="A pet.")])

    assert pet["description"] == "A pet."
    assert [branch["properties"]["kind"]["enum"] for branch in pet["anyOf"]] == [["cat"], ["dog"]]
    assert pet["anyOf"][0]["properties"]["lives"]["default"] == 9
    assert "$ref" not in str(pet)


def test_nested_classes_are_inlined_and_what_stands_beside_them_stays():
    class Trip(BaseModel):
        start: Place = Field(description="Where it begins.")
        stops: list[Place] = []

    def plan(trip: Trip) -> None:
        """Plan.

        Args:
            trip: The trip to plan.
        """

    trip = parameters(plan)["properties"]["trip"]

    assert trip["description"] == "The trip to plan."
    assert trip["properties"]["start"]["description"] == "Where it begins."
    assert trip["properties"]["stops"]["items"]["properties"]["city"] == {"type": "string"}
    assert "$ref" not in str(trip)


def test_recursive_class_keeps_one_definition():
    def f(node: Node): ...

    made = parameters(f)

    assert made["properties"]["node"]["$ref"] == "#/$defs/Node"
    assert list(made["$defs"]) == ["Node"]


def test_enumeration_lists_its_values():
    assert takes(Unit)["enum"] == ["celsius", "fahrenheit"]


def test_asynchronous_function_has_the_schema_of_a_plain_one():
    async def weather(city: str, days: int = 1, unit: Literal["C", "F"] = "C") -> str: ...

    weather.__doc__ = inspect.getdoc(globals()["weather"])

    assert MelleaTool.from_callable(weather).as_json_tool == globals()["weather"].as_json_tool


def test_arguments_become_what_the_function_takes():
    def f(place: Place, pets: list[Cat], unit: Unit, n: float, text: str): ...

    given = {"place": {"city": "Rome"}, "pets": [{"kind": "cat", "lives": "7"}], "unit": "celsius"}
    values = MelleaTool.from_callable(f).arguments({**given, "n": "1.5", "text": 12})

    assert values["place"] == Place("Rome")
    assert values["pets"] == [Cat(kind="cat", lives=7)]
    assert (values["unit"], values["n"], values["text"]) == (Unit.C, 1.5, "12")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "city: it is missing"),
        ({"city": "Rome", "days": "many"}, "days: Input should be a valid integer"),
        ({"city": "Rome", "day": 1}, "day: there is no such argument"),
        ({"city": "Rome", "unit": "K"}, "unit: Input should be 'C' or 'F'"),
        ({1: 2}, "city: it is missing"),
    ],
)
def test_arguments_that_do_not_fit_are_told_in_words(given, said):
    with pytest.raises(ToolArgumentsError, match=said) as caught:
        weather.arguments(given)
    assert str(caught.value).endswith("Correct them and call weather again.")


def test_defaults_are_the_functions_own():
    shared: list[int] = []

    def f(x: int, into: list[int] = shared):
        into.append(x)
        return into

    made = MelleaTool.from_callable(f)

    assert made.run(**made.arguments({"x": 1})) is shared


def test_parameters_by_place_alone_and_further_ones_by_name():
    def f(a: int, /, *rest: int, b: int, **more: int):
        return a, rest, b, more

    made = MelleaTool.from_callable(f)

    assert made.parameters["additionalProperties"] is True
    assert made.run(**made.arguments({"a": "1", "b": "2", "c": "3"})) == (1, (), 2, {"c": 3})


def test_decorated_function_stays_callable():
    assert weather("Rome", days=2) == "Rome 2 C"
    assert (weather.__name__, weather.__doc__) == (
        "weather",
        inspect.getdoc(weather.__wrapped__) and weather.__doc__,
    )
    assert list(inspect.signature(weather).parameters) == ["city", "days", "unit"]


async def test_decorated_coroutine_function_is_awaited():
    @tool(name="twice")
    async def double(x: int) -> int:
        return 2 * x

    assert await double(2) == 4
    assert double.name == "twice"


def test_asynchronous_tool_is_run_to_its_end():
    @tool
    async def fail() -> None:
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        fail.run()


def test_method_is_bound_to_its_object():
    class Account:
        def __init__(self):
            self.balance = 1

        @tool
        def pay(self, amount: int) -> int:
            """Pay in."""
            self.balance += amount
            return self.balance

    account = Account()

    assert account.pay(2) == 3
    assert account.pay.run(**account.pay.arguments({"amount": "4"})) == 7
    assert account.pay.parameters["required"] == ["amount"]
    assert MelleaTool.from_callable(account.pay.__wrapped__).parameters["required"] == ["amount"]


def test_partial_and_callable_object_are_tools():
    class Adder:
        """Adds."""

        def __call__(self, a: int) -> int:
            return a + 1

    partial = MelleaTool.from_callable(functools.partial(weather.__wrapped__, days=3))
    adder = MelleaTool.from_callable(Adder())

    assert (partial.name, partial.run(city="Rome")) == ("weather", "Rome 3 C")
    assert (adder.name, adder.run(**adder.arguments({"a": "1"}))) == ("Adder", 2)


def test_types_that_only_the_defining_function_knows():
    class Local(BaseModel):
        x: int

    @tool
    def f(local: Local) -> int:
        return local.x

    assert f.run(**f.arguments({"local": {"x": "3"}})) == 3


@pytest.mark.parametrize("name", [None, ""])
def test_no_name_means_the_functions_own(name):
    assert MelleaTool.from_callable(weather.__wrapped__, name).name == "weather"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: tool(lambda x: x), "<lambda>"),
        (lambda: MelleaTool.from_callable(weather.__wrapped__, "two words"), "two words"),
        (lambda: tool("weather"), "no function"),
        (lambda: tool(staticmethod(print)), "stands above"),
        (lambda: tool(nmae="x"), "nmae"),
        (lambda: takes(object()), "no type|cannot be written"),
    ],
)
def test_what_is_no_tool_is_refused(make, said):
    with pytest.raises(UsageError, match=said):
        make()


def test_tool_of_three_parts_checks_by_its_schema():
    schema = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}
    made = MelleaTool(
        "add", lambda n: n + 1, {"type": "function", "function": {"name": "add", "parameters": schema}}
    )

    assert made.run(n=1) == 2
    assert made.arguments({"n": "2"}) == {"n": 2}
    with pytest.raises(ToolArgumentsError, match="'n' is a required property"):
        made.arguments({})


def test_what_looks_like_a_tool_is_one():
    class Look:
        name = "look"
        as_json_tool = {"type": "function", "function": {"name": "look"}}  # noqa: RUF012

        def run(self, **given):
            return given

    look = Look()
    made = Tool.of(look)

    assert (made.name, made.source, made.run(a=1)) == ("look", look, {"a": 1})
    assert list(as_tools([look, print])) == ["look", "print"]


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(UsageError, match="Several tools are named weather"):
        as_tools([weather, weather.__wrapped__])


@pytest.mark.parametrize("tools", ["weather", 3, [3], [None]])
def test_what_are_no_tools_is_refused(tools):
    with pytest.raises(UsageError, match="no (list of )?tool"):
        as_tools(tools)


@pytest.mark.parametrize(
    "annotation",
    [str, int, float, bool, list[int], Literal["a", "b"], int | None, str | int | float, None | bool],
)
def test_plain_types_have_the_schema_that_pydantic_gives(annotation):
    generated = TypeAdapter(annotation).json_schema()
    if "anyOf" in generated:
        generated = {"type": [branch["type"] for branch in generated["anyOf"]]}

    assert takes(annotation) == {**generated, "description": ""}
