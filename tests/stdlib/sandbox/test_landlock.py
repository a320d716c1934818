"""The sandbox that the Linux kernel confines."""

import asyncio
import os
import sys
from pathlib import Path
from unittest.mock import ANY

import psutil
import pytest
from attrs import evolve

from mellea.core import ClosedError, Policy, SandboxError, UsageError
from mellea.stdlib.sandbox._confinement import Confinement
from mellea.stdlib.sandbox._system_calls import NETWORK, STARTING
from mellea.stdlib.sandbox.landlock import LandlockSandbox

NAMESPACES = "root" if os.geteuid() == 0 else "user"
OUTSIDE = ("/tmp", "/var", "/root", "/home", "/proc", "/dev")


def everything(policy):
    """Return the confinement that follows from a policy."""
    return Confinement.of(policy, NAMESPACES)


def opening_fails(policy, **switched_off):
    """Return the clauses that are not enforced with something switched off."""
    sandbox = LandlockSandbox(policy, confinement=evolve(everything(policy), **switched_off))
    with pytest.raises(SandboxError) as caught:
        sandbox.open()
    return caught.value.unenforced


@pytest.fixture(scope="module")
def sandbox():
    with LandlockSandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def with_programs():
    with LandlockSandbox(Policy(subprocesses=True, processes=8, seconds=5)) as sandbox:
        yield sandbox


def test_opening_fails_where_files_may_be_read(small):
    assert "read" in opening_fails(small, read=(*everything(small).read, *OUTSIDE))


def test_opening_fails_where_files_may_be_written(small):
    assert "write" in opening_fails(small, write=OUTSIDE)


def test_opening_fails_without_landlock(small):
    assert {"read", "write"} <= set(opening_fails(small, files=False, own_user=False))


def test_opening_fails_where_sockets_may_be_made(small):
    confinement = everything(small)
    missing = opening_fails(
        small, allowed=confinement.allowed | NETWORK, isolated_network=False, namespaces=NAMESPACES
    )
    assert "network" in missing


def test_opening_fails_where_programs_may_be_started(small):
    confinement = everything(small)
    assert "subprocesses" in opening_fails(small, allowed=confinement.allowed | STARTING, limits=())


def test_opening_fails_where_a_program_may_become_another(small):
    assert "subprocesses" in opening_fails(
        small, allowed=everything(small).allowed | {"execve"}, execute=True
    )


def test_opening_fails_without_a_list_of_system_calls(small):
    assert {"subprocesses", "processes"} <= set(
        opening_fails(small, system_calls=False, execute=True, limits=())
    )


@pytest.mark.parametrize(
    ("clause", "limit"), [("memory", "RLIMIT_AS"), ("processes", "RLIMIT_NPROC")], ids=["memory", "processes"]
)
def test_opening_fails_without_a_limit(clause, limit, small):
    policy = evolve(small, processes=4)
    limits = tuple(pair for pair in everything(policy).limits if pair[0] != limit)
    assert clause in opening_fails(policy, limits=limits)


def test_opening_fails_where_nothing_stops_a_program(small):
    assert "seconds" in opening_fails(small, stopped=False)


def test_opening_fails_where_the_environment_is_inherited(small, outside):
    assert "environment" in opening_fails(small, environment=tuple(os.environ.items()))


def test_opening_fails_where_more_is_kept_of_what_is_printed(small):
    assert "output" in opening_fails(small, output=small.output * 2)


def test_opening_fails_where_the_folder_has_no_bound(small):
    assert "disk" in opening_fails(small, disk=None, limits=())


def test_opening_fails_where_the_parent_can_be_signalled(small):
    missing = opening_fails(
        evolve(small, disk=None), namespaces="none", scoped=False, disk=None, own_user=False
    )
    assert "parent" in missing


def test_what_is_missing_is_said_by_clause(small):
    sandbox = LandlockSandbox(small, confinement=evolve(everything(small), files=False))
    with pytest.raises(SandboxError, match=r"does not enforce its policy here \(.*read: the program reached"):
        sandbox.open()


def test_without_namespaces_the_rest_is_enforced(small):
    policy = evolve(small, disk=None)
    with LandlockSandbox(policy, confinement=Confinement.of(policy, "none")) as sandbox:
        assert sandbox.run("print(6 * 7)").stdout == "42\n"


def test_a_sandbox_that_is_not_open_runs_nothing():
    with pytest.raises(ClosedError, match="not open"):
        LandlockSandbox().run("print(1)")


def test_a_closed_sandbox_runs_nothing():
    sandbox = LandlockSandbox().open()
    sandbox.close()
    with pytest.raises(ClosedError, match="not open"):
        sandbox.run("print(1)")


def test_python_runs_as_ever(sandbox):
    found = sandbox.run("import sys\nprint(sys.argv, __name__)\nprint('no', file=sys.stderr)")
    assert (found.stdout, found.stderr, found.exit_code) == ("['program.py'] __main__\n", "no\n", 0)
    assert found.success
    assert found.problem is None


