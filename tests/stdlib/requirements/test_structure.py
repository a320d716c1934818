"""Requirements on JSON, schemas, markdown lists and tables."""

import pytest
from pydantic import BaseModel

from mellea.core import UsageError
from mellea.core.steering import steer
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements import (
    as_markdown_list,
    fits_schema,
    is_json,
    is_markdown_list,
    is_markdown_table,
)
from mellea.stdlib.requirements.forms import MarkdownList, Table, of_form
from mellea.testing import ScriptedBackend


class User(BaseModel):
    name: str
    age: int


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}


async def verdict(requirement, text):
    return await requirement.validate(
        ScriptedBackend("never asked"), SimpleContext().add(ModelOutputThunk(text))
    )


@pytest.mark.parametrize(
    ("requirement", "text", "met"),
    [
        (is_json(), '{"a": [1, null]}', True),
        (is_json(), " 3\n", True),
        (is_json(), "", False),
        (is_json(), '{"a": 1} and more', False),
        (is_json(), "NaN", False),
        (is_json(), "[" * 100_000, False),
        (fits_schema(User), '{"name": "Ada", "age": 36}', True),
        (fits_schema(User), '{"name": "Ada"}', False),
        (fits_schema(User), "Ada", False),
        (is_markdown_list, "- one\n- two", True),
        (is_markdown_list, "1. one\n2) two\n   goes on", True),
        (is_markdown_list, "Here it is:\n- one", False),
        (is_markdown_list, "", False),
        (is_markdown_table, "| a | b |\n|---|:-:|\n| 1 | 2 |", True),
        (is_markdown_table, "a | b\n--- | ---\n1 | 2", True),
        (is_markdown_table, "| a | b |\n| 1 | 2 |", False),
        (is_markdown_table, "| a | b |\n|---|---|\n| 1 |", False),
        (is_markdown_table, "text", False),
        (of_form(Table(["a", "b"])), "| a | b |\n|---|---|\n| 1 | 2 |", True),
        (of_form(Table(["b", "a"])), "| a | b |\n|---|---|\n| 1 | 2 |", False),
        (of_form(Table(3)), "| a | b |\n|---|---|\n| 1 | 2 |", False),
        (of_form(Table(2, at_least=2)), "| a | b |\n|---|---|\n| 1 | 2 |", False),
        (of_form(MarkdownList(2, 3)), "- one\n- two", True),
        (of_form(MarkdownList(2, 3)), "- one", False),
    ],
)
async def test_verdict(requirement, text, met):
    assert (await verdict(requirement, text)).result is met


@pytest.mark.parametrize(
    "make",
    [
        lambda: Table([]),
        lambda: Table(["a|b"]),
        lambda: Table(0),
        lambda: Table(at_least=3, at_most=2),
        lambda: MarkdownList(at_most=0),
    ],
)
def test_form_that_no_text_can_have_is_an_error(make):
    with pytest.raises(UsageError):
        make()


@pytest.mark.parametrize("form", [Table(40), Table(at_least=50), MarkdownList(50)])
def test_form_that_is_too_large_for_a_plan_is_left_to_checking(form):
    steering = steer([form])

    assert not steering.steers
    assert "30" in steering.outcomes[0].why


async def test_reason_names_what_does_not_fit():
    assert "age" in (await verdict(fits_schema(User), '{"name": "Ada"}')).reason
    assert "line 3" in (await verdict(is_markdown_table, "| a | b |\n|---|---|\n| 1 |")).reason
    assert "NaN" in (await verdict(is_json(), "[NaN]")).reason


async def test_schema_given_as_a_mapping_is_checked():

    assert await verdict(fits_schema(SCHEMA), '{"n": 1}')
    assert "minimum" in (await verdict(fits_schema(SCHEMA), '{"n": 0}')).reason


@pytest.mark.parametrize("requirement", [is_json(), fits_schema(User)])
def test_own_fix_takes_the_json_out_of_a_fenced_block(requirement):
    assert requirement.repair('Here:\n```json\n{"a": 1}\n```\nDone.') == '{"a": 1}'
    assert requirement.repair('{"a": 1}') == '{"a": 1}'


def test_what_is_no_schema_is_our_error():
    with pytest.raises(UsageError, match="output format"):
        fits_schema(3)


def test_mapping_that_is_no_schema_is_our_error():
    with pytest.raises(UsageError, match="no JSON schema"):
        fits_schema({"type": "nonsense"})


@pytest.mark.parametrize(
    "text",
    [
        " " * 200_000 + "x",
        "| a | b |\n|---|---|\n" + " " * 200_000 + "x",
        "| a |\n" + "-" * 200_000 + "x",
        "| a |\n|" + " :-: |" * 40_000 + "x",
        "-" + " " * 200_000,
        "- item\n" + "  goes on\n" * 50_000 + "end",
        "```" + " " * 200_000 + "`",
        "```json\n" * 50_000,
        "[" * 200_000,
    ],
    ids=["spaces", "row", "rule", "long rule", "item", "items", "fence", "fences", "brackets"],
)
@pytest.mark.parametrize("requirement", [is_json(), fits_schema(User), is_markdown_list, is_markdown_table])
async def test_hostile_text_is_read_in_linear_time(requirement, text):
    assert not await verdict(requirement, text)
    if requirement.repair is not None:
        requirement.repair(text)


def test_items_of_a_list_are_given():
    ctx = SimpleContext().add(ModelOutputThunk("* one\n* two\n  goes on\n"))

    assert as_markdown_list(ctx) == ["one", "two goes on"]
    assert as_markdown_list(SimpleContext()) is None


def test_descriptions_are_shown_unless_check_only():
    assert "JSON" in is_json().description
    assert is_json(check_only=True).check_only
    assert "age" in fits_schema(User).description
