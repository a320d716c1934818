"""Running a piece of Python in a subprocess, with limits on time, memory and output."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from typing import IO

from attrs import frozen

__all__ = ["ProcessResult", "run_python"]

MEMORY_BYTES = 1 << 30
OUTPUT_BYTES = 1 << 20
_KEPT_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT")
_WITH_LIMITS = """
import sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
    resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds}))
    resource.setrlimit(resource.RLIMIT_FSIZE, ({output}, {output}))
except ImportError:
    pass
program = compile(sys.stdin.buffer.read(), "program.py", "exec")
exec(program, {{"__name__": "__main__", "__file__": "program.py"}})
"""


@frozen
class ProcessResult:
    """What came of a run.

    Args:
        stdout: What it printed.
        stderr: What it said on the error stream.
        exit_code: Its exit code; None when it was stopped.
        timed_out: Whether it was stopped because it took too long.
    """

    stdout: str = ""
    stderr: str = ""
    exit_code: int | None = None
    timed_out: bool = False

    @property
    def success(self) -> bool:
        """Whether it ran to its end without an error."""
        return self.exit_code == 0

    @property
    def problem(self) -> str | None:
        """Why it is no success, in one line."""
        if self.success:
            return None
        if self.timed_out:
            return "timed out: the code runs too long"
        last = [line for line in self.stderr.splitlines() if line.strip()][-1:]
        return f"execution failed: {last[0] if last else f'exit code {self.exit_code}'}"


async def run_python(code: str, *, timeout: float = 5.0) -> ProcessResult:  # noqa: ASYNC109  stopping is part of what it does
    """Run code with this interpreter, isolated from the environment, in an empty folder.

    It is bounded in time, memory (1 GiB) and output (1 MiB), and stopped with all its children. This is no
    sandbox: the code can read and write what the user can.

    Args:
        code: The program.
        timeout: The longest run, in seconds.
    """
    bootstrap = _WITH_LIMITS.format(memory=MEMORY_BYTES, seconds=int(timeout) + 1, output=OUTPUT_BYTES)
    environment = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    with (
        tempfile.TemporaryDirectory(prefix="mellea-run-") as folder,
        tempfile.TemporaryFile() as program,  # not an argument: those are bounded to 128 KiB
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
    ):
        program.write(code.encode(errors="surrogatepass"))
        program.seek(0)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-c", bootstrap,
            stdin=program, stdout=stdout, stderr=stderr, cwd=folder, env=environment, start_new_session=True,
        )  # fmt: skip
        exit_code: int | None = None
        try:
            exit_code = await asyncio.wait_for(process.wait(), timeout)
        except TimeoutError:
            pass
        finally:
            await _stop(process)
        return ProcessResult(
            _read_output(stdout), _read_output(stderr), exit_code, timed_out=exit_code is None
        )


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Stop the process and whatever it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


def _read_output(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read(OUTPUT_BYTES).decode(errors="replace")
