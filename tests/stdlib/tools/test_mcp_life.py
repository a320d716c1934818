"""MCP servers that die, hang, or are left: nobody waits for ever, and nothing outlives its client."""

import asyncio
import gc
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from mellea import MelleaSession
from mellea.core import ClosedError
from mellea.core.errors import ToolServerConnectionError, ToolServerTimeoutError
from mellea.stdlib.tools.mcp import MCPClient, discover_mcp_tools, http_connection, stdio_connection
from mellea.testing import ScriptedBackend

SERVERS = Path(__file__).parents[2] / "servers"
SERVER, BY_HAND = str(SERVERS / "mcp_server.py"), str(SERVERS / "mcp_by_hand.py")
BOUND = 30.0


def program(**settings):
    return stdio_connection(sys.executable, args=["-P", SERVER, "stdio"], **settings)


def by_hand():
    return stdio_connection(sys.executable, args=["-P", BY_HAND])


def silent(**settings):
    """Return a program that reads, says nothing, and ends with its input."""
    return stdio_connection("sh", args=["-c", "cat > /dev/null"], **settings)


def is_gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until(true):
    deadline = time.monotonic() + BOUND
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kill(pid):
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not psutil.pid_exists(pid))  # a zombie may still have threads, and their files


async def begun(client, number, before=0):
    """Return calls that never end, once the server has begun them; it has begun some before."""
    calls = [asyncio.create_task(client.acall("hang", {})) for _ in range(number)]
    async with asyncio.timeout(BOUND):
        while int(await client.acall("count", {"of": "begun"})) < before + number:
            await asyncio.sleep(0.01)
    return calls


def is_open(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def web_server(port, kind="http"):
    process = subprocess.Popen([sys.executable, "-P", SERVER, kind, str(port)])
    try:
        wait_until(lambda: is_open(port))
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_killed_program_fails_the_calls_under_way_and_is_started_again():
    async with MCPClient(program(), name="notes") as client:
        first = int(await client.acall("pid", {}))
        calls = await begun(client, 2)

        kill(first)

        for call in calls:
            with pytest.raises(
                ToolServerConnectionError, match=r"'notes' went away .* SIGKILL.* starts the server again"
            ):
                await call
        second = int(await client.acall("pid", {}))
        kill(second)  # between two calls
        third = int(await client.acall("pid", {}))
    assert len({first, second, third}) == 3
    assert is_gone(third)


async def test_killed_web_server_fails_the_calls_under_way_and_is_connected_to_anew(port):
    async with MCPClient(http_connection(f"http://127.0.0.1:{port}/mcp")) as client:
        with web_server(port) as server:
            pid = int(await client.acall("pid", {}))
            calls = await begun(client, 2)

            server.kill()
            server.wait()

            for call in calls:
                with pytest.raises(ToolServerConnectionError, match="went away"):
                    await call
        with pytest.raises(ToolServerConnectionError, match="could not be started or reached"):
            await client.acall("pid", {})
        with web_server(port, "old-http"):
            again = int(await client.acall("pid", {}))
        with web_server(
            port, "old-http"
        ):  # it went and came between two calls, and has forgotten the session
            assert int(await client.acall("pid", {})) not in {pid, again}


@pytest.mark.parametrize(
    ("connection", "error", "said"),
    [
        (silent(connect_timeout=0.1), ToolServerTimeoutError, "not ready within 0.1 s.*connect_timeout"),
        (stdio_connection("/no/such/program"), ToolServerConnectionError, "FileNotFoundError.*Correct"),
        (
            stdio_connection("sh", args=["-c", "echo no key >&2; exit 2"]),
            ToolServerConnectionError,
            "code 2.*no key",
        ),
        (http_connection("http://127.0.0.1:9/mcp"), ToolServerConnectionError, "ConnectError"),
    ],
)
async def test_server_that_cannot_be_started_says_why(connection, error, said):
    async with MCPClient(connection) as client:
        with pytest.raises(error, match=said):
            await client.atools()


def test_secrets_of_a_connection_are_in_no_error():
    script = 'echo "the key $API_KEY is wrong" >&2; exit 1'
    connection = stdio_connection("sh", args=["-c", script], env={"API_KEY": "abracadabra-12"})
    with (
        MCPClient(connection) as client,
        pytest.raises(ToolServerConnectionError, match=r"the key \[hidden\]"),
    ):
        client.tools()


async def test_cancelled_and_late_calls_end_in_the_server_which_a_session_keeps_and_any_thread_leaves():
    session = await MelleaSession(ScriptedBackend("x")).__aenter__()
    client = session.keep(MCPClient(program(timeout=2)))
    pid = int(await asyncio.create_task(client.acall("pid", {})))
    cancelled, late = await begun(client, 2)

    cancelled.cancel()

    with pytest.raises(asyncio.CancelledError):
        await cancelled
    with pytest.raises(
        ToolServerTimeoutError, match=r"did not answer a call of 'hang' within 2 s.* read_timeout"
    ):
        await late
    async with asyncio.timeout(BOUND):
        while await client.acall("count", {"of": "cancelled"}) != "2":
            await asyncio.sleep(0.01)
    assert int(await client.acall("pid", {})) == pid

    (call,) = await begun(client, 1, before=2)
    thread = threading.Thread(target=session.close)
    thread.start()
    await asyncio.to_thread(thread.join)

    assert is_gone(pid)
    with pytest.raises(ClosedError):
        await call
    with pytest.raises(ClosedError, match="is closed"):
        await client.atools()
    await asyncio.create_task(client.__aexit__(None, None, None))


def test_discovered_spec_may_be_renamed_and_its_server_ends_with_the_last_that_holds_it():
    specs = {spec.name: spec for spec in asyncio.run(discover_mcp_tools(by_hand()))}
    spec = specs["pid"]
    spec.name, spec.description = "number", "Tell a number."
    tool, schema = spec.as_mellea_tool(), spec.input_schema
    del spec, specs
    gc.collect()

    assert tool.as_json_tool["function"] == {
        "name": "number",
        "description": "Tell a number.",
        "parameters": schema,
    }
    pid = int(tool.run())
    del tool
    gc.collect()
    wait_until(lambda: is_gone(pid))


def test_program_that_closes_nothing_ends_with_its_server():
    script = f"""
import sys
from mellea.stdlib.tools.mcp import MCPClient, stdio_connection
client = MCPClient(stdio_connection(sys.executable, args=["-P", {BY_HAND!r}]))
print(client.call("pid", {{}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    assert is_gone(int(done.stdout))
