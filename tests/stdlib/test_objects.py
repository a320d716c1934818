"""Asking about objects and changing them, offline."""

import json
from typing import ClassVar

import pytest
from pydantic import BaseModel

from mellea.core import Capability, CBlock, Chunk, ComponentParseError, ModelToolCall, OutputParseError
from mellea.stdlib.components import Document, mify
from mellea.stdlib.components.docs import Table
from mellea.stdlib.context import ChatContext, SimpleContext
from mellea.stdlib.functional import aquery, atransform, query, transform
from mellea.stdlib.requirements import req, simple_validate
from mellea.testing import ScriptedBackend

TABLE = Table(["store", "sales"], [["North", 3]])


class Store:
    def __init__(self, sales=3):
        self.sales = sales

    def sell(self, count: int) -> int:
        """Sell some."""
        self.sales += count
        return self.sales

    def twin(self) -> "Store":
        """Make another store."""
        return Store(self.sales)

    async def restock(self) -> None:
        """Fill the shelves."""
        self.sales = 0


async def test_query_gives_answer_and_context():
    backend = ScriptedBackend("Three.")

    answer, after = await aquery(TABLE, "How many?", ChatContext(), backend, await_result=True)

    assert str(answer) == "Three."
    assert len(after.as_list()) == 2
    assert "| North | 3 |" in backend.requests[0].messages[-1].content


@pytest.mark.parametrize(
    "obj", [Store(), mify(Store()), Document("sales: 3"), CBlock("sales: 3"), "sales: 3"]
)
async def test_anything_can_be_queried(obj):
    backend = ScriptedBackend("Three.")

    await aquery(obj, "How many?", SimpleContext(), backend, await_result=True)

    assert backend.requests[0].messages[-1].content.startswith("sales: 3")


async def test_query_respects_format_and_requirements():
    class Count(BaseModel):
        count: int

    backend = ScriptedBackend(["three", '{"count": 3}'])

    answer, _ = await aquery(TABLE, "How many?", SimpleContext(), backend, format=Count)
    assert answer.parsed == Count(count=3)

    short = req("Short.", simple_validate(lambda text: len(text) < 5))
    answer, _ = await aquery(
        TABLE, "?", SimpleContext(), ScriptedBackend(["much too long", "ok"]), requirements=[short]
    )
    assert str(answer) == "ok"


async def test_transformed_table_is_a_table():
    backend = ScriptedBackend("Sure:\n\n| store | sales |\n|---|---|\n| North | 4 |")

    changed, _ = await atransform(TABLE, "One more sale.", SimpleContext(), backend)

    assert changed == Table(["store", "sales"], [["North", 4]])
    assert TABLE.rows == (("North", "3"),)


async def test_parsing_func_reads_the_answer():
    """The function given to mify reads what a transformation answers."""
    store = mify(Store(), parsing_func=lambda text: Store(json.loads(text)["sales"]))

    changed, _ = await atransform(store, "Double it.", SimpleContext(), ScriptedBackend('{"sales": 6}'))

    assert changed.sales == 6
    assert store.sales == 3


async def test_answer_that_the_object_cannot_read_is_tried_again():
    backend = ScriptedBackend(["I cannot.", "| a |\n|---|"])

    changed, _ = await atransform(TABLE, "Shrink it.", SimpleContext(), backend)

    assert changed == Table(["a"])


async def test_error_when_no_answer_can_be_read_names_the_object():
    with pytest.raises(ComponentParseError, match="no markdown table"):
        await atransform(TABLE, "Shrink it.", SimpleContext(), ScriptedBackend("I cannot."))


async def test_object_that_reads_only_text_gives_the_output():
    changed, _ = await atransform(Store(), "Double it.", SimpleContext(), ScriptedBackend("sales: 6"))

    assert changed.value == "sales: 6"


class Calling(ScriptedBackend):
    """Answers with tool calls."""

    capabilities = frozenset({Capability.TOOLS})
    calls: ClassVar[list[ModelToolCall]] = []

    def __init__(self, *calls):
        super().__init__("")
        self.calls = calls

    async def _generate_from_context(self, action, ctx, *, tool_calls=False, **kwargs):
        thunk, after = await super()._generate_from_context(action, ctx, tool_calls=tool_calls, **kwargs)
        thunk.tool_calls = tuple(self.calls) if tool_calls else ()
        return thunk, after

    async def stream_chat(self, request):
        yield Chunk(text=" ")


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([ModelToolCall("sell", None, {"count": 2})], 5),
        ([ModelToolCall("sell", None, {"count": 2}), ModelToolCall("twin", None)], Store),
        ([ModelToolCall("restock", None)], Store),
    ],
)
async def test_result_of_a_called_method_is_the_result(calls, expected):
    store = Store()

    changed, _ = await atransform(store, "Do it.", SimpleContext(), Calling(*calls))

    assert changed == expected or isinstance(changed, expected)


async def test_method_that_gives_nothing_leaves_the_changed_object():
    store = Store()

    changed, _ = await atransform(store, "Restock.", SimpleContext(), Calling(ModelToolCall("restock", None)))

    assert changed == store
    assert store.sales == 0


async def test_tool_of_a_table_transforms_it():
    changed, _ = await atransform(
        TABLE, "Transpose it.", SimpleContext(), Calling(ModelToolCall("transpose", None))
    )

    assert changed == TABLE.transpose()


async def test_call_of_a_method_that_does_not_exist_is_our_error():
    with pytest.raises(OutputParseError, match="explode"):
        await atransform(Store(), "Do it.", SimpleContext(), Calling(ModelToolCall("explode", None)))


async def test_methods_are_offered_only_where_the_backend_calls_tools():
    changed, _ = await atransform(Store(), "Do it.", SimpleContext(), ScriptedBackend("done"))

    assert str(changed) == "done"


def test_synchronous_faces():
    answer, _ = query(TABLE, "How many?", SimpleContext(), ScriptedBackend("Three."))
    changed, _ = transform(TABLE, "Shrink it.", SimpleContext(), ScriptedBackend("| a |\n|---|"))

    assert (str(answer), changed) == ("Three.", Table(["a"]))