def test_an_error_shows_the_line(sandbox):
    found = sandbox.run("def half(x):\n    return x / 0\n\nhalf(1)")
    assert found.exit_code == 1
    assert "return x / 0" in found.stderr
    assert found.problem == "execution failed: ZeroDivisionError: division by zero"
    assert "launcher" not in found.stderr


def test_what_does_not_parse_is_told(sandbox):
    assert "SyntaxError" in sandbox.run("def f(:").stderr


def test_exit_codes_and_signals_are_told(sandbox):
    assert sandbox.run("raise SystemExit(7)").exit_code == 7
    assert sandbox.run("import os; os.kill(os.getpid(), 11)").exit_code == -11
    assert sandbox.run("raise SystemExit('no')").stderr == "no\n"


def test_installed_packages_can_be_imported(sandbox):
    assert sandbox.run("import attrs, numpy\nprint(numpy.arange(4).sum())").stdout == "6\n"


def test_files_go_in_and_come_out(sandbox):
    code = "import shutil\nshutil.copy('in/a.txt', 'b.txt')\nopen('c.txt', 'w').write('c')"
    found = sandbox.run(code, files={"in/a.txt": b"a"})
    assert found.files == {"in/a.txt": b"a", "b.txt": b"a", "c.txt": b"c"}


def test_only_regular_files_come_out(sandbox):
    code = """
import os
os.mkfifo('pipe')
os.symlink('/etc/passwd', 'link')
os.symlink('/etc', 'folder')
open('kept', 'w').write('x')
os.truncate(os.open('large', os.O_CREAT | os.O_WRONLY), 60 << 20)
os.truncate(os.open('larger', os.O_CREAT | os.O_WRONLY), 60 << 20)
"""
    found = sandbox.run(code)
    assert {"pipe", "link", "folder"}.isdisjoint(found.files)
    assert sum(map(len, found.files.values())) <= sandbox.policy.disk


def test_a_deep_tree_is_no_trap(sandbox):
    code = "import os\nfor _ in range(1500):\n    os.mkdir('d')\n    os.chdir('d')\nprint('done')"
    assert sandbox.run(code).stdout == "done\n"


def test_each_run_has_a_folder_of_its_own(sandbox):
    sandbox.run("open('kept', 'w')")
    assert sandbox.run("import os; print(os.listdir())").stdout == "[]\n"


def test_a_program_that_takes_too_long_is_stopped():
    with LandlockSandbox(Policy(seconds=0.3)) as sandbox:
        found = sandbox.run("import signal\nsignal.signal(15, signal.SIG_IGN)\nwhile True: pass")
    assert found.timed_out
    assert found.exit_code is None
    assert found.problem == "timed out: the code runs too long"


def test_what_is_printed_is_cut():
    with LandlockSandbox(Policy(output=1000)) as sandbox:
        found = sandbox.run("print('x' * 5000)")
    assert (len(found.stdout), found.truncated, found.success) == (1000, True, True)


def test_a_flood_of_output_ends_with_the_time():
    with LandlockSandbox(Policy(output=1000, seconds=1)) as sandbox:
        found = sandbox.run("while True: print('x' * 5000)")
    assert (len(found.stdout), found.timed_out) == (1000, True)


def test_a_folder_of_the_policy_can_be_written(tmp_path):
    with LandlockSandbox(Policy(write=[tmp_path])) as sandbox:
        assert sandbox.run("open('a.txt', 'w').write('a')", folder=tmp_path).success
        assert sandbox.run(f"open({str(tmp_path / 'b.txt')!r}, 'w').write('b')").success
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b.txt"]


