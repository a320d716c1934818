"""Running a piece of Python in a subprocess."""

import asyncio
import os

import pytest

from mellea.stdlib.requirements._python_runner import OUTPUT_BYTES, run_python
from mellea.stdlib.sandbox import SandboxResult


@pytest.mark.parametrize(
    ("code", "stdout"),
    [
        ("print('é', 1 + 1)", "é 2\n"),
        ("print(__name__, __file__)", "__main__ program.py\n"),
        ("import os; print(os.listdir())", "[]\n"),
        ("import sys; print(repr(sys.stdin.read()))", "''\n"),
        ("import sys; print(sys.argv[1:])", "[]\n"),
    ],
)
async def test_run_gives_what_was_printed(code, stdout):
    run = await run_python(code, timeout=20)

    assert (run.stdout, run.exit_code, run.success, run.problem) == (stdout, 0, True, None)


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("raise ValueError('wrong')", "execution failed: ValueError: wrong"),
        ("import sys; sys.exit(4)", "execution failed: exit code 4"),
        ("x = =", "execution failed: SyntaxError: invalid syntax"),
        ("import os; os.abort()", "execution failed: exit code -6"),
        ("x = bytearray(2 << 30)", "execution failed: MemoryError"),
    ],
)
async def test_failure_has_a_reason_in_one_line(code, problem):
    run = await run_python(code, timeout=20)

    assert not run.success
    assert run.problem == problem


async def test_program_longer_than_an_argument_may_be_runs():
    run = await run_python("x = 1\n" * 50_000 + "print(x)", timeout=20)

    assert run.stdout == "1\n"


async def test_run_that_takes_too_long_is_stopped():
    run = await run_python("while True: pass", timeout=0.5)

    assert (run.timed_out, run.success) == (True, False)
    assert "timed out" in run.problem


async def test_children_of_a_stopped_run_are_stopped_too(tmp_path):
    os.mkfifo(tmp_path / "said")
    said = os.open(tmp_path / "said", os.O_RDONLY | os.O_NONBLOCK)
    path = str(tmp_path / "said")
    child = (
        "import subprocess; "
        f"subprocess.run('echo started; sleep 600', shell=True, stdout=open({path!r}, 'w'))"
    )

    run = await run_python(child, timeout=3)

    assert run.timed_out
    os.set_blocking(said, True)
    with os.fdopen(said) as pipe:  # ends when nobody is left who could write
        assert await asyncio.to_thread(pipe.read) == "started\n"


async def test_output_is_bounded():
    run = await run_python("import sys\nsys.stdout.write('a' * (3 << 20))", timeout=20)

    assert not run.success
    assert len(run.stdout) <= OUTPUT_BYTES


async def test_environment_is_not_handed_on(monkeypatch):
    monkeypatch.setenv("SECRET_KEY", "secret")

    run = await run_python("import os; print(os.environ.get('SECRET_KEY'))", timeout=20)

    assert run.stdout == "None\n"


async def test_cancelled_run_is_stopped():
    task = asyncio.create_task(run_python("import time; time.sleep(60)", timeout=60))
    await asyncio.sleep(0)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


def test_run_of_which_nothing_is_known_is_no_success():
    assert SandboxResult().problem == "execution failed: exit code None"
