"""What it costs to import the framework, and to get from the start of a process to the first request.

Imports are measured in processor time, which on an idle machine is the time they take, and the lowest of
several rounds counts: a difference in milliseconds, unlike a ratio, has all the noise of the machine in it.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from benchmarks.measure import Plan, interleaved
from benchmarks.server import Server, running_server
from benchmarks.table import Row

__all__ = ["rows"]

_HEAVY = ("openai", "ollama", "litellm", "transformers", "torch", "jinja2", "pydantic")
_LOADED = f"import sys, mellea; print(*(name for name in {_HEAVY!r} if name in sys.modules))"
_OURS = """
from mellea import start_session
start_session("openai", model_id="m", base_url={url!r}, api_key="k").chat("hi")
"""
_SDK = """
from openai import OpenAI
client = OpenAI(base_url={url!r}, api_key="k")
client.chat.completions.create(model="m", messages=[{{"role": "user", "content": "hi"}}])
"""


def rows(plan: Plan) -> Iterator[Row]:
    """Measure both."""
    loaded = subprocess.run(
        [sys.executable, "-c", _LOADED], capture_output=True, text=True, check=True
    ).stdout.split()
    yield Row(
        "heavy modules after import mellea", len(loaded), 0, "modules", "difference", 0, note=" ".join(loaded)
    )
    bare, package, session = interleaved(
        plan.rounds(24),
        _run("pass"),
        _run("import mellea"),
        _run("from mellea import start_session"),
        pick=min,
    )
    yield Row("import mellea, over a bare interpreter", package * 1e3, bare * 1e3, "ms", "difference", 30)
    yield Row("from mellea import start_session", session * 1e3, bare * 1e3, "ms", "difference", 120)
    with running_server() as server:
        ours, sdk = interleaved(plan.rounds(12), _first_request(_OURS, server), _first_request(_SDK, server))
    yield Row("process start to first request", ours * 1e3, sdk * 1e3, "ms", bound=1.1)


def _run(code: str) -> Callable[[], float]:
    def side() -> float:
        before = _children()
        subprocess.run([sys.executable, "-c", code], check=True)
        return _children() - before

    return side


def _children() -> float:
    """Return the processor time, in seconds, of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _first_request(script: str, server: Server) -> Callable[[], float]:
    code = script.format(url=server.base_url())

    def side() -> float:
        start = time.monotonic()
        subprocess.run([sys.executable, "-c", code], check=True)
        return server.last_arrival() - start

    return side
