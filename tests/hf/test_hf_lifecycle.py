"""Cancelling, closing, forking, ending, and many callers at once."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mellea.core import (
    CBlock,
    ClosedError,
    GenerationCancelledError,
    ModelOption,
    OptionNotSupportedWarning,
    RequestRejectedError,
)
from mellea_hf import LocalHFBackend
from tests.hf import tiny
from tests.hf.conftest import Client, Conversation, on_engine


@pytest.fixture
def counted():
    """A client of a tiny model with a large window, and the steps that the model has made."""
    steps = Steps()
    tokenizer, model = on_engine(lambda: (tiny.tokenizer(), tiny.model(window=1_000_000)))
    model.register_forward_hook(steps.count)
    with LocalHFBackend("tiny", custom_config=(tokenizer, model, "cpu")) as backend:
        yield Client(backend), steps


class Steps(list[int]):
    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()

    def count(self, *_: object) -> None:
        self.append(1)
        self.begun.set()


ENDLESS = {"max_new_tokens": 900_000, "min_new_tokens": 900_000}


async def test_closing_the_stream_stops_the_engine(counted):
    client, steps = counted
    stream = client.backend.stream_chat(client.request("x", **ENDLESS))
    await anext(stream)

    await stream.aclose()
    stopped_at = len(steps)
    on_engine(lambda: None)

    assert len(steps) == stopped_at


async def test_cancelling_the_task_stops_the_engine(counted):
    client, steps = counted
    thunk, _ = await client.backend.generate_from_context(
        CBlock("x"), Conversation(), model_options={ModelOption.STREAM: True, **ENDLESS}
    )
    await thunk.astream()

    await thunk.cancel_generation()
    stopped_at = len(steps)
    on_engine(lambda: None)

    assert len(steps) == stopped_at
    with pytest.raises(GenerationCancelledError):
        await thunk.avalue()


async def test_cancelling_a_completion_stops_the_engine(counted):
    client, steps = counted
    task = asyncio.create_task(client.complete("x", "y", **ENDLESS))
    await asyncio.to_thread(steps.begun.wait)

    task.cancel()
    await asyncio.wait([task])
    stopped_at = len(steps)
    on_engine(lambda: None)

    assert task.cancelled()
    assert len(steps) == stopped_at


async def test_request_that_waits_for_its_turn_can_be_cancelled(counted):
    client, _ = counted
    running = client.backend.stream_chat(client.request("x", **ENDLESS))
    await anext(running)
    waiting = asyncio.create_task(client.text("y", **ENDLESS))
    await asyncio.sleep(0)

    waiting.cancel()
    await asyncio.wait([waiting])
    still_running = await anext(running)
    await running.aclose()

    assert waiting.cancelled()
    assert still_running.finish_reason is None


async def test_closing_ends_what_runs_with_an_error(counted):
    client, _ = counted
    stream = client.backend.stream_chat(client.request("x", **ENDLESS))
    await anext(stream)

    await client.backend.aclose()

    with pytest.raises(ClosedError):
        [_ async for _ in stream]


async def test_closed_backend_refuses_everything_and_closes_again(tiny_parts):
    client = Client(LocalHFBackend("tiny", custom_config=tiny_parts))

    await client.backend.aclose()
    await client.backend.aclose()

    with pytest.raises(ClosedError, match="tiny is closed"):
        await client.chunks("x")
    with pytest.raises(ClosedError):
        await client.complete("x")
    with pytest.raises(ClosedError):
        await client.backend.count_tokens(())
    with pytest.raises(ClosedError):
        await client.backend.aunload()


def test_closing_frees_the_model():
    import weakref

    tokenizer, model = on_engine(lambda: (tiny.tokenizer(), tiny.model()))
    gone = weakref.ref(model)
    backend = LocalHFBackend("tiny", custom_config=(tokenizer, model, "cpu"))
    del tokenizer, model

    backend.close()

    assert gone() is None


async def test_unloaded_model_is_freed_and_loaded_again_with_the_next_request(tiny_folder):
    import weakref

    client = Client(LocalHFBackend(str(tiny_folder)))
    before = await client.text("x", max_new_tokens=4, temperature=0)
    gone = weakref.ref(client.backend._holder.now().loaded.model)  # noqa: SLF001  whether it is freed

    await client.backend.aunload()
    unloaded = (gone(), client.backend.stats().written_tokens)
    after = await client.text("x", max_new_tokens=4, temperature=0)

    assert unloaded == (None, 0)
    assert after == before
    assert client.backend.stats().written_tokens == 4


async def test_what_runs_goes_on_while_its_model_is_unloaded(tiny_folder):
    with LocalHFBackend(str(tiny_folder)) as backend:
        client = Client(backend)
        stream = backend.stream_chat(client.request("x", max_new_tokens=40, min_new_tokens=40))
        await anext(stream)

        await backend.aunload()

        assert [chunk async for chunk in stream][-1].usage.completion_tokens == 40


async def test_abandoned_stream_leaves_the_backend_usable(counted):
    client, _ = counted
    await anext(client.backend.stream_chat(client.request("x", **ENDLESS)))

    chunks = await client.chunks("x", max_new_tokens=2)

    assert chunks[-1].usage.completion_tokens == 2


async def test_failed_generation_leaves_the_backend_usable(tiny_parts):
    client = Client(LocalHFBackend("tiny", custom_config=tiny_parts))
    handle = tiny_parts[1].register_forward_pre_hook(_out_of_memory)

    thunk, _ = await client.backend.generate_from_context(
        CBlock("x"), Conversation(), model_options={"max_new_tokens": 2}
    )
    with pytest.raises(RequestRejectedError, match="not enough memory") as caught:
        await thunk.avalue()
    handle.remove()

    assert isinstance(caught.value.__cause__, RuntimeError)
    assert (await client.chunks("x", max_new_tokens=2))[-1].usage.completion_tokens == 2


def _out_of_memory(*_: object) -> None:
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes.")


def test_threads_with_loops_of_their_own_share_the_backend(tiny_client):
    alone = asyncio.run(tiny_client.text("hello", max_new_tokens=20))

    with ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(lambda _: asyncio.run(tiny_client.text("hello", max_new_tokens=20)), range(8)))

    assert texts == [alone] * 8


def test_two_backends_share_one_thread(tiny_client, backend):
    names = [thread.name for thread in threading.enumerate() if "hf-engine" in thread.name]

    assert names == ["mellea-hf-engine"]


def test_cache_arguments_of_older_programs_are_reported(tiny_parts):
    with pytest.warns(OptionNotSupportedWarning, match="cache_bytes bounds it"):
        LocalHFBackend("tiny", custom_config=tiny_parts, use_caches=True, cache=object())


def test_import_of_the_package_loads_no_torch():
    code = (
        "import sys, mellea_hf, mellea_hf.plugin, mellea_hf.backend\n"
        "print({'torch', 'transformers'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert result.stdout == "set()\n"


FORK = """
import asyncio, os, sys
from mellea.core import UsageError
from mellea_hf import LocalHFBackend
from tests.hf.conftest import Client
client = Client(LocalHFBackend({folder!r}))
print(len(asyncio.run(client.complete("x", max_new_tokens=2))), flush=True)
if os.fork() == 0:
    try:
        asyncio.run(client.complete("x", max_new_tokens=2))
    except UsageError as error:
        print(error, flush=True)
    client.backend.close()
    own = Client(LocalHFBackend({folder!r}))
    print(len(asyncio.run(own.complete("x", max_new_tokens=2))), flush=True)
    sys.exit()
os.wait()
print(len(asyncio.run(client.complete("x", max_new_tokens=2))), flush=True)
"""


def test_backend_from_before_a_fork_is_an_error_in_the_child_and_works_in_the_parent(tiny_folder, warm_torch):
    lines = warm_torch.run(FORK.format(folder=str(tiny_folder))).stdout.splitlines()

    assert lines[0] == lines[2] == lines[3] == "1"
    assert lines[1].endswith("Make the backend in the child process.")


EXIT = """
import asyncio, threading
from mellea_hf import LocalHFBackend
from tests.hf.conftest import Client, on_engine
from tests.hf import tiny
from tests.hf.test_hf_lifecycle import ENDLESS
parts = on_engine(lambda: (tiny.tokenizer(), tiny.model(window=1_000_000), "cpu"))
client = Client(LocalHFBackend("tiny", custom_config=parts))
started = threading.Event()
parts[1].register_forward_hook(lambda *_: started.set())
threading.Thread(target=lambda: asyncio.run(client.complete("x", **ENDLESS)), daemon=True).start()
started.wait()
print("ends")
"""


def test_process_ends_while_a_model_generates(warm_torch):
    result = warm_torch.run(EXIT)

    assert result.returncode == 0
    assert result.stdout == "ends\n"
