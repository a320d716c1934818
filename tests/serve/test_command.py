"""``mellea serve`` and ``mellea mcp``, as a person types them."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys

import httpx2
import pytest

from mellea.cli import main
from tests.serve.test_limits import JSON, STREAM, request_of

PROGRAM = """
from typing import Literal

from mellea import MelleaSession, generative
from mellea.testing import Fault, ScriptedBackend

print("loading")
m = MelleaSession(ScriptedBackend(Fault.stall(1, ["One ", "two"])))


async def serve(input, model_options):
    if input[-1].content != "x":
        raise ValueError("sk-abcdefgh12345678 \\x1b[2J is wrong")
    return await m.aact("x", strategy=None, model_options=model_options)


@generative
def sentiment(text: str) -> Literal["positive", "negative"]:
    '''Classify the sentiment.

    Args:
        text: What is classified.
    '''
"""


@pytest.fixture
def program(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    return str(tmp_path / "program.py")


@contextlib.contextmanager
def running(*arguments):
    """Run a server, and yield it with its address."""
    command = [sys.executable, "-m", "mellea.cli", *arguments]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = process.stderr.readline()
            yield process, said.partition(" at ")[2].partition("/v1")[0]
        finally:
            process.kill()


@pytest.mark.parametrize(("sig", "status"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_signal_ends_streams_and_then_the_server(program, sig, status):
    with running("serve", program, "--port", "0", "--grace", "0.1") as (process, address):
        wrong = httpx2.post(
            f"{address}/v1/chat/completions",
            content='{"messages": [{"role": "user", "content": "y"}]}',
            headers=JSON,
            timeout=30,
        )
        with request_of(address, STREAM) as connection:
            said = b""
            while b"One" not in said:
                said += connection.recv(10_000)
            process.send_signal(sig)
            while piece := connection.recv(10_000):
                said += piece
        _, logged = process.communicate(timeout=30)

    assert wrong.json()["error"]["message"] == "The program failed."
    assert b"server_stopping" in said
    assert process.returncode == status
    assert logged.endswith("mellea: stopped.\n")
    assert "ValueError: [hidden] \\x1b[2J is wrong" in logged
    assert not {"\x1b", "sk-abcdefgh12345678"} & set(logged.split())
    assert "POST /v1/chat/completions program 503" in logged


REFUSED = {
    "beyond this machine": (["--host", "0.0.0.0"], "there is no API key. Set MELLEA_SERVE_API_KEY"),
    "no such function": (["--nothing"], "no function 'nothing'"),
    "no number": (["--timeout", "nan"], "no positive number"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_served_says_why(program, capsys, case):
    arguments, why = REFUSED[case]
    named = [f"{program}:nothing"] if arguments == ["--nothing"] else [program, *arguments]

    assert main(["serve", *named]) == 2
    assert why in capsys.readouterr().err


def test_port_that_is_taken_is_told(program, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["serve", program, "--port", str(taken.getsockname()[1])]) == 2
    assert "already in use. Pass another --host or --port." in capsys.readouterr().err


def test_program_without_anything_to_serve_is_told(tmp_path, capsys):
    (tmp_path / "empty.py").write_text("")
    assert main(["serve", str(tmp_path / "empty.py")]) == 2
    assert "Decorate a function with @generative." in capsys.readouterr().err
