"""Return types of many kinds, with what becomes of their schemas in each dialect."""

import datetime as dt
import decimal
import enum
import ipaddress
import pathlib
import re
import typing
import uuid
from collections import Counter, OrderedDict, deque
from typing import Annotated, Any, Literal, NamedTuple, NotRequired

import pydantic
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Street(BaseModel):
    name: str


class Described(BaseModel):
    street: Street = Field(description="where it stands")
    floor: int = 1


class NamedAsKeywords(BaseModel):
    properties: list[int]
    default: str
    required: bool
    ref: str = Field(alias="$ref")
    items: int
    type: str
    additional_properties: int = Field(0, alias="additionalProperties")
    const: None = None
    enum: list[str] = []
    prefix_items: str = Field("", alias="prefixItems")


class Node(BaseModel):
    value: int
    children: list["Node"] = []


class Chain(BaseModel):
    next: "Chain | None" = Field(None, description="what follows")


class Left(BaseModel):
    right: "Right | None" = Field(description="to the right")


class Right(BaseModel):
    left: Left = Field(description="to the left")


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str


class Empty(BaseModel):
    pass


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    tricks: list[str]


class Pet(BaseModel):
    pet: Cat | Dog = Field(discriminator="kind")


class Bounds(BaseModel):
    age: int = Field(ge=0, lt=150)
    share: float = Field(gt=0, le=1)
    step: int = Field(multiple_of=5)
    name: str = Field(min_length=1, max_length=20)
    code: str = Field(pattern=r"^\d{3}-\w+$")
    tags: list[str] = Field(min_length=1, max_length=3)


class Login(BaseModel):
    user: str = Field(max_length=12)
    word: pydantic.SecretStr = Field(max_length=12)


class Point(NamedTuple):
    x: int
    y: int


class Movie(TypedDict):
    title: str
    year: NotRequired[int]


@pydantic.dataclasses.dataclass
class Rectangle:
    width: int
    height: int = 1


class Long(BaseModel):
    text: str = Field(max_length=5000)


T = typing.TypeVar("T")


class Box(BaseModel, typing.Generic[T]):
    content: T


TYPES = {
    # name: (type, whether strict mode takes it, what llama.cpp cannot be told, what llguidance cannot be)
    "str": (str, True, [], []),
    "int": (int, True, [], []),
    "float": (float, True, [], []),
    "bool": (bool, True, [], []),
    "None": (None, True, [], []),
    "int | None": (int | None, True, [], []),
    "int | str | None": (int | str | None, True, [], []),
    "Literal": (Literal["größe", "color"], True, [], []),
    "Literal of one": (Literal["only"], True, [], []),
    "Literal of many kinds": (Literal["a", 1, True] | None, True, [], []),
    "Enum": (Color, True, [], []),
    "IntEnum": (Level, True, [], []),
    "list[int]": (list[int], True, [], []),
    "list[list[str]]": (list[list[str]], True, [], []),
    "list[Street]": (list[Street], True, [], []),
    "Sequence": (typing.Sequence[int], True, [], []),
    "deque": (deque[int], True, [], []),
    "bounded list": (Annotated[list[int], Field(min_length=2, max_length=4)], True, [], []),
    "model": (Street, True, [], []),
    "described reference and default": (Described, True, [], []),
    "fields named as keywords": (NamedAsKeywords, True, [], []),
    "recursive": (Node, True, [], []),
    "recursive and described": (Chain, True, [], []),
    "recursive by way of another": (Left, True, [], []),
    "optional recursive": (Node | None, True, [], []),
    "closed model": (Closed, True, [], []),
    "empty model": (Empty, True, [], []),
    "tagged union": (Pet, True, [], []),
    "union of models": (Cat | Dog, True, [], []),
    "generic": (Box[int], True, [], []),
    "TypedDict": (Movie, True, [], []),
    "dataclass": (Rectangle, True, [], []),
    "date": (dt.date, True, [], []),
    "datetime": (dt.datetime, True, [], []),
    "time": (dt.time, True, [], []),
    "UUID": (uuid.UUID, True, [], []),
    "bounded int": (Annotated[int, Field(ge=0, lt=10)], True, [], []),
    "pattern": (Annotated[str, Field(pattern=r"^\d{3}$")], True, [], []),
    "pattern without anchors": (Annotated[str, Field(pattern=r"[a-z]+\d")], True, [], []),
    "IPv4Address": (ipaddress.IPv4Address, True, [], []),
    "timedelta": (dt.timedelta, True, ['format "duration"'], []),
    "IPv6Address": (ipaddress.IPv6Address, True, ['format "ipv6"'], []),
    "AnyUrl": (pydantic.AnyUrl, True, ["minLength 1"], []),
    "bounded float": (Annotated[float, Field(gt=0, le=1)], True, ["exclusiveMinimum 0", "maximum 1"], []),
    "multiple": (Annotated[int, Field(multiple_of=5)], True, ["multipleOf 5"], []),
    "Decimal": (decimal.Decimal, True, [], []),
    "Path": (pathlib.Path, True, ['format "path"'], ['format "path"']),
    "bytes": (bytes, True, ['format "binary"'], ['format "binary"']),
    "re.Pattern": (re.Pattern, True, ['format "regex"'], ['format "regex"']),
    "SecretStr": (pydantic.SecretStr, True, ['format "password"'], ['format "password"']),
    "Json": (pydantic.Json, True, [], []),
    "set[str]": (set[str], True, ["uniqueItems true"], ["uniqueItems true"]),
    "frozenset[int]": (frozenset[int], True, ["uniqueItems true"], ["uniqueItems true"]),
    "secret field": (Login, True, ['format "password"'], ['format "password"']),
    "long text": (Long, True, ["maxLength 5000"], []),
    "Any": (Any, False, [], []),
    "list[Any]": (list[Any], False, [], []),
    "list": (list, False, [], []),
    "dict": (dict, False, [], []),
    "dict[str, int]": (dict[str, int], False, ['additionalProperties {"type": "integer"}'], []),
    "dict[str, list[Street]]": (
        dict[str, list[Street]],
        False,
        ['additionalProperties {"items": {"$ref": "#/$defs/Street"}, "type": "array"}'],
        [],
    ),
    "dict[int, str]": (dict[int, str], False, ['additionalProperties {"type": "string"}'], []),
    "OrderedDict": (OrderedDict[str, int], False, ['additionalProperties {"type": "integer"}'], []),
    "Counter": (Counter[str], False, ['additionalProperties {"type": "integer"}'], []),
    "open model": (Open, False, [], []),
    "tuple[int, str]": (tuple[int, str], False, [], []),
    "tuple[int, ...]": (tuple[int, ...], True, [], []),
    "NamedTuple": (Point, False, [], []),
    "bounds of all kinds": (
        Bounds,
        True,
        ["exclusiveMinimum 0", "maximum 1", "multipleOf 5"],
        [],
    ),
}
