"""Whatever goes wrong with one call, the model is told, the others go on, and whole turns are remembered."""

import asyncio
import sys
from pathlib import Path

import pytest

from mellea import ChatContext, MelleaSession, start_session
from mellea.core import AudioUrlBlock, Capability, ToolMessage, UsageError
from mellea.core.fetching import Fetcher
from mellea.stdlib.tools import ToolRunner, tool
from mellea.stdlib.tools.mcp import MCPClient, stdio_connection
from mellea.testing import Reply, ScriptedBackend
from tests.chat_completions.test_content import message
from tests.core.test_fetching import PUBLIC, Net
from tests.core.test_image_header import png
from tests.servers import faults

BY_HAND = str(Path(__file__).parents[2] / "servers" / "mcp_by_hand.py")


def scripted(*answers):
    return MelleaSession(ScriptedBackend(answers, capabilities=[Capability.TOOLS]), ChatContext())


@tool
def double(x: int) -> int:
    return 2 * x


@tool
def fail() -> None:
    raise LookupError("no such city")


@tool
def leave() -> None:
    sys.exit("not like that")


@tool
def run_dry() -> str:
    return next(iter(()))


@tool
def name_file() -> None:
    raise FileNotFoundError("caf\udce9.txt")


@tool(timeout=0.05)
async def hang() -> None:
    await asyncio.Event().wait()


@tool
def flood() -> str:
    return "x" * 100_000_000


@tool
def read_bytes() -> bytes:
    return b"caf\xe9"


@tool
def list_files() -> list[str]:
    return ["caf\udce9.txt"]


@tool
def again() -> str:
    calling = Reply(tool_calls=[("again", {})])
    return scripted(calling, "as deep as it goes").chat("Go.", tools=[again], tool_loop=True).content


@pytest.fixture(scope="module")
def servers_tools():
    with MCPClient(stdio_connection(sys.executable, args=["-P", BY_HAND, "odd"])) as client:
        yield client.tools()


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("double", '{"x": ', "The arguments of double are no JSON"),
        ("double", '{"x": ' + "[" * 100_000, "The arguments of double are no JSON"),
        ("double", '{"x": "many"}', "do not fit: x: Input should be a valid integer"),
        ("double", '{"x": "\\ud83d"}', "do not fit: x: Input should be a valid"),
        ("fly", {}, "There is no tool 'fly'"),
        ("fly\ud83d", {}, "There is no tool 'fly\\ud83d'"),
        ("fail", {}, "fail failed: LookupError: no such city"),
        ("leave", {}, "leave failed: SystemExit: not like that"),
        ("run_dry", {}, "run_dry failed: RuntimeError: it raised StopIteration"),
        ("name_file", {}, "name_file failed: FileNotFoundError: caf\ufffd.txt"),
        ("hang", {}, "hang took longer than 0.05 s and was given up."),
        ("flood", {}, "99,980,000 more characters are left out"),
        ("read_bytes", {}, "caf\ufffd"),
        ("list_files", {}, '["caf\ufffd.txt"]'),
        ("again", {}, "as deep as it goes"),
        ("server_lie", {}, "server_lie failed: MCP server"),
        ("server_flood", {}, "caf\ufffd"),
        ("server_long", {}, "it sent a message of more than 16,777,216 bytes"),
    ],
)
def test_call_that_goes_wrong_harms_no_other(name, arguments, said, servers_tools):
    m = scripted(Reply(tool_calls=[(name, arguments), ("double", {"x": 1})]), "Done.", "Yes.")
    tools = [double, fail, leave, run_dry, name_file, hang, flood, read_bytes, list_files, again]

    answer = m.chat("Go.", tools=[*tools, *servers_tools], tool_loop=ToolRunner(approve=lambda call: True))

    told, other = (span for span in m.ctx.as_list() if isinstance(span, ToolMessage))
    assert said in told.content
    assert other.content == "2"
    assert answer == "Done."
    assert m.chat("Is that all?") == "Yes."
    assert [one.role for one in m.backend.requests[-1].messages] == [
        *("user", "assistant", "tool", "tool", "assistant", "user")
    ]
    for sent in m.backend.requests[-1].messages:
        f"{sent.content}{sent.tool_name}".encode()


MODEL_SAYS = faults.Reply(message(content="Hello."))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (faults.Reply("", 302, {"location": "http://127.0.0.1/secret"}), "leads to no public host"),
        (faults.Reply("", 302, {"location": "http://169.254.169.254/latest"}), "leads to no public host"),
        (faults.Reply("x", headers={"content-encoding": "gzip"}), "compressed"),
        (faults.Reply(["x" * 1000] * 3), "more than 1,500 bytes"),
    ],
)
def test_address_that_leads_astray_harms_no_other_turn(answer, said, monkeypatch):
    with faults.running_fault_server() as model, faults.running_fault_server() as host:
        net = Net(host)
        fetcher = Fetcher(seconds=5.0, most_bytes=1500, connect=net.connect)
        monkeypatch.setattr("mellea.core.inlining.fetch", fetcher.fetch)
        model.answers(MODEL_SAYS)
        host.answers(answer)
        with start_session("openai", model_id="m", base_url=model.base_url, ctx=ChatContext()) as m:
            m.chat("Hi.")
            with pytest.raises(UsageError, match=said):
                m.chat("What is said?", audio=[AudioUrlBlock(f"http://{PUBLIC}:{net.port}/a.wav", "wav")])

            assert m.chat("Are you there?") == "Hello."
            assert len(m.ctx.as_list()) == 4
    assert len(model.requests) == 2


def test_image_bomb_harms_no_other_turn():
    m = scripted("Hello.", "Yes.")
    m.chat("Hi.")

    with pytest.raises(UsageError, match="pixels"):
        m.chat("What is this?", images=[png(50_000, 50_000)])

    assert m.chat("Are you there?") == "Yes."
    assert len(m.ctx.as_list()) == 4
