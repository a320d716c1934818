"""The Python tool and the environments of the 0.8 line."""

import os
import warnings
from pathlib import Path

import pytest

from mellea.stdlib.tools import (
    COMPATIBILITY_MATRIX,
    DOCKER_POLICY,
    LOCAL_POLICY,
    CapabilityPolicy,
    ExecutionResult,
    code_interpreter,
    local_code_interpreter,
    make_execution_environment,
    python_tool,
)

TIERS = ["static", "local_unsafe", "local", "docker_unsafe", "docker"]


def test_a_result_says_why():
    assert ExecutionResult(True, "out", "err").to_validationresult_reason() == "out"
    assert ExecutionResult(False, "out", "err").to_validationresult_reason() == "err"
    assert ExecutionResult(False, None, None, skip_message="no").to_validationresult_reason() == "no"


def test_an_unknown_tier_is_a_value_error_that_lists_them():
    with pytest.raises(ValueError, match="static, local_unsafe, local, docker_unsafe, docker"):
        make_execution_environment("moon")


def test_static_analysis_gives_the_tree():
    found = make_execution_environment("static").execute("x = 1")
    assert (found.success, found.skipped, found.execution_mode) == (True, True, "static")
    assert type(found.analysis_result).__name__ == "Module"
    assert isinstance(make_execution_environment("static").execute("x =").analysis_result, SyntaxError)


@pytest.mark.parametrize("tier", TIERS)
def test_modules_that_are_not_allowed_are_refused_everywhere(tier):
    found = make_execution_environment(tier, allowed_imports=[]).execute("import os")
    assert (found.success, found.skipped) == (False, True)
    assert found.skip_message.startswith("Unauthorized imports: os")


@pytest.mark.parametrize("tier", ["local_unsafe", "local"])
def test_code_runs(tier, tmp_path):
    found = make_execution_environment(tier, working_directory=tmp_path).execute("print(' hi '); 1 / 0")
    assert (found.success, found.skipped, found.stdout, found.exit_code) == (False, False, "hi", 1)
    assert "ZeroDivisionError" in found.stderr
    assert (found.execution_mode, found.working_directory) == (tier, str(tmp_path))


@pytest.mark.parametrize("tier", ["local_unsafe", "local"])
def test_code_that_takes_too_long_is_stopped(tier):
    found = make_execution_environment(tier).execute("while True: pass", timeout=0.5)
    assert (found.success, found.skipped, found.timed_out) == (False, True, True)


def test_the_local_tier_enforces_its_policy(outside_server):
    code = f"import socket\nsocket.create_connection({outside_server!r}, 2)"
    assert make_execution_environment("local_unsafe").execute(code).success
    assert "PermissionError" in make_execution_environment("local").execute(code).stderr


def test_the_local_tier_may_do_what_the_policy_allows(monkeypatch, tmp_path):
    monkeypatch.setenv("COLOUR", "red")
    code = (
        "import os, subprocess\n"
        "print(os.environ['COLOUR'], subprocess.run(['true']).returncode)\n"
        "open('a', 'w')"
    )
    assert make_execution_environment("local", working_directory=tmp_path).execute(code).stdout == "red 0"
    assert (tmp_path / "a").exists()


def test_roots_are_enforced(tmp_path):
    (tmp_path / "in").mkdir()
    policy = CapabilityPolicy(filesystem_read_roots=[tmp_path / "in"], filesystem_write_roots=[])
    environment = make_execution_environment("local", policy, working_directory=tmp_path / "in")
    assert environment.execute("open('a', 'w')").success
    assert "PermissionError" in environment.execute(f"open({str(tmp_path / 'b')!r}, 'w')").stderr


def test_output_is_cut_to_bytes(tmp_path):
    policy = CapabilityPolicy(stdout_max_bytes=40, timeout=20)
    found = make_execution_environment("local", policy).execute("print('é' * 100)")
    assert len(found.stdout.encode()) <= 40
    assert found.stdout.endswith("... [truncated]")


def test_every_field_of_a_policy_is_enforced_but_one_with_network():
    policy = CapabilityPolicy()
    assert policy.unenforced_capabilities() == []
    assert "network_access" in policy.enforced_capabilities()
    assert CapabilityPolicy(network_access=True).unenforced_capabilities() == ["package_installation"]
    assert (LOCAL_POLICY.timeout, DOCKER_POLICY.timeout, policy.timeout) == (30, 60, 30)
    assert LOCAL_POLICY.subprocess_execution
    assert not LOCAL_POLICY.network_access


def test_the_matrix_says_what_tiers_do():
    assert list(COMPATIBILITY_MATRIX) == TIERS
    assert [tier for tier in TIERS if COMPATIBILITY_MATRIX[tier]["policy_applied"]] == ["local", "docker"]
    assert not COMPATIBILITY_MATRIX["static"]["execute_code"]


