"""Processes that are interrupted, or end with work in flight: they end at once, quietly."""

import signal
import subprocess
import sys
import textwrap
import time

import pytest

from tests.servers.chaos import running_chaos_server

_HEAD = """
import os, sys, threading, time
from mellea import start_session
from mellea.stdlib.requirements import check
from mellea.stdlib.sampling import RejectionSamplingStrategy

m = start_session("openai", "m", base_url=sys.argv[1] + "/v1", api_key="none", max_retries=0, ctx="chat")
print("ready", flush=True)
"""

PLACES = {
    "chat": "m.chat('Hi.')",
    "instruct": "m.instruct('Hi.')",
    "act": "m.act('Hi.')",
    "query": "m.query('text', 'Why?')",
    "validate": "m.validate(['It is short.'], output='x', input='y')",
    "stream": "for piece in m.stream_chat('Hi.'): print(piece)",
    "check": "m.instruct('Hi.', requirements=[check('slow', lambda ctx: time.sleep(60))])",
    "strategy": "m.instruct('Hi.', requirements=['Short.'], strategy=RejectionSamplingStrategy())",
    "async": "import asyncio; asyncio.run(m.ainstruct('Hi.'))",
    "block": "with m: m.chat('Hi.')",
}


@pytest.fixture(scope="module")
def slow():
    with running_chaos_server(share=0.0) as server:
        server.delay = 60.0
        yield server


@pytest.fixture(scope="module")
def quick():
    with running_chaos_server(share=0.0) as server:
        yield server


def start(program, server):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program), server.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("place", sorted(PLACES))
def test_interrupt_ends_the_program(place, slow, quick):
    server = quick if place == "check" else slow
    before = server.number
    process = start(_HEAD + PLACES[place], server)
    deadline = time.monotonic() + 30
    while server.number == before and time.monotonic() < deadline:
        time.sleep(0.02)
    if place == "check":
        time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)

    assert process.returncode in (-signal.SIGINT, 130, 1)
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert "Unclosed" not in errors


@pytest.mark.parametrize(
    "work",
    [
        "threading.Thread(target=m.chat, args=('Hi.',), daemon=True).start(); time.sleep(0.3)",
        "thunk = m.stream_chat('Hi.')",
        "thunk = m.stream_chat('Hi.'); sys.exit()",
    ],
)
def test_process_ends_with_work_in_flight(work, slow):
    process = start(_HEAD + work, slow)
    _, errors = process.communicate(timeout=30)

    assert process.returncode == 0
    assert errors == ""
