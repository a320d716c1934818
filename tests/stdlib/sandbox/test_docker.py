"""The sandbox of containers, with a stand-in for the engine's command line."""

import os
import sys
from pathlib import Path

import pytest

from mellea.core import Policy, SandboxError, UsageError
from mellea.stdlib.sandbox import DockerSandbox
from mellea.stdlib.sandbox.docker import container_options
from mellea.stdlib.tools import CapabilityPolicy, python_tool

SMALL = Policy(memory=256 << 20, seconds=20, disk=1 << 20)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a stand-in for the program ``docker``."""
    place = tmp_path_factory.mktemp("engine")
    program = place / "docker"
    script = Path(__file__).with_name("stand_in_engine.py")
    path = os.pathsep.join(sys.path)
    program.write_text(
        f'#!/bin/sh\nSTAND_IN={place} TMPDIR={place} PYTHONPATH={path} exec {sys.executable} {script} "$@"\n'
    )
    program.chmod(0o755)
    return place


@pytest.fixture(scope="module")
def sandbox(place):
    with DockerSandbox(SMALL, program=str(place / "docker")) as sandbox:
        yield sandbox


@pytest.mark.parametrize(
    ("option", "clause"),
    [("--memory", "memory"), ("--pids-limit", "processes")],
)
def test_opening_fails_without_an_option(option, clause, place):
    policy = Policy(memory=256 << 20, disk=1 << 20, processes=4)
    options = [pair for pair in container_options(policy) if pair[0] != option]
    with pytest.raises(SandboxError) as caught:
        DockerSandbox(policy, program=str(place / "docker"), options=options).open()
    assert clause in caught.value.unenforced


def test_opening_fails_where_the_folder_has_no_bound(place):
    options = [pair if pair[0] != "--tmpfs" else ("--tmpfs", "/work:rw") for pair in container_options(SMALL)]
    with pytest.raises(SandboxError) as caught:
        DockerSandbox(SMALL, program=str(place / "docker"), options=options).open()
    assert "disk" in caught.value.unenforced


def test_opening_fails_where_files_outside_are_given(place):
    options = [*container_options(SMALL), ("--volume", "/tmp:/tmp")]
    with pytest.raises(SandboxError) as caught:
        DockerSandbox(SMALL, program=str(place / "docker"), options=options).open()
    assert {"read", "write"} <= set(caught.value.unenforced)


def test_opening_fails_where_variables_are_given(place, monkeypatch):
    monkeypatch.setenv("MELLEA_TEST_TOKEN", "abc")
    options = [*container_options(SMALL), ("--env", "MELLEA_TEST_TOKEN")]
    with pytest.raises(SandboxError) as caught:
        DockerSandbox(SMALL, program=str(place / "docker"), options=options).open()
    assert "environment" in caught.value.unenforced


def test_every_option_is_asked_for(sandbox, place):
    asked = (place / "runs.txt").read_text()
    for name in (
        "--cap-drop",
        "--ipc",
        "--network",
        "--pids-limit",
        "--read-only",
        "--security-opt",
        "--user",
    ):
        assert name in asked


def test_python_runs(sandbox):
    found = sandbox.run("import sys\nprint(open('in.txt').read())\nsys.exit(3)", files={"in.txt": b"hi"})
    assert (found.stdout, found.exit_code) == ("hi\n", 3)


def test_an_error_is_told(sandbox):
    assert sandbox.run("1 / 0").problem == "execution failed: ZeroDivisionError: division by zero"


def test_a_program_runs_with_its_arguments(sandbox):
    assert sandbox.run(["echo", "a  b"]).stdout == "a  b\n"


def test_a_program_that_takes_too_long_is_stopped(place):
    with DockerSandbox(Policy(seconds=1), program=str(place / "docker")) as sandbox:
        assert sandbox.run("while True: pass").timed_out


def test_variables_of_the_policy_are_seen(place):
    policy = Policy(environment={"COLOUR": "red"})
    assert "red" not in str(container_options(policy))
    with DockerSandbox(policy, program=str(place / "docker")) as sandbox:
        assert sandbox.run("import os; print(os.environ['COLOUR'])").stdout == "red\n"


def test_a_folder_that_the_policy_does_not_name_is_no_place_to_run(sandbox, tmp_path):
    with pytest.raises(UsageError, match="gives the program no right to"):
        sandbox.run("print(1)", folder=tmp_path)


def test_who_is_given_folders_may_use_them(tmp_path):
    assert ("--user", "65534:65534") in container_options(SMALL)
    assert ("--user", f"{os.getuid()}:{os.getgid()}") in container_options(Policy(write=[tmp_path]))


def test_files_are_copied_out_of_a_container(place, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
    made = tmp_path / "made"
    (made / "plots").mkdir(parents=True)
    paths = [f"{made}/a.csv", f"{made}/plots", f"{made}/none.txt", "here.txt"]
    policy = CapabilityPolicy(filesystem_write_roots=[str(made)], artifact_export_paths=paths)
    code = (
        f"open('{made}/a.csv', 'w').write('1')\nopen('{made}/plots/b.png', 'w').write('2')\nraise SystemExit"
    )

    found = python_tool("docker", artifact_dir=tmp_path / "out", policy=policy).run(code=code)

    assert [one.path.relative_to(tmp_path / "out").as_posix() for one in found.artifacts] == [
        *("a.csv", "plots/b.png")
    ]


def test_path_that_no_program_in_a_container_can_write_is_told(tmp_path):
    policy = CapabilityPolicy(artifact_export_paths=["/srv/a.csv"])
    found = python_tool("docker", artifact_dir=tmp_path, policy=policy).run(code="print(1)")
    assert "nothing can be written to /srv/a.csv" in found.skip_message


def test_an_engine_that_is_down_is_told(place):
    (place / "down").touch()
    try:
        with pytest.raises(SandboxError, match=r"reaches no engine: Cannot connect .* Start the engine"):
            DockerSandbox(program=str(place / "docker")).open()
    finally:
        (place / "down").unlink()


def test_an_engine_that_is_not_installed_is_told():
    with pytest.raises(SandboxError, match="needs the program 'nonesuch', which is not installed"):
        DockerSandbox(program="nonesuch").open()


def test_an_image_that_is_not_there_is_told(place):
    with pytest.raises(SandboxError, match=r"Unable to find image .* pull missing"):
        DockerSandbox(image="missing", program=str(place / "docker")).open()
