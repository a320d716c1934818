"""Opening a sandbox by name."""

import asyncio

import pytest

from mellea.core import Policy, SandboxError, UsageError
from mellea.stdlib.sandbox import TIERS, aopen_sandbox, ashared_sandbox, find_sandboxes, open_sandbox


def test_a_sandbox_is_opened_by_name():
    with open_sandbox("monty") as sandbox:
        assert sandbox.tier == "monty"
        assert sandbox.run("6 * 7").value == 42


def test_without_a_name_it_runs_real_python():
    with open_sandbox() as sandbox:
        assert sandbox.run("import attrs; print(attrs.__name__)").stdout == "attrs\n"


def test_without_one_that_enforces_the_policy_each_says_why():
    with pytest.raises(
        SandboxError, match=r"No sandbox for Python can be had here: The sandbox 'landlock' .*"
    ):
        open_sandbox(policy=Policy(memory=1 << 20))


def test_an_unknown_name_is_our_error():
    with pytest.raises(
        UsageError, match="There is no sandbox 'chroot'. Choose one of monty, landlock, docker"
    ):
        open_sandbox("chroot")


def test_every_sandbox_is_looked_for():
    assert [found.name for found in find_sandboxes()] == list(TIERS)


async def test_a_shared_sandbox_is_opened_once():
    policy = Policy(seconds=7)
    one, two = await asyncio.gather(ashared_sandbox("monty", policy), ashared_sandbox("monty", policy))
    three = await ashared_sandbox("monty", policy)
    assert one is three or two is three
    assert (await three.arun("1")).value == 1


async def test_a_sandbox_works_in_a_running_loop():
    async with await aopen_sandbox("landlock") as sandbox:
        assert (await sandbox.arun("print(1)")).stdout == "1\n"
