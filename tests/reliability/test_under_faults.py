"""Hundreds of calls against a server that goes wrong: each ends in an answer or an error of ours."""

import asyncio
import gc
import os
import random
import threading
import time
from collections import Counter

import psutil
import pytest

from mellea.core import MelleaError, ModelOption

CALLS = int(os.environ.get("MELLEA_RELIABILITY_CALLS", "500"))
AT_ONCE = int(os.environ.get("MELLEA_RELIABILITY_AT_ONCE", "100"))


def connections(server):
    """Return those of this process's open connections that lead to a server."""
    return [
        connection
        for connection in psutil.Process().net_connections("inet")
        if connection.status == psutil.CONN_ESTABLISHED
        and connection.raddr
        and connection.raddr.port == server.port
    ]


def own_threads():
    """Return the threads that are not an executor's, which keeps as many as it ever needed."""
    return [
        thread
        for thread in threading.enumerate()
        if not thread.name.startswith(("asyncio_", "ThreadPoolExecutor"))
    ]


def tasks():
    return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def wait_until(is_so, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not is_so() and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    return is_so()


async def ask(session, number, ends):
    stream = number % 2 == 0
    try:
        thunk = await session.aact(f"call {number}", model_options={ModelOption.STREAM: stream})
        assert await thunk.avalue() == "Hello there."
        ends["answer"] += 1
    except MelleaError as error:
        ends[type(error).__name__] += 1


async def run_all(calls, at_once):
    gate = asyncio.Semaphore(at_once)

    async def one(call):
        async with gate:
            await call

    await asyncio.gather(*map(one, calls))


async def test_each_call_ends_in_an_answer_or_an_error_of_ours(open_session, chaos):
    session, ends = open_session(), Counter()
    await run_all(
        [ask(session, number, ends) for number in range(AT_ONCE)], AT_ONCE
    )  # clients and threads are made
    gc.collect()
    threads, memory = len(own_threads()), psutil.Process().memory_info().rss
    ends.clear()

    await run_all([ask(session, number, ends) for number in range(CALLS)], AT_ONCE)

    assert sum(ends.values()) == CALLS
    assert 0.8 * CALLS < ends["answer"] < CALLS
    assert len(ends) > 3
    await session.aclose()
    gc.collect()
    assert await wait_until(lambda: not tasks()), tasks()
    assert await wait_until(lambda: not connections(chaos)), connections(chaos)
    assert len(own_threads()) <= threads, own_threads()
    assert psutil.Process().memory_info().rss - memory < 50e3 * CALLS


async def test_cancelled_calls_leave_nothing_behind(open_session, chaos):
    session, draw = open_session(), random.Random(7)
    chaos.delay = 0.01

    async def cancelled(number):
        thunk = await session.aact(f"call {number}", model_options={ModelOption.STREAM: number % 2 == 0})
        await asyncio.sleep(draw.random() * 0.03)
        if number % 3:
            await thunk.cancel_generation()
        else:
            waiting = asyncio.ensure_future(thunk.avalue())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
            await thunk.cancel_generation()

    async def interrupted(number):
        task = asyncio.ensure_future(session.ainstruct(f"call {number}"))
        await asyncio.sleep(draw.random() * 0.03)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    try:
        calls = [(cancelled if number % 2 else interrupted)(number) for number in range(200)]
        await run_all(calls, 50)
    finally:
        chaos.delay = 0.0

    ends = Counter()
    await run_all([ask(session, number, ends) for number in range(20)], 5)
    assert ends["answer"] > 0
    await session.aclose()
    gc.collect()
    assert await wait_until(lambda: not tasks()), tasks()
    assert await wait_until(lambda: not connections(chaos)), connections(chaos)


def test_threads_share_one_session(open_session):
    session, ends, lock = open_session(ctx="chat"), Counter(), threading.Lock()

    def work(number):
        for _ in range(2):
            try:
                said = session.chat(f"thread {number}").content
            except MelleaError as error:
                said = type(error).__name__
            with lock:
                ends[said] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert not any(thread.is_alive() for thread in threads)
    assert sum(ends.values()) == 64
    assert len(session.ctx.as_list()) == 2 * ends["Hello there."]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
def test_forked_children_and_their_parent_go_on(open_session):
    session = open_session()
    first = _text(session)
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            os._exit(0 if _text(session) == "Hello there." else 1)
        children.append(child)

    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    assert first == _text(session) == "Hello there."


def _text(session):
    for _ in range(20):
        try:
            return str(session.act("Hi."))
        except MelleaError:
            continue
    return ""
