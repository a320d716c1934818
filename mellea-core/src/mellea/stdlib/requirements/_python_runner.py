"""Running a piece of Python in a subprocess, with limits on time, memory and output."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Mapping
from typing import IO

from mellea.stdlib.sandbox.contract import SandboxResult

__all__ = ["run_python"]

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


async def run_python(
    code: str,
    *,
    timeout: float = 5.0,  # noqa: ASYNC109  stopping is part of what it does
    folder: str | None = None,
    environment: Mapping[str, str] | None = None,
) -> SandboxResult:
    """Run code with this interpreter, isolated from the environment, in an empty folder.

    It is bounded in time, memory (1 GiB) and output (1 MiB), and stopped with all its children. This is no
    sandbox: the code can read and write what the user can. For one see ``mellea.stdlib.sandbox``.

    Args:
        code: The program.
        timeout: The longest run, in seconds.
        folder: The folder that it runs in, instead of an empty one.
        environment: Its environment variables, instead of a few of this process's.
    """
    bootstrap = _WITH_LIMITS.format(memory=MEMORY_BYTES, seconds=int(timeout) + 1, output=OUTPUT_BYTES)
    kept = {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ}
    with (
        tempfile.TemporaryDirectory(prefix="mellea-run-") as empty,
        tempfile.TemporaryFile() as program,  # not an argument: those are bounded to 128 KiB
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
    ):
        program.write(code.encode(errors="surrogatepass"))
        program.seek(0)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-c", bootstrap,
            stdin=program, stdout=stdout, stderr=stderr, cwd=folder or empty, env=environment or kept,
            start_new_session=True,
        )  # fmt: skip
        exit_code: int | None = None
        try:
            exit_code = await asyncio.wait_for(process.wait(), timeout)
        except TimeoutError:
            pass
        finally:
            await _stop(process)
        return SandboxResult(
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
