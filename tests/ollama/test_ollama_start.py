"""Making a backend: the server check, the exact match of the model's name, and the pull."""

import os
import pty
import socket
import subprocess
import sys
import termios
from inspect import signature

import pytest

from mellea.core import ModelIdentifier, UsageError
from mellea.core.errors import (
    MalformedResponseError,
    ModelNotFoundError,
    ProviderConnectionError,
    ProviderTimeoutError,
    ServerError,
    StreamInterruptedError,
)
from mellea_ollama import OllamaModelBackend, plugin
from tests.servers.ollama import Fault

PULLING = """
import sys
from mellea_ollama import OllamaModelBackend
OllamaModelBackend("smollm2-extra", base_url=sys.argv[1])
"""
LAZY = """
import sys
import mellea_ollama, mellea_ollama.plugin
sys.exit("aiohttp" in sys.modules)
"""


@pytest.fixture
def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("name", ["smollm2", "smollm2:latest", "SmolLM2", "library/smollm2"])
async def test_name_without_tag_means_the_latest(make, server, name):
    make(name, pull=False)

    assert server.sent("/api/pull") == []


@pytest.mark.parametrize("name", ["smollm", "smollm2.1", "smollm2.1:1b", "smollm2:135m"])
async def test_only_the_exact_name_is_a_match(make, name):
    with pytest.raises(ModelNotFoundError, match="ollama pull"):
        make(name, pull=False)


async def test_missing_model_names_what_is_installed(make):
    with pytest.raises(ModelNotFoundError, match=r"Installed are .*smollm2"):
        make("smolm2", pull=False)


async def test_missing_model_is_pulled_in_silence_without_a_terminal(make, ask, server, capfd):
    backend = make("smollm2-extra")

    assert await (await ask("Hello.", of=backend)).avalue()
    assert [body["model"] for body in server.sent("/api/pull")] == ["smollm2-extra"]
    assert capfd.readouterr() == ("", "")


def test_pull_shows_its_progress_on_a_terminal(server):
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 120))
    command = [sys.executable, "-c", PULLING, server.base_url]
    process = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=slave, timeout=60)
    os.close(slave)

    shown = os.read(master, 65536).decode()
    os.close(master)

    assert process.returncode == 0
    assert process.stdout == b""
    assert "smollm2-extra" in shown
    assert "100%" in shown


async def test_model_that_cannot_be_pulled_is_not_found(make):
    with pytest.raises(ModelNotFoundError, match="file does not exist") as caught:
        make("no-such-model")

    assert caught.value.__cause__ is not None
    assert caught.value.model_id == "no-such-model"


async def test_pull_that_breaks_off_is_an_error(make, server):
    server.faults.append(Fault("end", after=2, path="/api/pull"))

    with pytest.raises(StreamInterruptedError, match="pulling"):
        make("smollm2-extra")


def test_server_that_is_down_is_an_error_with_both_remedies(closed_port):
    with pytest.raises(ProviderConnectionError) as caught:
        OllamaModelBackend("smollm2", base_url=f"http://127.0.0.1:{closed_port}")

    assert str(closed_port) in str(caught.value)
    assert "ollama serve" in str(caught.value)
    assert 'start_session(backend="hf")' in str(caught.value)
    assert 'pip install "mellea-core[hf]"' in str(caught.value)


def test_address_comes_from_the_environment(server, monkeypatch):
    monkeypatch.setenv("OLLAMA_HOST", server.base_url.removeprefix("http://"))

    with OllamaModelBackend("smollm2") as backend:
        assert backend.base_url == server.base_url


def test_password_in_the_address_appears_nowhere(closed_port):
    with pytest.raises(ProviderConnectionError) as caught:
        OllamaModelBackend("smollm2", base_url=f"http://me:secret@127.0.0.1:{closed_port}")

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("address", ["http://127.0.0.1:port", "http://[::1", 11434])
def test_wrong_address_is_the_callers_fault(address):
    with pytest.raises(UsageError, match="no address"):
        OllamaModelBackend("smollm2", base_url=address)


async def test_another_kind_of_server_is_told_from_ollama(make, server):
    server.faults.append(Fault("status", status=404, message="not found", path="/api/tags"))

    with pytest.raises(ProviderConnectionError, match="no Ollama server"):
        make()


async def test_failing_server_is_told_from_a_missing_model(make, server):
    server.faults.append(Fault("status", status=500, message="out of memory", path="/api/tags"))

    with pytest.raises(ServerError, match="out of memory"):
        make()


async def test_list_that_is_no_json_is_an_error(make, server):
    server.faults.append(Fault("malformed", path="/api/tags"))

    with pytest.raises(MalformedResponseError):
        make()


async def test_server_that_never_answers_is_given_up(make, server):
    server.faults.append(Fault("stall", path="/api/tags"))

    with pytest.raises(ProviderTimeoutError):
        make(timeout=0.2)


@pytest.mark.parametrize("model_id", ["", "  ", 7, ModelIdentifier(hf_model_name="org/model")])
async def test_unusable_model_id_is_the_callers_fault(make, model_id):
    with pytest.raises(UsageError):
        make(model_id)


async def test_identifier_stands_for_its_ollama_name(make):
    backend = make(ModelIdentifier(hf_model_name="org/model", ollama_name="smollm2:latest"))

    assert backend.model_id == "smollm2:latest"


async def test_identifier_of_a_gguf_repository_is_pulled_from_the_hub(make, server):
    with pytest.raises(ModelNotFoundError):
        make(ModelIdentifier(hf_model_name="org/model-GGUF"))

    assert server.sent("/api/pull")[0]["model"] == "hf.co/org/model-GGUF"


def test_importing_the_package_and_its_manifest_imports_no_client():
    assert subprocess.run([sys.executable, "-c", LAZY], check=False, timeout=60).returncode == 0


def test_manifest_says_what_the_class_says():
    manifests = []

    plugin.mellea_register_backends(manifests.append)

    assert [manifest.name for manifest in manifests] == ["ollama"]
    assert manifests[0].capabilities == OllamaModelBackend.capabilities
    assert manifests[0].default_model_id == signature(OllamaModelBackend).parameters["model_id"].default
