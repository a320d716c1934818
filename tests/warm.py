"""Programs in processes of their own that begin with what is heavy imported: they fork from one that has it.

Memory, standard streams, signals and the end are each program's own, as in a process that Python starts; only
the imports are there already. A test of what an import does starts Python instead, and so does one of what a
module reads from the environment when it is imported.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import IO

from attrs import define, frozen

__all__ = ["Done", "Program", "Warm", "warm"]

SECONDS = 120.0
"""After which a program is taken to hang."""

_PARENT = """
import gc, json, os, signal, socket, sys
{imports}
gc.collect()
gc.freeze()
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
here = socket.socket(fileno={number})
while True:
    said, ends, _, _ = socket.recv_fds(here, 1_000_000, 3)
    if not said:
        os._exit(0)
    if not os.fork():
        break
    for end in ends:
        os.close(end)
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
here.close()
if child := os.fork():
    os.close(ends[0])
    os.close(ends[1])
    os.write(ends[2], b"%d\\n" % child)
    os.write(ends[2], b"%d\\n" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    os._exit(0)
os.dup2(ends[0], 1)
os.dup2(ends[1], 2)
for end in ends:
    os.close(end)
said = json.loads(said)
os.environ.clear()
os.environ.update(said["environment"])
sys.argv[1:] = said["arguments"]
exec(said["program"], {{"__name__": "__main__"}})
"""
"""Each program has a process above it that waits for its end; the first one never does."""


@frozen
class Done:
    """A program that has ended.

    Args:
        returncode: What it ended with, negative for a signal.
        stdout: What it printed.
        stderr: What it said there.
    """

    returncode: int
    stdout: str
    stderr: str


@define
class Program:
    """A program that runs.

    Args:
        pid: Its process.
        stdout: What it prints.
        stderr: What it says there.
        status: Where its end is told.
    """

    pid: int
    stdout: IO[str]
    stderr: IO[str]
    status: IO[str]

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def end(self) -> Done:
        """Wait for its end, which comes after a while, if not by itself."""
        watchdog = threading.Timer(SECONDS, self.send_signal, [signal.SIGKILL])
        watchdog.start()
        try:
            with self.stdout, self.stderr, self.status, ThreadPoolExecutor(1) as pool:
                errors = pool.submit(self.stderr.read)
                said = self.stdout.read()
                return Done(int(self.status.readline()), said, errors.result())
        finally:
            watchdog.cancel()


@frozen
class Warm:
    """A process that waits for programs.

    Args:
        door: Where they are handed in.
    """

    door: socket.socket

    def start(self, program: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Program:
        """Start a program.

        Args:
            program: Its source.
            arguments: What follows in ``sys.argv``.
            environment: What to set in its environment, beside what is set here.
        """
        asked = {
            "program": program,
            "arguments": arguments,
            "environment": {**os.environ, **(environment or {})},
        }
        pipes = [os.pipe() for _ in range(3)]
        socket.send_fds(self.door, [json.dumps(asked).encode()], [end for _, end in pipes])
        for _, end in pipes:
            os.close(end)
        stdout, stderr, status = (os.fdopen(end) for end, _ in pipes)
        return Program(int(status.readline()), stdout, stderr, status)

    def run(self, program: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Done:
        """Start a program and wait for its end."""
        return self.start(program, *arguments, environment=environment).end()


@contextmanager
def warm(imports: str) -> Iterator[Warm]:
    """Run a process from which programs start, until the block ends.

    Args:
        imports: Statements that import what the programs need, and start no thread.
    """
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    number = there.fileno()
    source = _PARENT.format(imports=imports, number=number)
    with here:
        process = subprocess.Popen(
            [sys.executable, "-c", source], pass_fds=[number], stdin=subprocess.DEVNULL
        )
        there.close()
        try:
            yield Warm(here)
        finally:
            process.terminate()
            process.wait()