def test_files_are_copied_into_containers_alone(tmp_path):
    with pytest.raises(NotImplementedError, match="does not support"):
        make_execution_environment("local").copy_in(tmp_path, "x")
    (tmp_path / "a.txt").write_text("a")
    with make_execution_environment("docker") as container:
        container.copy_in(tmp_path / "a.txt", "/work/a.txt")
        container.copy_out("/work/a.txt", tmp_path / "b.txt")
    assert (tmp_path / "b.txt").read_text() == "a"


@pytest.mark.parametrize("tier", ["docker", "docker_unsafe"])
def test_without_an_engine_the_run_is_skipped_with_the_reason(tier, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = make_execution_environment(tier).execute("print(1)")
    assert (found.success, found.skipped) == (False, True)
    assert "not installed" in found.skip_message


def test_the_tool_runs_code():
    tool = python_tool("local")
    assert tool.name == "python"
    assert tool.run(code="print(6 * 7)").stdout == "42"
    assert python_tool("static", name="look").run(code="x").skipped


def test_without_a_tier_it_warns_once_when_it_is_made():
    with pytest.warns(UserWarning, match="without a sandbox") as caught:
        tool = python_tool()
    assert len(caught) == 1
    assert tool.run(code="print(1)").execution_mode == "local_unsafe"


@pytest.mark.parametrize("tier", TIERS)
def test_a_named_tier_warns_of_nothing(tier):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        python_tool(tier)


@pytest.mark.parametrize(
    ("tier", "policy", "said"),
    [
        ("local_unsafe", CapabilityPolicy(), "local_unsafe does not enforce what a policy says"),
        ("local", CapabilityPolicy(network_access=True), "does not enforce package_installation where"),
    ],
)
def test_what_a_tier_does_not_enforce_is_told_when_the_tool_is_made(tier, policy, said):
    with pytest.warns(UserWarning, match=said):
        python_tool(tier, policy=policy)


def test_without_a_policy_the_local_tier_writes_temporary_files_alone(tmp_path):
    tool = python_tool("local")
    assert tool.run(code=f"open({str(tmp_path / 'a')!r}, 'w').write('a')").success
    assert "PermissionError" in tool.run(code="open('/var/tmp/mellea-test', 'w')").stderr


def test_a_container_without_export_paths_warns(tmp_path):
    with pytest.warns(RuntimeWarning, match="artifact_export_paths"):
        python_tool("docker", artifact_dir=tmp_path)


def test_files_are_artifacts(tmp_path):
    tool = python_tool("local", artifact_dir=tmp_path / "made")
    tool.run(code="open('b.csv', 'w').write('1')")
    found = tool.run(code="open('a.png', 'wb').write(b'12')")
    assert [(one.path.name, one.size_bytes, one.content_type) for one in found.artifacts] == [
        ("a.png", 2, "image/png"),
        ("b.csv", 1, "text/csv"),
    ]
    assert tool.run(code="1 / 0").artifacts == []


def test_artifacts_stay_as_long_as_the_result():
    found = python_tool("local").run(code="open('a.txt', 'w').write('x')")
    path = found.artifacts[0].path
    assert path.read_text() == "x"
    del found
    assert not path.exists()


@pytest.mark.parametrize("package", ["", "  ", "--index-url=x", "-r x.txt"])
def test_what_is_no_package_is_a_value_error(package):
    with pytest.raises(ValueError, match="is no package"):
        python_tool("local", packages=[package])


def test_packages_that_cannot_be_installed_skip_the_run(tmp_path):
    missing = f"mellea-test-package @ {(tmp_path / 'none').as_uri()}"
    tool = python_tool("local", packages=[missing])
    assert "could not be installed" in tool.run(code="print(1)").skip_message
    assert python_tool("local", packages=[]).run(code="print(1)").success


def test_matplotlib_gets_a_backend_without_a_display():
    code = "import os; print(os.environ.get('MPLBACKEND'))"
    assert python_tool("local").run(code=code).stdout == "Agg"
    assert python_tool("local", suppress_agg=True).run(code=code).stdout == str(os.environ.get("MPLBACKEND"))


def test_older_interpreters_warn():
    with pytest.warns(DeprecationWarning, match="python_tool"):
        assert local_code_interpreter("print(1)").stdout == "1"
    with pytest.warns(DeprecationWarning, match="python_tool"):
        code_interpreter("x =")


def test_a_working_directory_that_is_not_there_is_told(tmp_path):
    found = make_execution_environment("local", working_directory=tmp_path / "none").execute("print(1)")
    assert "does not exist" in found.skip_message
    assert not Path(tmp_path / "none").exists()


@pytest.fixture
def outside_server():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()
