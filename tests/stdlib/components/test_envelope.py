"""The envelope of a typed function's answer."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellea.core import OutputParseError
from mellea.stdlib.components._generative.envelope import answer_schema, unwrap_value, wrap_value

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ANYTHING = answer_schema("anything", object | None)


@given(values)
def test_any_value_is_read_out_of_its_envelope(value):
    assert ANYTHING.parse(json.dumps({"result": value})) == value


@given(values)
def test_any_value_is_read_out_of_a_code_block(value):
    assert ANYTHING.parse(f"```json\n{json.dumps({'result': value}, indent=1)}\n```") == value


@given(values)
def test_value_put_back_as_text_changes_nothing(value):
    answer = json.dumps({"result": value})

    assert json.loads(wrap_value(answer, unwrap_value(answer))) == {"result": value}


@given(st.text())
def test_any_text_is_a_value_or_our_error(text):
    try:
        answer_schema("number", int).parse(text)
    except OutputParseError as error:
        assert "NumberResponse" in str(error)  # noqa: PT017  most texts are no envelope, and both ends are right


@pytest.mark.parametrize("answer", ["[]", "{}", '"text"', "no"])
def test_text_of_what_is_no_envelope_is_an_error(answer):
    with pytest.raises(ValueError, match=r".+"):
        unwrap_value(answer)


@pytest.mark.parametrize(
    ("function", "name"),
    [("classify_text", "ClassifyTextResponse"), ("größe", "GreResponse"), ("x" * 99, "xResponse")],
)
def test_name_of_the_schema_is_one_that_providers_take(function, name):
    schema = answer_schema(function, int)

    assert schema.name.endswith(name)
    assert len(schema.name) <= 64
    assert schema.name.isascii()
