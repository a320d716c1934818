"""Tables: markdown in and out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellea.core import UsageError
from mellea.core.templates import TemplateFormatter
from mellea.stdlib.components import MObjectProtocol
from mellea.stdlib.components.docs import Table, TableQuery, TableTransform

cells = st.text(alphabet=st.one_of(st.sampled_from("|\\-:<br>/ \n\r\t`ab"), st.characters()), max_size=8)
tables = st.integers(1, 4).flatmap(
    lambda width: st.builds(
        Table,
        st.lists(cells, min_size=width, max_size=width),
        st.lists(st.lists(cells, max_size=width), max_size=4),
    )
)


@given(tables)
def test_markdown_gives_the_table_back(table):
    assert Table.from_markdown(table.to_markdown()) == table


@given(tables)
def test_table_is_found_within_other_text(table):
    assert Table.from_markdown(f"Here it is:\n\n```markdown\n{table.to_markdown()}\n```\nDone.") == table


@given(tables)
def test_transposed_twice_is_the_same(table):
    assert table.transpose().transpose() == table


@given(st.text())
def test_any_text_is_a_table_or_our_error(text):
    try:
        table = Table.from_markdown(text)
    except UsageError:
        return
    assert Table.from_markdown(table.to_markdown()) == table


def test_common_spellings_are_read():
    table = Table.from_markdown("a | b\n:--|--:\n1 | 2\n| 3 |\n\nnot a row | here")

    assert table == Table(["a", "b"], [["1", "2"], ["3", ""]])


def test_escaped_bars_and_line_ends_are_text():
    table = Table.from_markdown("| a\\|b | c\\\\ |\n|---|---|\n| x<br>y | \\alpha |")

    assert table == Table(["a|b", "c\\"], [["x\ny", "\\alpha"]])


def test_transpose_makes_the_header_the_first_column():
    assert Table(["a", "b"], [[1, 2], [3, 4]]).transpose() == Table(["a", "1", "3"], [["b", "2", "4"]])


@pytest.mark.parametrize(
    "text",
    ["", "no table", "| a | b |", "| a | b |\n| 1 | 2 |", "| a | b |\n|---|\n", "| a |\n|---|\n| 1 | 2 |"],
)
def test_text_without_a_table_is_our_error(text):
    with pytest.raises(UsageError):
        Table.from_markdown(text)


def test_table_without_columns_is_our_error():
    with pytest.raises(UsageError, match="at least one column"):
        Table([])


def test_table_shows_itself_as_markdown_in_its_own_queries():
    table = Table(["a"], [["1"]])

    shown = TemplateFormatter().print(table.get_query_object("What is a?"))

    assert isinstance(table, MObjectProtocol)
    assert isinstance(table.get_query_object("x"), TableQuery)
    assert isinstance(table.get_transform_object("x"), TableTransform)
    assert shown == "Here is a table:\n\n| a |\n| --- |\n| 1 |\n\nAnswer this question about it: What is a?"


def test_table_offers_its_transposition_as_a_tool():
    assert list(Table(["a"]).format_for_llm().tools) == ["transpose"]
