"""The one thread of the process in which everything that touches torch runs.

On the CPU, torch keeps a pool of workers for each thread that computes. Two such threads halve the speed of
both, and of everything after them; one thread, whichever it is, keeps full speed. So every backend of a
process hands its work to this one.
"""

from __future__ import annotations

import atexit
import importlib
import os
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from mellea.core.errors import ClosedError, ProviderError

__all__ = ["Engine", "engine"]

T = TypeVar("T")
_Job = tuple[Future[Any], Callable[[], Any], bool]


class Engine:
    """A daemon thread that does one job after the other; it starts with the first job."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.stopping = False
        """Whether the process ends; a running generation looks at it after each token."""
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._postponed: deque[_Job | None] = deque()
        """What a long job has found in the queue and not done in its midst."""
        self._thread: threading.Thread | None = None

    def submit(self, work: Callable[[], T], *, is_long: bool = False) -> Future[T]:
        """Let the engine's thread do some work, after all work handed in before.

        Args:
            work: What to do.
            is_long: Whether it calls ``give_way`` in its midst. Of such work, one is done at a time.

        Raises:
            ClosedError: The process is ending.
        """
        future: Future[T] = Future()
        with self._lock:
            if self.stopping:
                raise ClosedError("The process is ending: no model runs any more.", backend="hf")
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="mellea-hf-engine", daemon=True)
                self._thread.start()
            self._jobs.put((future, work, is_long))
        return future

    def give_way(self) -> None:
        """Do what was handed in meanwhile, in the midst of long work in the engine's thread."""
        for _ in range(self._jobs.qsize()):
            job = self._jobs.get()
            if job is None or job[2]:
                self._postponed.append(job)
            else:
                self._do(job)

    def stop(self) -> None:
        """Stop after the token that is being computed, cancel what waits, and join the thread."""
        with self._lock:
            self.stopping = True
            thread = self._thread
            self._jobs.put(None)
        if thread is not None and thread.is_alive():  # an interrupt may have come before it started
            thread.join()

    def _run(self) -> None:
        while (job := self._postponed.popleft() if self._postponed else self._jobs.get()) is not None:
            self._do(job)
            # Waiting for the next job, the thread must not keep the last one's model alive.
            del job

    def _do(self, job: _Job) -> None:
        future, work, _ = job
        if self.stopping:
            future.cancel()
        elif future.set_running_or_notify_cancel():
            _carry_out(future, work)


def _import_torch() -> None:
    """Import torch, with workers that sleep soon when there is nothing to do.

    By default, libgomp's workers spin for milliseconds at each of the hundreds of parallel steps of a token.
    On cores that other programs use too, they then wait for one another: tokens take ten to twenty times as
    long. With 1,000 turns, libgomp's own number for busy machines, an idle machine is as fast as before. The
    variable is read when torch loads.

    Raises:
        ProviderError: It cannot be imported; the next job tries again.
    """
    if "torch" in sys.modules:
        return
    ours = "GOMP_SPINCOUNT" not in os.environ
    if ours:
        os.environ["GOMP_SPINCOUNT"] = "1000"
    try:
        importlib.import_module("torch")
    except Exception as error:
        why = str(error).splitlines()[0] if str(error) else ""
        raise ProviderError(
            f"PyTorch cannot be loaded: {type(error).__name__}: {why}.",
            hint="Install it anew, for this machine: pip install --force-reinstall torch",
            backend="hf",
        ) from error
    finally:
        if ours:
            del os.environ["GOMP_SPINCOUNT"]


def _carry_out(future: Future[Any], work: Callable[[], Any]) -> None:
    try:
        _import_torch()
        result = work()
    except BaseException as error:  # noqa: BLE001  whoever waits for the future gets it
        future.set_exception(error)
    else:
        future.set_result(result)


engine = Engine()
"""The process's engine."""

atexit.register(engine.stop)
# The parent's thread does not exist in a forked child; an engine of its own starts there with the first job.
os.register_at_fork(after_in_child=engine.reset)