def test_a_folder_of_the_policy_can_be_read(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    with LandlockSandbox(Policy(read=[tmp_path])) as sandbox:
        assert sandbox.run(f"print(open({str(tmp_path / 'a.txt')!r}).read())").stdout == "a\n"
        assert "PermissionError" in sandbox.run(f"open({str(tmp_path / 'a.txt')!r}, 'w')").stderr


def test_a_folder_that_the_policy_does_not_name_is_no_place_to_run(sandbox, tmp_path):
    with pytest.raises(UsageError, match="gives the program no right to"):
        sandbox.run("print(1)", folder=tmp_path)


def test_variables_of_the_policy_are_seen():
    with LandlockSandbox(Policy(environment={"COLOUR": "red"})) as sandbox:
        assert sandbox.run("import os; print(os.environ['COLOUR'])").stdout == "red\n"


def test_the_network_can_be_allowed(outside):
    with LandlockSandbox(Policy(network=True)) as sandbox:
        found = sandbox.run(outside.variables(sandbox.policy).replace("None", "0") + "import socket\n"
                            "socket.create_connection(SERVER, 5)\nprint('called')")  # fmt: skip
    assert found.stdout == "called\n"
    assert outside.was_called()


def test_threads_can_be_allowed_and_are_counted():
    with LandlockSandbox(Policy(processes=6)) as sandbox:
        code = """
import threading
stop = threading.Event()
running = 1
try:
    for _ in range(20):
        threading.Thread(target=stop.wait).start()
        running += 1
except RuntimeError:
    pass
print(running)
stop.set()
"""
        assert sandbox.run(code).stdout == "6\n"


def test_a_program_runs_with_its_arguments(sandbox):
    assert sandbox.run(["echo", "a  b", "$HOME"]).stdout == "a  b $HOME\n"


def test_a_program_that_is_not_there_is_told(sandbox):
    with pytest.raises(UsageError, match="no program 'nonesuch'"):
        sandbox.run(["nonesuch"])


def test_a_program_starts_no_other_where_that_is_not_allowed(sandbox):
    found = sandbox.run(["sh", "-c", "ls / && echo OUT"])
    assert "OUT" not in found.stdout


def test_programs_can_be_started_where_that_is_allowed(with_programs):
    code = "import subprocess\nprint(subprocess.run(['echo', 'hi'], capture_output=True, text=True).stdout)"
    assert with_programs.run(code).stdout == "hi\n\n"
    assert with_programs.run(
        ["sh", "-c", "echo a | tr a b; ls /etc/shadow; cat /etc/shadow"]
    ).stdout.startswith("b\n")


def test_no_child_outlives_the_run(with_programs):
    marker = f"mellea-{os.urandom(8).hex()}"
    code = f"""
import os, sys, time
for _ in range(3):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in (0, 1, 2):
                os.close(number)
            os.execv(sys.executable, ['python', '-c', 'import time; time.sleep(600)', {marker!r}])
        os._exit(0)
time.sleep(0.2)
"""
    assert with_programs.run(code).success
    assert not [one for one in psutil.process_iter(["cmdline"]) if marker in (one.info["cmdline"] or [])]


def test_a_fork_bomb_is_bounded(with_programs):
    code = """
import os, time
made = 0
while True:
    try:
        if os.fork() == 0:
            time.sleep(600)
        made += 1
    except OSError:
        break
print(made)
"""
    found = with_programs.run(code)
    assert (found.stdout, found.exit_code) == ("7\n", 0)


def test_a_child_is_confined_as_its_parent(with_programs, outside):
    code = """
import os, subprocess
os.environ["LD_PRELOAD"] = FILE
script = f"print(open({FILE!r}).read())"
cat = f"cat < {FILE}"
for argv in (["cat", FILE], ["env", "-i", "cat", FILE], ["sh", "-c", cat], ["python3", "-c", script]):
    print(subprocess.run(argv, capture_output=True, text=True, check=False).stdout)
"""
    assert outside.secret not in with_programs.run(outside.variables(with_programs.policy) + code).stdout


def test_a_cancelled_run_leaves_nothing_behind(with_programs):
    marker = f"mellea-{os.urandom(8).hex()}"

    async def cancel():
        running = asyncio.ensure_future(
            with_programs.arun(["sh", "-c", f"python3 -c 'import time; time.sleep(600)' {marker}; true"])
        )
        while not _running(marker):
            await asyncio.sleep(0.02)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancel())
    assert not _running(marker)


def _running(marker):
    return [one for one in psutil.process_iter(["cmdline"]) if marker in (one.info["cmdline"] or [])]


def test_runs_do_not_wait_for_each_other(sandbox):
    async def both():
        return await asyncio.gather(*(sandbox.arun(f"print({number})") for number in range(6)))

    assert [found.stdout for found in asyncio.run(both())] == [f"{number}\n" for number in range(6)]


def test_nothing_is_left_in_the_folder_for_temporary_files(sandbox, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    sandbox.run("open('a', 'w')")
    assert list(tmp_path.iterdir()) == []


def test_no_descriptor_is_left(sandbox):
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        sandbox.run("print(1)")
    assert len(list(Path("/proc/self/fd").iterdir())) <= before


@pytest.mark.parametrize("program", [[], [1], 3], ids=str)
def test_what_is_no_program_is_an_error(program, sandbox):
    with pytest.raises(UsageError, match="A program is Python as text, or a list of words"):
        sandbox.run(program)


def test_an_empty_program_does_nothing(sandbox):
    assert sandbox.run("") == evolve(sandbox.run(""), seconds=ANY)


@pytest.mark.parametrize("name", ["/etc/x", "../x", "a/../../x", ""])
def test_files_stay_in_the_folder(name, sandbox):
    with pytest.raises(UsageError, match="no file in the program's folder"):
        sandbox.run("print(1)", files={name: b""})


def test_the_interpreter_is_this_one(sandbox):
    assert sandbox.run("import sys; print(sys.version)").stdout.strip() == sys.version.strip()
