"""Return types of typed functions, with every annotation a string: a future import stands in this file."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, Optional, Union

import attrs
import pytest
from pydantic import BaseModel, Field

from mellea.core import OutputParseError, UsageError
from mellea.stdlib.components.genstub import generative
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements import check
from mellea.testing import ScriptedBackend

if TYPE_CHECKING:
    from collections.abc import Hashable as OnlyForTypeCheckers


class Colour(enum.Enum):
    RED = "red"


class Person(BaseModel):
    name: str
    friends: list[Person] = []


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


@attrs.frozen
class Tree:
    """A tree."""

    label: str
    branches: list[Tree] = attrs.field(factory=list)
    _secret: int | None = None


@attrs.define
class Positive:
    model_dump: int = attrs.field(validator=attrs.validators.gt(0))


@attrs.define
class Cat:
    lives: int


@attrs.define
class Dog:
    tricks: list[str]


class Pair(NamedTuple):
    left: int
    right: str


@generative
def as_int(x: str) -> int: ...
@generative
def as_text(x: str) -> str: ...
@generative
def as_optional(x: str) -> Optional[Colour]: ...  # noqa: UP045
@generative
def as_union(x: str) -> Union[int, list[str]]: ...  # noqa: UP007
@generative
def as_literal(x: str) -> Literal["a", 2]: ...
@generative
def as_model(x: str) -> Person: ...
@generative
def as_dataclass(x: str) -> list[Point]: ...
@generative
def as_attrs(x: str) -> Tree: ...
@generative
def as_attrs_mapping(x: str) -> dict[str, Tree | None]: ...
@generative
def as_attrs_union(x: str) -> Cat | Dog: ...
@generative
def as_checked_attrs(x: str) -> Positive: ...
@generative
def as_builtins(x: str) -> tuple[int, set[int], dt.date]: ...
@generative
def as_named_tuple(x: str) -> Pair: ...
@generative
def as_constrained(x: str) -> Annotated[int, Field(ge=1, le=5)]: ...
@generative
def as_anything(x: str): ...
@generative
def as_later(x: str) -> list[Later]: ...


class Later(BaseModel):
    n: int


CASES = [
    (as_int, "3", 3),
    (as_text, '"a \\"quoted\\" text"', 'a "quoted" text'),
    (as_optional, '"red"', Colour.RED),
    (as_optional, "null", None),
    (as_union, "3", 3),
    (as_union, '["a"]', ["a"]),
    (as_literal, "2", 2),
    (
        as_model,
        '{"name": "Ann", "friends": [{"name": "Bo"}]}',
        Person(name="Ann", friends=[Person(name="Bo")]),
    ),
    (as_dataclass, '[{"x": 1}, {"x": 2, "y": 3}]', [Point(1), Point(2, 3)]),
    (as_attrs, '{"label": "a", "branches": [{"label": "b", "secret": 1}]}', Tree("a", [Tree("b", secret=1)])),
    (as_attrs_mapping, '{"k": {"label": "a"}, "n": null}', {"k": Tree("a"), "n": None}),
    (as_attrs_union, '{"tricks": ["sit"]}', Dog(["sit"])),
    (as_attrs_union, '{"lives": 7}', Cat(7)),
    (as_checked_attrs, '{"model_dump": 1}', Positive(1)),
    (as_builtins, '[1, [2, 2], "2026-11-22"]', (1, {2}, dt.date(2026, 11, 22))),
    (as_named_tuple, '[1, "b"]', Pair(1, "b")),
    (as_constrained, "5", 5),
    (as_anything, '{"free": [1]}', {"free": [1]}),
    (as_later, '[{"n": 1}]', [Later(n=1)]),
]


@pytest.mark.parametrize(("function", "answer", "value"), CASES)
def test_answer_is_read_as_the_annotated_type(function, answer, value):
    result, _ = function(SimpleContext(), ScriptedBackend(f'{{"result": {answer}}}'), "x")

    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(("function", "answer", "value"), CASES)
def test_check_sees_the_typed_value(function, answer, value):
    """A text, of all types, was read as JSON once more."""
    seen = []
    look = check("look", lambda ctx: seen.append(ctx.last_output().parsed) or True)

    function(SimpleContext(), ScriptedBackend(f'{{"result": {answer}}}'), "x", requirements=[look])

    assert seen == [value]


@pytest.mark.parametrize(
    ("function", "answer"),
    [
        (as_int, '"three"'),
        (as_literal, '"b"'),
        (as_model, '{"friends": []}'),
        (as_attrs, '{"label": "a", "leaves": 3}'),
        (as_checked_attrs, '{"model_dump": 0}'),
        (as_constrained, "6"),
    ],
)
def test_answer_of_another_type_is_a_failed_attempt(function, answer):
    backend = ScriptedBackend(f'{{"result": {answer}}}')

    with pytest.raises(OutputParseError, match="in 2 attempts"):
        function(SimpleContext(), backend, "x")


def test_prompt_shows_annotations_without_quotes():
    """Issue 1503: a future import turned them into quoted texts."""
    backend = ScriptedBackend('{"result": null}')

    as_optional(SimpleContext(), backend, "x")

    assert "def as_optional(x: str) -> Colour | None:" in backend.requests[0].messages[-1].content
    assert "x (str): x" in backend.requests[0].messages[-1].content


def test_local_types_are_found():
    class Local(BaseModel):
        n: int

    @generative
    def local(x: str) -> Local:
        """Make one."""

    value, _ = local(SimpleContext(), ScriptedBackend('{"result": {"n": 1}}'), "x")

    assert value == Local(n=1)


def test_local_types_are_found_below_settings():
    class Local(BaseModel):
        n: int

    @generative(requirements=[])
    def local(x: str) -> Local:
        """Make one."""

    value, _ = local(SimpleContext(), ScriptedBackend('{"result": {"n": 1}}'), "x")

    assert value == Local(n=1)


def test_name_that_never_comes_to_exist_is_our_error_before_the_first_request():
    @generative
    def lost(x: str) -> Nowhere:  # noqa: F821
        """Make one."""

    backend = ScriptedBackend("{}")

    with pytest.raises(UsageError, match=r"lost cannot be resolved: name 'Nowhere'.*TYPE_CHECKING"):
        lost(SimpleContext(), backend, "x")
    assert backend.requests == []


def test_name_for_type_checkers_only_is_our_error_before_the_first_request():
    @generative
    def lost(x: OnlyForTypeCheckers) -> str:
        """Make one."""

    with pytest.raises(UsageError, match="OnlyForTypeCheckers"):
        lost(SimpleContext(), ScriptedBackend("{}"), "x")


def test_annotation_that_is_no_type_is_our_error_at_definition():
    with pytest.raises(UsageError, match="is no type"):

        @generative
        def wrong(x: str) -> "not a type": ...  # noqa: F722


def test_type_that_cannot_be_json_is_our_error_at_definition():
    with pytest.raises(UsageError, match=r"wrong returns ScriptedBackend.*cannot be written as JSON"):

        @generative
        def wrong(x: str) -> ScriptedBackend: ...


class NeedsMore:
    """A type as pydantic's ``EmailStr``, which wants another library."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source, handler):
        raise ImportError("email-validator is not installed, run `pip install 'pydantic[email]'`")


def test_type_whose_library_is_missing_is_our_error_with_its_remedy():
    with pytest.raises(UsageError, match=r"wrong returns NeedsMore.*pip install"):

        @generative
        def wrong(x: str) -> NeedsMore: ...


def test_many_faults_of_one_answer_are_told_in_one_line():
    many = ",".join('{"y": "no"}' for _ in range(9))
    with pytest.raises(OutputParseError) as caught:
        as_dataclass(SimpleContext(), ScriptedBackend(f'{{"result": [{many}]}}'), "x")

    assert "and 13 more" in str(caught.value)
    assert "\n" not in str(caught.value)
