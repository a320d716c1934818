"""MCP servers that answer: what they have, how it is called, and what is told where they lie."""

import asyncio
import sys
import threading
from pathlib import Path

import pytest

from mellea import ChatContext, MelleaSession, mfuncs
from mellea.core import (
    Capability,
    Message,
    ModelToolCall,
    Sources,
    ToolArgumentsError,
    ToolMessage,
    UsageError,
)
from mellea.core.errors import ToolServerError
from mellea.stdlib.tools import ToolRunner
from mellea.stdlib.tools.mcp import (
    MCPClient,
    MCPPrompt,
    MCPResource,
    discover_mcp_tools,
    http_connection,
    sse_connection,
    stdio_connection,
)
from mellea.testing import Reply, ScriptedBackend

SERVERS = Path(__file__).parents[2] / "servers"
SERVER, BY_HAND = str(SERVERS / "mcp_server.py"), str(SERVERS / "mcp_by_hand.py")
CAN = [Capability.TOOLS]


def program(kind="stdio", **settings):
    return stdio_connection(sys.executable, args=["-P", SERVER, kind], **settings)


@pytest.fixture(scope="module")
def client():
    with MCPClient(program()) as client:
        yield client


@pytest.fixture(scope="module")
def tools(client):
    return {tool.name: tool for tool in client.tools()}


def called(tool, **arguments):
    return ModelToolCall(tool.name, tool, arguments, "c1")


def test_tool_has_name_description_and_schema_of_the_server(tools):
    add = tools["add"]
    assert add.name == "add"
    assert add.description == "Add two numbers."
    assert add.parameters["required"] == ["a"]
    assert not add.side_effects
    assert tools["pid"].side_effects
    assert tools["pid"].origin == Sources.of("mcp", "mcp_server.py")


def test_result_is_text_whatever_kind_of_content_it_is(tools):
    assert tools["add"].run(a=1, b=2) == "3"
    assert tools["say"].run(text="hi", times=None) == "hi"
    assert tools["mixed"].run().splitlines() == [
        "two words",
        "[image: image/png]",
        "[resource: note://link]",
        "held",
        "[resource: note://blob]",
    ]


async def test_error_of_a_tool_is_text_for_a_program_and_a_failure_for_the_model(tools):
    assert tools["fail"].run() == "[tool error] Error executing tool fail: there is no such file"

    (message,) = await ToolRunner(approve=lambda call: True).run([called(tools["fail"])])

    assert message.failed
    assert message.content == "fail failed: Error executing tool fail: there is no such file"


@pytest.mark.parametrize("given", [{}, {"a": "many"}, {"a": 1, "b": None}])
def test_arguments_that_do_not_fit_are_not_sent(tools, given):
    with pytest.raises(ToolArgumentsError, match="add"):
        tools["add"].arguments(given)


async def test_one_process_serves_every_loop_and_thread(client, tools):
    pids = [tools["pid"].run(), await client.acall("pid", {})]
    pids += await asyncio.gather(*[client.acall("pid", {}) for _ in range(5)])
    thread = threading.Thread(target=lambda: pids.append(asyncio.run(client.acall("pid", {}))))
    thread.start()
    thread.join()

    assert len(pids) == 8
    assert len(set(pids)) == 1


def test_resources_are_listed_and_read(client):
    assert client.resources() == [
        MCPResource("note://today", "today", "Today's note.", "text/plain"),
        MCPResource("note://dot", "dot", "A picture.", "image/png"),
        MCPResource("note://{day}", "note", "The note of a day.", "text/plain", is_template=True),
    ]
    assert client.read_resource("note://today") == "Buy milk."
    assert client.read_resource("note://monday") == "Nothing on monday."
    assert client.read_resource("note://dot").startswith(b"\x89PNG")
    with pytest.raises(ToolServerError, match="Unknown resource"):
        client.read_resource("nothing://here")


def test_prompts_are_listed_and_filled(client):
    assert client.prompts() == [MCPPrompt("greet", "Greet somebody.", ("name",), ("tone",))]
    assert client.get_prompt("greet", name="Ada") == [Message("user", "Write a kind greeting to Ada.")]
    with pytest.raises(ToolServerError, match="MCP server .* refuses the prompt 'greet'"):
        client.get_prompt("greet")


