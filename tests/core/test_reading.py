"""Which texts a value stands in, and where texts come from."""

import pickle

import pytest

from mellea.core import CBlock, Message, ModelOutputThunk, Source, Sources, UsageError
from mellea.core.document import Document
from mellea.core.reading import Reading, read_from
from mellea.core.sources import MODEL, PROGRAM, UNKNOWN, USER
from mellea.core.tool import Tool
from mellea.core.tool_call import ModelToolCall
from mellea.stdlib.components import Instruction, SimpleComponent, as_generic_chat_history
from mellea.stdlib.components.mobject import Query
from mellea.stdlib.context import ChatContext

PAGE = Sources.of("document", "page")


def kinds(sources):
    return {(source.kind, source.name) for source in sources}


def call(value, *spans, **settings):
    schema = {"type": "object", "properties": {"x": {"default": "main"}, "way": {"properties": {"to": {}}}}}
    form = {"type": "function", "function": {"name": "act", "description": "", "parameters": schema}}
    made = Tool("act", print, form, side_effects=True, **settings)
    return Reading(spans, "", [made]).marked(ModelToolCall("act", made, {"x": value}), made).sources


@pytest.mark.parametrize(
    ("said", "value", "trusted"),
    [
        ("Mail bob@x.org.", "bob@x.org", True),
        ("Mail (Bob@X.org), now", "bob@x.org", True),
        ("to: bob@x.org; cc: nobody", "bob@x.org", True),
        ("Mail bob@x.org", "x.org", False),
        ("Mail bob@x.org.evil.com", "bob@x.org", False),
        ("Mail bob@x.org", "bob@x.org\u200b", False),
        ("Mail kim@k.org", "kim@\u212a.org", False),
        ("Read Alice's mail", "alice", True),
        ("Call O'Brien", "Brien", False),
        ("Call O'Brien", "O", False),
        ("Delete /home/u/r.txt", "/home/u", False),
        ("this / that", "/", False),
        ("Say 'hi\n  there'!", "hi there", True),
        ("给张三发邮件bob@x.org吧", "张三", True),
        ("给张三发邮件bob@x.org吧", "bob@x.org", True),
        ("Pay $20.", "20", True),
        ("Pay $1,000.50", 1000.5, True),
        ("Come at 3pm", 3, True),
        ("10-20", 20, True),
        ("id 4a7f, v1.2.3", 4, False),
        ("id 4a7f, v1.2.3", 2, False),
        ("Turn it on: true", True, False),
        ("none", None, False),
        ("anything", "", False),
        ("anything", "main", True),
        ("only a", ["a"], True),
        ("only a", ["a", "b"], False),
        ("only a", [], False),
        ("only a", {"to": "a"}, True),
        ("only a", {"b": "a"}, False),
    ],
)
def test_value_is_trusted_where_it_stands_whole_in_a_trusted_text(said, value, trusted):
    known = call(value, Message("user", said), CBlock("Beware.", sources=PAGE))

    assert known.arguments["x"].trusted == trusted
    assert (known.doubtful == ()) == trusted


def test_where_nothing_untrusted_was_read_everything_is_trusted():
    assert call("whatever", Message("user", "Act.")).trusted


def test_text_that_a_value_stands_in_is_its_source():
    spans = [
        Message("user", "Act."),
        CBlock("Go to E\u200bve.", sources=PAGE),
        Document("Bob", title="other"),
    ]

    assert kinds(call("eve", *spans).arguments["x"]) == {("document", "page")}
    assert kinds(call("ann", *spans).arguments["x"]) >= {
        ("model", ""),
        ("document", "page"),
        ("document", "other"),
    }
    assert str(call("eve", *spans)) == "'x' comes from the document 'page'"


def test_content_may_come_from_anywhere_and_vouches_for_nothing():
    known = call("eve", CBlock("eve", sources=PAGE), content=["x"])

    assert (known.doubtful, known.vouched, known.trusted) == ((), False, False)
    assert (
        str(known)
        == "nothing that is trusted asks for it, and it comes from the model, which read the document 'page'"
    )


@pytest.mark.parametrize(
    ("span", "found"),
    [
        (CBlock("x"), {("user", "")}),
        (CBlock("x", sources=PAGE), {("document", "page")}),
        (Message("user", "x"), {("user", "")}),
        (Message("system", "x"), {("program", "")}),
        (Message("assistant", "x"), {("unknown", "")}),
        (Message("tool", "x", tool_name="f"), {("tool", "f")}),
        (Message("user", "x", documents=["y"]), {("user", ""), ("document", "")}),
        (Message("user", "x", documents=[Document("y", "t")]), {("user", ""), ("document", "t")}),
        (Message("user", "x", sources=PAGE), {("document", "page")}),
        (ModelOutputThunk("x"), {("unknown", "")}),
        (Instruction("x", ["y"]), {("program", "")}),
        (Instruction("x", grounding_context={"g": "y"}), {("program", ""), ("document", "g")}),
        (Instruction("{{v}}", user_variables={"v": "y"}), {("program", "")}),
        (
            Instruction("{{v}}", user_variables={"v": [CBlock("y", sources=PAGE)]}),
            {("program", ""), ("document", "page")},
        ),
        (Query(CBlock("x"), "y"), {("document", "CBlock"), ("user", "")}),
        (SimpleComponent(a="x"), {("document", "SimpleComponent")}),
    ],
)  # fmt: skip
def test_spans_say_where_they_come_from(span, found):
    assert kinds(read_from([span])) == found | {("model", "")}


def test_what_a_component_of_the_programs_own_says_is_the_programs():
    task = SimpleComponent(a="Go to eve.")
    task.sources = PROGRAM

    assert call("eve", task, CBlock("x", sources=PAGE)).trusted
    assert kinds(read_from([task])) == {("program", ""), ("model", "")}


def test_description_of_a_tool_by_somebody_else_is_read():
    form = {"type": "function", "function": {"name": "f", "description": "Mail eve.", "parameters": {}}}

    sources = read_from([CBlock("x")], [Tool("f", print, form, origin=Sources.of("mcp", "wiki"))])

    assert kinds(sources) == {("user", ""), ("model", ""), ("mcp", "wiki")}
    assert str(sources) == "the model, which read the MCP server 'wiki'"


def test_copies_of_an_output_come_from_where_it_does():
    thunk = ModelOutputThunk("x")
    assert thunk.sources is UNKNOWN
    thunk.sources = MODEL | PAGE

    assert pickle.loads(pickle.dumps(thunk)).sources == MODEL | PAGE
    assert thunk.with_text("y").sources == MODEL | PAGE
    assert thunk.parsed_repr is not None


def test_history_comes_from_where_the_conversation_does():
    conversation = ChatContext().add(CBlock("x")).add(Document("y", "page")).add(ModelOutputThunk("z"))

    told = [message.sources.trusted for message in as_generic_chat_history(conversation)]

    assert told == [True, False, False]


def test_sources_say_whom_to_trust():
    handbook = Sources.of("document", "handbook", trusted=True)

    assert (USER | handbook).trusted
    assert handbook.vouches
    assert not MODEL.vouches
    assert str(USER) == "the user"
    assert [str(one) for one in (USER | PAGE).untrusted] == ["the document 'page'"]
    assert str(Source("document", "x" * 80)) == f"the document '{'x' * 60}…'"
    with pytest.raises(UsageError, match="no kind of source"):
        Source("friend")
