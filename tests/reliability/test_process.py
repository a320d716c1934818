"""Processes that are interrupted, or end with work in flight: they end at once, quietly."""

import signal
import textwrap
import time

import pytest

from tests.servers.chaos import running_chaos_server
from tests.warm import warm

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


@pytest.fixture(scope="module")
def warm_openai():
    with warm("import asyncio, mellea, openai, mellea_openai.backend") as parent:
        yield parent


@pytest.fixture
def start(warm_openai):
    """Start a program that opens a session on a server, and wait until it has."""

    def started(program, server):
        running = warm_openai.start(textwrap.dedent(program), server.url)
        assert running.stdout.readline() == "ready\n"
        return running

    return started


@pytest.mark.parametrize("place", sorted(PLACES))
def test_interrupt_ends_the_program(place, slow, quick, start):
    server = quick if place == "check" else slow
    before = server.number
    process = start(_HEAD + PLACES[place], server)
    deadline = time.monotonic() + 30
    while server.number == before and time.monotonic() < deadline:
        time.sleep(0.02)
    if place == "check":
        time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    done = process.end()

    assert done.returncode in (-signal.SIGINT, 130, 1)
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")
    assert "Unclosed" not in done.stderr


@pytest.mark.parametrize(
    "work",
    [
        "threading.Thread(target=m.chat, args=('Hi.',), daemon=True).start(); time.sleep(0.3)",
        "thunk = m.stream_chat('Hi.')",
        "thunk = m.stream_chat('Hi.'); sys.exit()",
    ],
)
def test_process_ends_with_work_in_flight(work, slow, start):
    done = start(_HEAD + work, slow).end()

    assert done.returncode == 0
    assert done.stderr == ""