def test_model_calls_a_tool_of_a_server(tools):
    backend = ScriptedBackend([Reply(tool_calls=[("add", {"a": "1", "b": 2})]), "It is 3."], capabilities=CAN)
    with MelleaSession(backend, ChatContext()) as m:
        assert m.chat("1 + 2?", tools=list(tools.values()), tool_loop=True).content == "It is 3."
        (told,) = [span for span in m.ctx.as_list() if isinstance(span, ToolMessage)]
    assert told.content == "3"


async def test_flooded_error_stream_and_long_result_harm_nobody(tools):
    runner = ToolRunner(longest_result=100, approve=lambda call: True)
    flooded, long, other = await runner.run(
        [
            called(tools["flood"], megabytes=8),
            called(tools["long"], characters=3_000_000),
            called(tools["add"], a=1),
        ]
    )
    assert flooded.content == "flooded"
    assert "2,999,900 more characters" in long.content
    assert len(long.tool_output) == 3_000_000
    assert other.content == "2"


def test_two_tools_of_one_name_are_refused_before_anything_is_sent(client):
    backend = ScriptedBackend("x", capabilities=CAN)
    with pytest.raises(UsageError, match="named add, .*nothing was sent"):
        mfuncs.chat("x", ChatContext(), backend, tools=[*client.tools(), *client.tools()])
    assert backend.requests == []


async def test_lies_of_a_server_concern_the_one_tool_and_a_prefix_tells_it_from_others():
    async with MCPClient(program("liar"), name="liar", prefix="liar_") as client:
        with pytest.warns(UserWarning, match="is left out") as left_out:
            tools = {tool.name: tool for tool in await client.atools()}
        messages = await ToolRunner(approve=lambda call: True).run(
            [
                called(tools["liar_shapeless"]),
                called(tools["liar_absent"]),
                called(tools["liar_astray"], n=1),
                called(tools["liar_fine"]),
            ]
        )

    assert [str(one.message).split("'")[1] for one in left_out] == ["liar_no schema", "liar_wrong"]
    assert [message.failed for message in messages] == [True, True, True, False]
    assert "something else than it announced" in messages[0].content
    assert (
        messages[1].content
        == "liar_absent failed: MCP server 'liar' refuses a call of 'absent': there is no such tool."
    )
    assert "refers to '/gone'" in messages[2].content


def test_program_that_knows_neither_utf_8_nor_an_end_nor_silence_hangs_nobody():
    with MCPClient(stdio_connection(sys.executable, args=["-P", BY_HAND, "endless"])) as client:
        assert client.call("t", {}) == "caf\ufffd"
        assert client.prompts() == []
        with pytest.raises(ToolServerError, match="list of tools has no end"):
            client.tools()


def test_connections_are_plain_mappings():
    assert stdio_connection("x") == {"transport": "stdio", "command": "x", "read_timeout": 300.0}
    assert stdio_connection("x", args=["y"], env={"A": "b"}, timeout=5) == {
        "transport": "stdio", "command": "x", "args": ["y"], "env": {"A": "b"}, "read_timeout": 5,
    }  # fmt: skip
    web = http_connection("http://h/mcp", api_key="k", headers={"X": "y"})
    assert web["transport"] == "streamable_http"
    assert web["headers"] == {"Authorization": "Bearer k", "X": "y"}
    assert sse_connection("http://h/sse", read_timeout=1) == {
        "transport": "sse", "url": "http://h/sse", "headers": {}, "connect_timeout": 30.0, "read_timeout": 1,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"transport": "carrier pigeon"}, "no transport"),
        ({"transport": "stdio"}, "command"),
        ({"transport": "stdio", "command": "x", "read_timeout": 0}, "read_timeout"),
        ({"transport": "sse", "url": ""}, "url"),
    ],
)
async def test_connection_that_leads_nowhere_is_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        await discover_mcp_tools(wrong)


def test_missing_package_is_named_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(ImportError, match=r"mellea-core\[mcp\]"):
        MCPClient(program())
