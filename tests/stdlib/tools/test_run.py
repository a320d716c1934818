"""Calls of one answer, carried out."""

import asyncio
import threading
import time

import pytest

from mellea.core import CBlock, ModelToolCall, ToolArgumentsError, ToolMessage, UsageError
from mellea.core.event_loop import run_sync
from mellea.stdlib.tools import ToolRunner, tool
from mellea.stdlib.tools._results import Pages
from mellea.testing import ScriptedBackend


def call(function, _id="1", **args):
    made = function if hasattr(function, "as_json_tool") else tool(function)
    return ModelToolCall(made.name, made, args, _id)


async def outcome(*calls, **settings):
    return await ToolRunner(**settings).run(calls)


@tool
def double(x: int) -> int:
    return 2 * x


async def test_result_is_told_in_a_message():
    (message,) = await outcome(call(double, x="4"))

    assert isinstance(message, ToolMessage)
    assert (message.role, message.content, message.tool_output) == ("tool", "8", 8)
    assert (message.name, message.arguments, message.tool_call_id) == ("double", {"x": "4"}, "1")
    assert not message.failed
    assert "double" in repr(message)


async def test_calls_run_at_the_same_time_and_answer_in_their_order():
    together = threading.Barrier(3, timeout=30)

    def meet(n: int) -> int:
        together.wait()
        return n

    messages = await outcome(*(call(meet, str(n), n=n) for n in range(3)))

    assert [message.content for message in messages] == ["0", "1", "2"]


async def test_no_more_calls_than_wanted_run_at_once():
    running, most = 0, 0

    async def count() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    await outcome(*(call(count) for _ in range(6)), at_once=2)

    assert most == 2


async def test_tool_that_raises_does_not_stop_the_others():
    def fail() -> None:
        raise LookupError("no such city")

    broken, whole = await outcome(call(fail), call(double, x=1))

    assert broken.failed
    assert broken.content == "fail failed: LookupError: no such city"
    assert isinstance(broken.tool_output, LookupError)
    assert whole.content == "2"


async def test_tool_that_hangs_is_given_up():
    release = threading.Event()

    def hang() -> None:
        release.wait(60)

    async def hang_too() -> None:
        await asyncio.Event().wait()

    messages = await outcome(call(hang), call(hang_too), call(double, x=1), timeout=0.05)
    release.set()

    assert [message.failed for message in messages] == [True, True, False]
    assert messages[0].content == "hang took longer than 0.05 s and was given up."


async def test_time_out_of_the_tool_goes_before_that_of_the_runner():
    @tool(timeout=0.01)
    async def hang() -> None:
        await asyncio.Event().wait()

    (message,) = await outcome(call(hang))

    assert "0.01 s" in message.content


async def test_time_out_of_the_tools_own_is_an_error_of_the_tool():
    def impatient() -> None:
        raise TimeoutError("the database is slow")

    (message,) = await outcome(call(impatient))

    assert message.content == "impatient failed: TimeoutError: the database is slow"


async def test_tool_that_is_cancelled_from_within_fails_alone():
    async def cancelled() -> None:
        raise asyncio.CancelledError

    messages = await outcome(call(cancelled), call(double, x=1))

    assert [message.failed for message in messages] == [True, False]


async def test_cancelled_run_cancels_its_tools():
    started, ended = asyncio.Event(), []

    async def hang() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    task = asyncio.create_task(outcome(call(hang), call(hang)))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert ended == [True, True]


async def test_arguments_that_do_not_fit_never_reach_the_function():
    reached = []

    def look(city: str, days: int) -> None:
        reached.append(city)

    (message,) = await outcome(call(look, city="Rome", days="many"))

    assert reached == []
    assert message.failed
    assert message.content.startswith(
        "The arguments of look do not fit: days: Input should be a valid integer"
    )


async def test_unknown_tool_and_unreadable_arguments_are_told():
    calls = [ModelToolCall("fly", None), ModelToolCall("double", double, problem="No JSON.")]

    messages = await ToolRunner().run(calls)

    assert [message.content for message in messages] == ["There is no tool 'fly'.", "No JSON."]
    with pytest.raises(ToolArgumentsError):
        calls[1].call_func()
    with pytest.raises(UsageError):
        calls[0].call_func()


# Results


