"""The sandbox that interprets a part of Python."""

import asyncio

import pydantic_monty
import pytest
from attrs import evolve

from mellea.core import Policy, SandboxError, UsageError
from mellea.stdlib.sandbox.monty import MontySandbox, MontySettings

SMALL = Policy(memory=32 << 20, seconds=2, output=10_000)


@pytest.fixture(scope="module")
def sandbox():
    with MontySandbox(SMALL) as sandbox:
        yield sandbox


def opening_fails(**switched_off):
    settings = evolve(MontySettings.of(SMALL), **switched_off)
    with pytest.raises(SandboxError) as caught:
        MontySandbox(SMALL, settings=settings).open()
    return caught.value.unenforced


def without(limit):
    return {name: value for name, value in MontySettings.of(SMALL).limits.items() if name != limit}


def test_opening_fails_without_a_limit_on_memory():
    assert "memory" in opening_fails(limits=without("max_memory"))


def test_opening_fails_without_a_limit_on_time():
    assert "seconds" in opening_fails(limits=without("max_feed_duration_secs"))


def test_opening_fails_where_more_is_kept_of_what_is_printed():
    assert "output" in opening_fails(output=100_000)


def test_opening_fails_where_files_can_be_read():
    mount = pydantic_monty.MountDir(virtual_path="/tmp", host_path="/tmp", mode="read-only")
    assert "read" in opening_fails(given={"mount": mount})


def test_opening_fails_where_files_can_be_written():
    mount = pydantic_monty.MountDir(virtual_path="/tmp", host_path="/tmp", mode="read-write")
    assert "write" in opening_fails(given={"mount": mount})


def test_opening_fails_where_the_environment_can_be_read():
    access = pydantic_monty.OSAccess(environ={"PATH": "/bin"})
    assert "environment" in opening_fails(given={"os": access})


def test_code_runs_and_gives_a_value(sandbox):
    found = sandbox.run("def double(x):\n    return x * 2\nprint('hi')\ndouble(21)")
    assert (found.value, found.stdout, found.exit_code, found.success) == (42, "hi\n", 0, True)


def test_an_error_is_told(sandbox):
    found = sandbox.run("x = 1\nx / 0")
    assert found.exit_code == 1
    assert found.problem == "execution failed: ZeroDivisionError: division by zero"


def test_what_does_not_parse_is_told(sandbox):
    assert "SyntaxError" in sandbox.run("def f(:").stderr


def test_runs_know_nothing_of_each_other(sandbox):
    sandbox.run("x = 1")
    assert "NameError" in sandbox.run("x").stderr


@pytest.mark.parametrize("code", ["while True: pass", "import time\ntime.sleep(9)\ntime.sleep(9)"])
def test_a_program_that_takes_too_long_is_stopped(code):
    with MontySandbox(Policy(seconds=0.3)) as sandbox:
        found = sandbox.run(code)
        assert found.timed_out
        assert found.exit_code is None
        assert sandbox.run("1").value == 1


def test_what_is_printed_is_cut(sandbox):
    found = sandbox.run("print('x' * 50_000)")
    assert (len(found.stdout), found.truncated, found.success) == (10_000, True, True)


def test_a_program_that_takes_too_much_memory_ends(sandbox):
    assert "MemoryError" in sandbox.run("x = []\nwhile True: x.append('x' * 1000)").stderr
    assert sandbox.run("1").value == 1


def test_a_program_that_breaks_the_interpreter_harms_no_other(sandbox):
    sandbox.run("f = lambda f: f(f)\nf(f)")
    sandbox.run("x = []\nfor _ in range(100000): x = [x]\nrepr(x)")
    assert sandbox.run("1").value == 1


def test_runs_do_not_wait_for_each_other(sandbox):
    async def both():
        return await asyncio.gather(*(sandbox.arun(str(number)) for number in range(6)))

    assert [found.value for found in asyncio.run(both())] == list(range(6))


@pytest.mark.parametrize(
    ("policy", "asked"),
    [
        (Policy(read=["/tmp"]), "files"),
        (Policy(network=True), "network"),
        (Policy(subprocesses=True), "subprocesses or threads"),
        (Policy(environment={"A": "b"}), "environment variables"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_it_does_not_have_is_refused(policy, asked):
    with pytest.raises(SandboxError, match=f"gives code no {asked}, which the policy allows"):
        MontySandbox(policy).open()


def test_programs_and_files_are_refused(sandbox):
    with pytest.raises(UsageError, match="runs Python alone"):
        sandbox.run(["ls"])
    with pytest.raises(UsageError, match="has no files"):
        sandbox.run("1", files={"a": b""})
