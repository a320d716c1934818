"""JSON that is read while it grows says what reading the text anew would say, and reads each part once."""

import json
from collections.abc import Mapping
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, RootModel
from pydantic_core import from_json

from mellea.stdlib import partial as older
from mellea.stdlib.streaming._growing_json import GrowingJson
from mellea.stdlib.streaming._partial_types import NOTHING, partial_instance
from mellea.stdlib.streaming.partial import GrowingValue

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


class Item(BaseModel):
    id: int
    name: str = "?"
    tags: list[str] = []


class Names(RootModel[list[str]]):
    pass


class Order(BaseModel):
    number: int
    items: list[Item]
    by_name: dict[str, Item] | None = None
    names: Names | None = None
    note: Annotated[str, Field(max_length=5, alias="remark")] = ""
    pair: tuple[int, str] | None = None
    inner: "Order | None" = None


def anew(text):
    """Return what the text describes, read from its beginning."""
    cut = text.rstrip("0123456789+-.eE") if _ends_in_a_number(text) else text
    try:
        return from_json(cut, allow_partial="trailing-strings")
    except ValueError:
        return NOTHING


def _ends_in_a_number(text):
    in_string, escaped = False, False
    for sign in text:
        if in_string:
            in_string, escaped = escaped or sign != '"', sign == "\\" and not escaped
        else:
            in_string = sign == '"'
    return not in_string and text[-1:] in "0123456789+-.eE" and not text.endswith(("true", "false"))


def prefixes(text):
    return [text[:end] for end in range(1, len(text) + 1)]


@given(VALUES, st.sampled_from([None, 2]), st.booleans())
def test_json_so_far_is_what_reading_anew_gives(value, indent, ascii_only):
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    reader = GrowingJson()

    for prefix in prefixes(text):
        assert reader.feed(prefix)
        assert reader.value(prefix)[0] == anew(prefix), prefix
    assert reader.feed(text + "\n")
    assert reader.value(text + "\n")[0] == value


@given(st.text(alphabet='{}[]",:\\u12d8ae-.tfn \x01', max_size=30))
def test_any_text_is_read_or_given_up(text):
    growing = GrowingValue(Order)

    for prefix in prefixes(text):
        growing.update(prefix)


ORDERS: Any = st.fixed_dictionaries(
    {},
    optional={
        "number": st.integers() | st.text(max_size=2),
        "items": st.lists(
            st.fixed_dictionaries(
                {"id": st.integers()},
                optional={"name": st.text(max_size=4), "tags": st.lists(st.text(max_size=3), max_size=2)},
            ),
            max_size=3,
        )
        | st.none(),
        "by_name": st.dictionaries(
            st.text(max_size=2), st.fixed_dictionaries({"id": st.integers()}), max_size=2
        ),
        "names": st.lists(st.text(max_size=3), max_size=3) | st.text(max_size=3),
        "remark": st.text(max_size=7),
        "note": st.text(max_size=7),
        "pair": st.tuples(st.integers(), st.text(max_size=2)),
        "unknown": VALUES,
        "inner": st.fixed_dictionaries({"number": st.integers(), "items": st.just([{"id": 1}])}),
    },
)


@given(ORDERS)
def test_typed_value_so_far_is_what_reading_anew_gives(value):
    text = json.dumps(value)
    reader = GrowingJson(Order)

    for prefix in prefixes(text):
        assert reader.feed(prefix)
        typed = reader.value(prefix)[1]
        whole = anew(prefix)
        if typed is not NOTHING and isinstance(whole, Mapping):
            assert typed == partial_instance(Order, whole), prefix
            assert typed.model_fields_set == partial_instance(Order, whole).model_fields_set


def test_complete_parts_are_made_once_and_shared():
    growing = GrowingValue(Order)
    first = growing.update('{"items": [{"id": 1, "tags": ["a"]}, {"id": 2')[-1]
    second = growing.update('{"items": [{"id": 1, "tags": ["a"]}, {"id": 2, "name": "b')[-1]

    assert second.items[0] is first.items[0]
    assert (len(first.items), second.items[1].name) == (2, "b")


def test_values_given_before_do_not_change():
    growing = GrowingValue()
    texts = prefixes('{"a": [1, 2, {"b": "xyz"}], "c": "d"}')

    given_ = [(value, json.dumps(value)) for text in texts for value in growing.update(text)]

    assert all(json.dumps(value) == then for value, then in given_)
    assert given_[-1][0] == {"a": [1, 2, {"b": "xyz"}], "c": "d"}


def test_another_text_begins_anew():
    growing = GrowingValue()

    assert growing.update('{"a": "first answ') == [{"a": "first answ"}]
    assert growing.update('{"b": 1, ') == [{"b": 1}]


@pytest.mark.parametrize(
    "text",
    [
        "{'a': 1}",
        "[1 2]",
        "{1: 2}",
        "[1,]",
        '{"a" 1}',
        '{"a": 1,}',
        "[01]",
        "nul",
        "]",
        "[}",
        '"a\nb"',
        "x{}",
        "{} x",
        '"\\ud800x"',
    ],
)
def test_text_that_is_no_json_has_no_value(text):
    growing = GrowingValue()

    seen = [value for prefix in prefixes(text) for value in growing.update(prefix)]

    assert growing.update(text + " ") == []
    assert all(value != text for value in seen)


def test_depth_is_bounded():
    assert GrowingValue().update("[" * 100_000) == []
    assert GrowingValue().update("[" * 150) != []


def test_growing_value_has_its_older_names_where_programs_import_it_from():
    growing = older.GrowingValue(Order)

    assert growing.changed('{"number": 1,')[0].number == 1
    assert isinstance(growing, GrowingValue)