async def text_of(value, **settings):
    return (await outcome(call(lambda_tool(value)), **settings))[0].content


def lambda_tool(value):
    def give():
        return value

    return give


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        (None, "None"),
        (True, "True"),
        ({"größe": [1, None]}, '{"größe": [1, null]}'),
        ((1, "a"), '[1, "a"]'),
        (b"caf\xc3\xa9 \xff", "café �"),
        ([b"\xff"], "[b'\\xff']"),
        (CBlock("a block"), "a block"),
    ],
)
async def test_results_are_told_as_text(value, text):
    assert await text_of(value) == text


async def test_result_that_cannot_be_told_is_a_failure():
    class Silent:
        def __str__(self):
            raise RuntimeError("no words")

    (message,) = await outcome(call(lambda_tool(Silent())))

    assert (message.failed, message.content) == (True, "give failed: RuntimeError: no words")


async def test_long_result_is_cut_and_kept_whole():
    (message,) = await outcome(call(lambda_tool("x" * 100_000_000)), longest_result=10)

    assert message.content == "xxxxxxxxxx\n[99,999,990 more characters are left out.]"
    assert len(message.tool_output) == 100_000_000


async def test_rest_of_a_long_result_can_be_read():
    pages = Pages()

    (message,) = await ToolRunner(longest_result=10).run(
        [call(lambda_tool("0123456789abcdefghijKL"))], pages=pages
    )

    assert message.content.endswith("Call read_result with result=1 and start=10 to read on.]")
    reader = pages.tool()
    second = reader.run(**reader.arguments({"result": "1", "start": 10}))
    assert second.startswith("abcdefghij\n[2 more characters. Call read_result with result=1 and start=20")
    assert pages.read(1, 20) == "KL"
    assert pages.read(7, 0) == "There is no result 7."


# Approval


@pytest.mark.parametrize(
    ("decision", "said"),
    [
        (False, "The call of double is not allowed."),
        ("too large", "The call of double is not allowed: too large"),
    ],
)
async def test_denied_call_is_told_and_not_carried_out(decision, said):
    (message,) = await outcome(call(double, x=1), approve=lambda call: decision)

    assert (message.failed, message.content) == (True, said)


async def test_allowed_call_is_carried_out_and_a_changed_one_in_its_place():
    async def halve(asked):
        return asked.with_args({"x": asked.args["x"] // 2}) if asked.args["x"] > 10 else True

    messages = await outcome(call(double, x=4), call(double, x=40), approve=halve)

    assert [message.content for message in messages] == ["8", "40"]


async def test_changed_call_is_checked_too():
    (message,) = await outcome(call(double, x=4), approve=lambda call: call.with_args({"x": "many"}))

    assert message.failed


async def test_forgotten_decision_is_an_error_of_the_program():
    with pytest.raises(UsageError, match="approve returned None"):
        await outcome(call(double, x=4), approve=lambda call: None)


async def test_what_approve_raises_goes_to_the_program():
    def broken(call):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await outcome(call(double, x=4), approve=broken)


async def test_approval_is_not_asked_for_what_is_not_carried_out():
    asked = []

    await outcome(ModelToolCall("fly", None), call(double), approve=lambda call: bool(asked.append(call)))

    assert asked == []


async def test_blocking_approval_does_not_hold_up_the_loop():
    asked = threading.Event()

    def wait(call):
        return asked.wait(30)

    running = asyncio.create_task(outcome(call(double, x=1), approve=wait))
    await asyncio.sleep(0)
    asked.set()

    assert (await running)[0].content == "2"


# Tools within tools


async def test_tool_that_calls_itself_comes_to_an_end():
    depths = []

    @tool
    def again() -> str:
        depths.append(time.monotonic())
        return run_sync(ToolRunner().run([call(again)]))[0].content

    (message,) = await outcome(call(again))

    assert message.content == "again is not called: tools are at work 8 deep already."
    assert len(depths) == 8


@pytest.mark.parametrize("wrong", [{"timeout": 0}, {"at_once": 0}, {"longest_result": 0}, {"rounds": "3"}])
def test_bound_that_allows_nothing_is_refused(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        ToolRunner(**wrong)


async def test_no_calls_are_no_messages():
    assert await outcome() == []
    assert await ToolRunner().run([], backend=ScriptedBackend()) == []
