"""Calls of a library that blocks: their pieces, and all the ways in which they end."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextlib import aclosing

import pytest

from mellea.core import ClosedError
from mellea.core.blocking import BlockingCalls, shared

UNDER_LOAD = """
import asyncio, contextlib, threading, time
from mellea.core import ClosedError
from mellea.core.blocking import BlockingCalls

begun = threading.Event()

def call(model, hand_on):
    begun.set()
    while not hand_on("piece"):
        time.sleep(0.001)
    print("the call has ended", flush=True)

async def read():
    with contextlib.suppress(ClosedError):
        async for piece in BlockingCalls("slow", None).stream(call):
            pass

threading.Thread(target=lambda: asyncio.run(read()), daemon=True).start()
begun.wait()
"""
IN_A_CHILD = """
import asyncio, os, sys
from mellea.core.blocking import BlockingCalls, shared

class Model:
    def __del__(self):
        os.write(1, b"freed\\n")

calls = BlockingCalls("slow", shared("model", Model))
if child := os.fork():
    os.waitpid(child, 0)
    print("the child has ended", flush=True)
    asyncio.run(calls.aclose())
else:
    try:
        asyncio.run(calls.result(id))
    except ValueError as error:
        print(error, flush=True)
    asyncio.run(calls.aclose())
    del calls
"""


@pytest.fixture
def calls():
    return BlockingCalls("slow", "a model")


class Endless:
    """A call that hands on numbers until it has to end."""

    def __init__(self):
        self.has_ended = threading.Event()

    def __call__(self, model, hand_on):
        number = 0
        while not hand_on(number):
            number += 1
        self.has_ended.set()


async def read(stream):
    return [piece async for piece in stream]


async def test_pieces_come_in_order_from_another_thread(calls):
    def call(model, hand_on):
        for number in range(100):
            hand_on((model, number, threading.current_thread().daemon))

    assert await read(calls.stream(call)) == [("a model", number, True) for number in range(100)]


async def test_reader_who_leaves_ends_the_call(calls):
    call = Endless()
    async with aclosing(calls.stream(call)) as pieces:
        assert await anext(pieces) == 0

    assert await asyncio.to_thread(call.has_ended.wait, 5)


async def test_cancelled_reader_ends_the_call(calls):
    call = Endless()
    reading = asyncio.ensure_future(read(calls.stream(call)))
    await asyncio.sleep(0)
    reading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await reading
    assert await asyncio.to_thread(call.has_ended.wait, 5)


async def test_what_the_call_raises_reaches_the_reader(calls):
    def call(model, hand_on):
        hand_on("one")
        raise ValueError("two")

    stream = calls.stream(call)
    assert await anext(stream) == "one"
    with pytest.raises(ValueError, match="two"):
        await anext(stream)


async def test_closing_ends_the_calls_and_says_so(calls):
    call, other = Endless(), BlockingCalls("other", "a model")
    going_on = other.stream(Endless())
    async with aclosing(calls.stream(call)) as pieces, aclosing(going_on):
        await anext(pieces)
        await anext(going_on)

        await calls.aclose()

        assert call.has_ended.is_set()
        with pytest.raises(ClosedError, match="'slow' answers no more: it is closed"):
            await read(pieces)
        await anext(going_on)
    with pytest.raises(ClosedError):
        await calls.result(len)


def test_call_whose_loop_has_ended_ends(calls):
    call = Endless()

    async def leave():
        stream = calls.stream(call)
        await anext(stream)
        return stream  # left open: nobody closes it on its loop

    held = asyncio.run(leave())

    assert held is not None
    assert call.has_ended.wait(5)


async def test_result_is_what_the_call_returns(calls):
    assert await calls.result(len) == 7
    with pytest.raises(ValueError, match="substring"):
        await calls.result(lambda model: model.index("x"))


class Model:
    def __del__(self):
        print("freed", flush=True)


def test_what_is_shared_is_made_once_and_freed_with_its_last_holder(capsys):
    first, second = shared("model", Model), shared("model", Model)
    assert first is second
    assert shared("other", Model) is not first

    del first
    assert capsys.readouterr().out == "freed\n"
    del second
    assert capsys.readouterr().out == "freed\n"
    assert shared("model", Model)


def test_child_neither_uses_nor_frees_what_its_parent_has():
    done = subprocess.run(
        [sys.executable, "-c", IN_A_CHILD], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stderr) == (0, "")
    refused, *others = done.stdout.splitlines()
    assert refused.startswith("Backend 'slow' was made before the process forked")
    assert others == ["the child has ended", "freed"]


def test_process_ends_within_a_call():
    done = subprocess.run(
        [sys.executable, "-c", UNDER_LOAD], capture_output=True, text=True, timeout=60, check=False
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "the call has ended\n", "")
