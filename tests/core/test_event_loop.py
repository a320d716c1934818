import asyncio
import contextvars
import gc
import inspect
import subprocess
import sys
import textwrap
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import ClassVar

import pytest

from mellea.core import ModelOutputThunk, ServerError, UsageError
from mellea.core.event_loop import (
    PATIENCE,
    Closeable,
    LoopLocal,
    gather_or_cancel,
    run_sync,
    synchronous,
)
from mellea.stdlib.context import ChatContext, SimpleContext
from mellea.stdlib.session import MelleaSession
from mellea.testing import ScriptedBackend
from tests.core.gated import Gate, GatedBackend

variable = contextvars.ContextVar("variable", default="unset")


async def identity(value):
    await asyncio.sleep(0)
    return value


async def thread_name():
    return threading.current_thread().name


async def nested(levels):
    return levels if levels == 0 else run_sync(nested(levels - 1))


async def failing():
    raise LookupError("lost")


def script(text):
    """Run a program of its own, with warnings as errors, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(text)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_coroutine_runs_in_a_plain_script():
    assert run_sync(identity(5)) == 5


async def test_coroutine_runs_inside_a_running_loop():
    assert run_sync(identity(5)) == 5


def test_coroutines_run_from_many_threads():
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda value: run_sync(identity(value)), range(100))) == list(range(100))


def test_nested_calls_return_and_make_no_new_threads_the_second_time():
    run_sync(nested(5))
    before = threading.active_count()
    for _ in range(50):
        assert run_sync(nested(5)) == 0
    assert threading.active_count() == before


def test_all_threads_share_one_loop():
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: run_sync(thread_name()), range(8))) == {"mellea-loop-0"}


def test_context_variables_of_the_caller_are_seen():
    async def read():
        return variable.get()

    token = variable.set("here")
    try:
        assert run_sync(read()) == "here"
    finally:
        variable.reset(token)
    assert run_sync(read()) == "unset"


def test_exceptions_reach_the_caller():
    with pytest.raises(LookupError, match="lost"):
        run_sync(failing())


async def test_waiting_for_an_output_of_the_blocked_loop_is_refused():
    backend = GatedBackend("a", last="b")
    thunk, _ = await backend.generate_from_context("hi", SimpleContext())
    with pytest.raises(UsageError, match="this synchronous call blocks"):
        run_sync(thunk.avalue())
    with pytest.raises(UsageError, match="this synchronous call blocks"):
        list(thunk)
    backend.release.open()
    assert await thunk.avalue() == "ab"


async def test_waiting_for_an_output_of_the_blocked_loop_is_refused_at_any_depth():
    backend = GatedBackend("a")
    thunk, _ = await backend.generate_from_context("hi", SimpleContext())

    async def deeper():
        return run_sync(thunk.avalue())

    with pytest.raises(UsageError, match="this synchronous call blocks"):
        run_sync(deeper())
    await thunk.cancel_generation()


async def test_cancelling_an_output_of_the_blocked_loop_does_not_wait_for_it():
    backend = GatedBackend("a")
    thunk, _ = await backend.generate_from_context("hi", SimpleContext())
    await backend.reached.passed()
    thunk.cancel()
    assert thunk.cancelled
    await backend.stopped.passed()


def test_callback_that_waits_for_a_thread_which_calls_the_library_does_not_hang():
    async def blocking():
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(run_sync, identity(5)).result()

    assert run_sync(blocking()) == 5


def test_time_out_of_the_coroutine_itself_reaches_the_caller():
    async def slow():
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        run_sync(slow())


def test_call_that_takes_longer_than_a_loop_may_take_to_begin_runs_once():
    gate, runs = Gate(), []

    async def long():
        runs.append(1)
        await gate.passed()
        raise LookupError

    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(run_sync, long())
        with pytest.raises(TimeoutError):
            answer.result(PATIENCE * 1.5)
        gate.open()
        error = answer.exception()
    assert runs == [1]
    assert isinstance(error, LookupError)
    assert error.__context__ is None


class Patient(ChatContext):
    """Waits for its outputs before a generation, as a compactor does."""

    async def prepare(self, backend):
        for span in self.as_list():
            if isinstance(span, ModelOutputThunk):
                await span.avalue()
        return self


@pytest.mark.parametrize("verb", ["stream_chat", "chat"])
async def test_starting_what_waits_for_an_output_of_the_blocked_loop_is_refused(verb):
    m = MelleaSession(GatedBackend("a"), Patient())
    lazy = await m.aact("1")
    with pytest.raises(UsageError, match="this synchronous call blocks"):
        getattr(m, verb)("2")
    await lazy.cancel_generation()


async def test_stream_started_in_a_running_loop_may_depend_on_its_outputs():
    m = MelleaSession(GatedBackend(last="x"), ChatContext())
    lazy = await m.aact("1")
    stream = m.stream_chat("2")
    m.backend.release.open()
    assert await stream.avalue() == "x"
    assert lazy.is_computed()


def test_interrupt_stops_the_work_and_leaves_the_session_usable():
    printed = script("""
        import asyncio, os, signal, threading
        from mellea import ChatContext, MelleaSession
        from mellea.core import Backend, Chunk

        done, stopped = [], threading.Event()

        class Interrupting(Backend):
            async def stream_chat(self, request):
                if not done:
                    done.append(1)
                    os.kill(os.getpid(), signal.SIGINT)
                    try:
                        await asyncio.Event().wait()
                    finally:
                        stopped.set()
                yield Chunk(text="x")

        m = MelleaSession(Interrupting(), ChatContext())
        try:
            m.chat("hi")
        except KeyboardInterrupt:
            print("interrupted", stopped.wait(30), len(m.ctx.as_list()))
        print(m.chat("again").content)
    """)
    assert printed.splitlines() == ["interrupted True 0", "x"]


def test_interrupt_before_the_caller_waits_stops_the_work(monkeypatch):
    begun, stopped = threading.Event(), threading.Event()
    submit = asyncio.run_coroutine_threadsafe

    def interrupted(coroutine, loop):
        submit(coroutine, loop)
        assert begun.wait(30)
        raise KeyboardInterrupt

    async def work():
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_sync(work())
    assert stopped.wait(30)


def test_interpreter_ends_quietly_with_work_under_way():
    printed = script("""
        import asyncio
        from mellea.testing import ScriptedBackend
        from mellea import MelleaSession

        m = MelleaSession(ScriptedBackend("x", latency=1000))
        thunk = m.stream_chat("hi")
        print("done")
    """)
    assert printed == "done"


def test_forked_child_works_and_refuses_what_only_the_parent_can_finish():
    printed = script("""
        import os
        from mellea import MelleaSession
        from mellea.core import UsageError
        from mellea.testing import ScriptedBackend

        m = MelleaSession(ScriptedBackend("x"))
        m.chat("hi")
        pending = MelleaSession(ScriptedBackend("x", latency=1000)).stream_chat("hi")
        if os.fork() == 0:
            print(m.chat("from the child").content)
            try:
                list(pending)
            except UsageError as error:
                print(error)
            raise SystemExit(0)
        os.wait()
    """)
    first, second = printed.splitlines()
    assert first == "x"
    assert second.startswith("This output can never be complete")


class Client:
    def __init__(self):
        self.loop = asyncio.get_running_loop()
        self.closed_on = []

    async def close(self):
        self.closed_on.append(asyncio.get_running_loop())


def clients():
    return LoopLocal(Client, Client.close)


async def test_value_is_made_once_for_each_loop():
    local = clients()
    assert await local.get() is await local.get()
    assert await asyncio.to_thread(asyncio.run, local.get()) is not await local.get()
    await local.aclose()


def test_value_is_closed_when_its_loop_ends():
    local = clients()
    client = asyncio.run(local.get())
    assert client.closed_on == [client.loop]


async def test_closing_closes_the_values_of_other_running_loops_there():
    local = clients()

    async def other():
        return run_sync(local.get())

    theirs, mine = await asyncio.to_thread(asyncio.run, other()), await local.get()
    await local.aclose()
    assert theirs.closed_on == [theirs.loop]
    assert mine.closed_on == [mine.loop]
    assert theirs.loop is not mine.loop


async def test_closing_twice_is_harmless_and_a_new_value_is_made_afterwards():
    local = clients()
    first = await local.get()
    await local.aclose()
    await local.aclose()
    second = await local.get()
    await local.aclose()
    assert second is not first
    assert len(first.closed_on) == 1


async def test_value_of_a_dropped_owner_is_closed_on_its_loop():
    local = clients()
    client = await local.get()
    del local
    gc.collect()
    while not client.closed_on:
        await asyncio.sleep(0)

    assert client.closed_on == [client.loop]


def test_value_of_a_dropped_owner_is_closed_before_the_process_ends():
    printed = script("""
        import asyncio
        from mellea.core.event_loop import LoopLocal, run_sync

        async def close(value):
            await asyncio.sleep(0.1)
            print("closed", value, flush=True)

        async def dropped(name):
            await LoopLocal(lambda: name, close).get()

        kept = LoopLocal(lambda: "kept", close)
        run_sync(kept.get())
        run_sync(dropped("dropped"))
    """)
    assert sorted(printed.splitlines()) == ["closed dropped", "closed kept"]


def test_value_of_a_dropped_owner_whose_loop_has_ended_is_no_error():
    local = clients()
    client = asyncio.run(local.get())
    del local
    gc.collect()

    assert client.closed_on == [client.loop]


def test_value_of_the_parent_is_left_alone_after_a_fork():
    printed = script("""
        import asyncio, os
        from mellea.core.event_loop import LoopLocal, run_sync

        async def close(value):
            print("closed", value == os.getpid(), flush=True)

        local = LoopLocal(os.getpid, close)
        run_sync(local.get())
        if os.fork() == 0:
            assert run_sync(local.get()) == os.getpid()
            run_sync(local.aclose())
            raise SystemExit(0)
        os.wait()
        run_sync(local.aclose())
    """)
    assert printed.splitlines() == ["closed True", "closed True"]


async def test_backend_is_shared_by_loops_in_threads():
    backend = ScriptedBackend("x")

    async def ask():
        thunk, _ = await backend.generate_from_context("hi", SimpleContext())
        return await thunk.avalue()

    answers = await asyncio.gather(*(asyncio.to_thread(asyncio.run, ask()) for _ in range(8)))
    assert answers == ["x"] * 8


def test_exit_of_a_task_reaches_the_caller_and_leaves_the_loop_to_others():
    async def leaving(error):
        await asyncio.sleep(0)
        raise error

    for error in (SystemExit(3), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            run_sync(leaving(error))
        assert run_sync(identity(5)) == 5


def test_exit_in_a_task_of_its_own_does_not_end_the_work_of_others():
    async def two():
        async def leaving():
            raise SystemExit(3)

        task = asyncio.get_running_loop().create_task(leaving())
        await asyncio.wait([task])
        return await identity(task.exception().code)

    assert run_sync(two()) == 3


async def test_closing_from_the_loop_that_it_blocks_does_not_wait_for_it():
    closed = asyncio.Event()

    async def close(value):
        closed.set()

    local = LoopLocal(object, close)
    await local.get()
    run_sync(local.aclose())
    await asyncio.wait_for(closed.wait(), 5)

    assert await local.get() is not None
    await local.aclose()


async def test_plain_with_inside_a_coroutine_ends():
    with MelleaSession(ScriptedBackend("x"), owns_backend=True) as session:
        assert str(await session.ainstruct("hi")) == "x"
    assert session.closed


def test_leaving_a_synchronous_iteration_cancels_the_generation():
    backend = GatedBackend("ab")
    with MelleaSession(backend, ChatContext()) as session:
        thunk = session.stream_chat("hi")
        pieces = iter(thunk)
        assert next(pieces) == "ab"
        pieces.close()
        backend.stopped.wait()

        assert thunk.cancelled


async def test_first_error_is_raised_as_it_is_with_its_cause():
    cause, begun = OSError("no route"), Gate()
    error = ServerError("first")

    async def first():
        await begun.passed()
        raise error from cause

    async def second():
        try:
            begun.open()
            await Gate().passed()
        finally:
            raise ValueError("while it was stopped")

    with pytest.raises(ServerError) as caught:
        await gather_or_cancel([second(), first()])

    assert caught.value is error
    assert caught.value.__cause__ is cause


async def test_results_come_in_order_whichever_is_first():
    done = Gate()

    async def late():
        await done.passed()
        return "late"

    async def early():
        done.open()
        return "early"

    assert await gather_or_cancel([late(), early()]) == ["late", "early"]
    assert await gather_or_cancel([early()]) == ["early"]
    assert await gather_or_cancel([]) == []


class Door(Closeable):
    def __init__(self):
        self.closings = 0

    async def aclose(self):
        self.closings += 1


async def test_closeable_is_closed_in_every_way():
    door = Door()

    door.close()
    with door as within:
        pass
    async with door as within_too:
        pass

    assert (door.closings, within is door, within_too is door) == (3, True, True)


def test_closeable_is_closed_when_its_block_raises():
    door = Door()

    with pytest.raises(LookupError), door:
        raise LookupError

    assert door.closings == 1


class Greeter:
    async def agreet(self, name: str, *, loud: bool = False) -> str:
        """Greet somebody."""
        await asyncio.sleep(0)
        return f"hello {name}{'!' * loud}"

    greet = synchronous(agreet)


def test_synchronous_twin_does_what_the_coroutine_does():
    assert Greeter().greet("Ada", loud=True) == "hello Ada!"


async def test_synchronous_twin_works_in_a_running_loop():
    assert Greeter().greet(name="Ada") == "hello Ada"


def test_synchronous_twin_has_the_parameters_and_a_name_of_its_own():
    assert inspect.signature(Greeter.greet) == inspect.signature(Greeter.agreet)
    assert Greeter.greet.__qualname__ == "Greeter.greet"
    assert Greeter.greet.__doc__.startswith("Greet somebody.")
    assert not inspect.iscoroutinefunction(Greeter.greet)


# What belongs to a loop whose owner, or which itself, is gone


class Noisy:
    """A client that complains when it is let go without having been closed."""

    complaints: ClassVar[list[str]] = []
    closed: ClassVar = threading.Event()

    def __init__(self) -> None:
        self.is_closed = False

    async def close(self) -> None:
        self.is_closed = True
        Noisy.closed.set()

    def __del__(self) -> None:
        if not self.is_closed:
            Noisy.complaints.append("unclosed")


class Owner:
    """Somebody who holds clients, within a cycle of references."""

    def __init__(self) -> None:
        self.me = self
        self.clients = LoopLocal(self.made, Noisy.close)

    def made(self) -> Noisy:
        return Noisy()

    async def use(self) -> None:
        await self.clients.get()


def test_client_of_an_owner_that_nobody_holds_is_closed_before_it_is_let_go():
    Noisy.complaints.clear()
    Noisy.closed.clear()

    run_sync(Owner().use())
    gc.collect()

    assert Noisy.closed.wait(10)
    assert Noisy.complaints == []


def test_kept_owner_does_not_keep_loops_that_have_ended():
    owner, loops = Owner(), []

    async def use() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await owner.use()

    for _ in range(3):
        asyncio.run(use())
    gc.collect()

    assert [loop() for loop in loops] == [None] * 3
