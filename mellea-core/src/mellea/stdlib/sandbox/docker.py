"""The sandbox ``docker``: Python, or a program, in a container of an engine that is there.

Each run is a container of its own, started by the engine's command line and gone afterwards. It has no
network, a root that cannot be written, a folder of its own in memory, no capabilities, and a user that owns
nothing (this process's own, where the policy gives it folders); where it can be made, the list of system
calls of the sandbox ``landlock`` is installed inside.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import secrets
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

from mellea.core.errors import SandboxError, UsageError
from mellea.core.policy import Policy
from mellea.stdlib.sandbox._process import Finished, run_process
from mellea.stdlib.sandbox.canaries import judge_canaries, set_bait
from mellea.stdlib.sandbox.contract import Program, Sandbox, SandboxResult, lies_in

__all__ = ["FOLDER", "DockerSandbox", "container_options"]

_IMAGE = "python:3.12-slim"
FOLDER = "/work"
"""The folder of its own that a program in a container runs in."""
_NOT_STARTED = 125
"""The status with which the engine says that it could not start a container."""
_PATIENCE = 10.0
"""The longest wait for a word of the engine, in seconds."""


def container_options(policy: Policy) -> tuple[tuple[str, ...], ...]:
    """Return the options of ``docker run`` that a policy asks for, each with its value."""
    return (
        ("--pull", "never"),
        ("--log-driver", "none"),
        *(() if policy.network else (("--network", "none"),)),
        ("--ipc", "none"),
        ("--read-only",),
        ("--workdir", FOLDER),
        ("--tmpfs", f"{FOLDER}:rw,nosuid,nodev,mode=1777" + (f",size={policy.disk}" if policy.disk else "")),
        ("--memory", str(policy.memory)),
        ("--memory-swap", str(policy.memory)),
        ("--pids-limit", str(policy.processes)),
        ("--ulimit", "core=0"),
        ("--cap-drop", "ALL"),
        ("--security-opt", "no-new-privileges"),
        ("--user", _user(policy)),
        *(("--volume", f"{path}:{path}:ro") for path in policy.read),
        *(("--volume", f"{path}:{path}") for path in policy.write),
        *(("--env", name) for name, _ in policy.environment),  # values are not for a command line
    )


def _user(policy: Policy) -> str:
    """Return who a program in a container is: nobody, or who may use the folders that it is given."""
    if (policy.read or policy.write) and hasattr(os, "getuid"):
        return f"{os.getuid()}:{os.getgid()}"
    return "65534:65534"


class DockerSandbox(Sandbox):
    """A container for each run.

    Args:
        policy: What the code may do; the defaults of ``Policy`` when None.
        image: An image with Python, which is there already.
        program: The engine's command line: ``docker``, or one that takes the same options.
        options: Options of ``docker run``, instead of what follows from the policy. The canaries judge them
            all the same.
    """

    tier: ClassVar[str] = "docker"

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        image: str = _IMAGE,
        program: str = "docker",
        options: Sequence[Sequence[str]] | None = None,
    ) -> None:
        super().__init__(policy)
        self.image = image
        self._program = program
        self._options = container_options(self.policy) if options is None else options

    async def _prove(self) -> Mapping[str, str]:
        await asyncio.to_thread(self._find_engine)
        with set_bait(self.policy, (name for name, _ in self.policy.environment), inherited=True) as bait:

            async def run(code: str, seconds: float) -> SandboxResult:
                return await self._contain(Program.of(code, None, None), seconds)

            return await judge_canaries(self.policy, bait, run)

    def _find_engine(self) -> None:
        if shutil.which(self._program) is None:
            raise SandboxError(
                f"The sandbox 'docker' needs the program {self._program!r}, which is not installed.",
                hint="Install Docker or another engine, or choose 'landlock'.",
                tier=self.tier,
            )
        command = [self._program, "version", "--format", "{{.Server.Version}}"]
        try:
            told = subprocess.run(  # noqa: S603  the engine's command line
                command, capture_output=True, text=True, timeout=_PATIENCE, check=False
            )
            problem = told.stderr.strip() if told.returncode else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            problem = str(error)
        if problem:
            raise SandboxError(
                f"The sandbox 'docker' reaches no engine: {problem}",
                hint="Start the engine, or choose 'landlock'.",
                tier=self.tier,
            )

    async def _execute(self, program: Program) -> SandboxResult:
        if program.folder is not None and not lies_in(
            program.folder, (*self.policy.read, *self.policy.write)
        ):
            raise UsageError(
                f"The policy gives the program no right to {program.folder}.",
                hint="Name the folder in the policy's write, or read.",
            )
        return await self._contain(program, self.policy.seconds)

    async def _contain(self, program: Program, seconds: float) -> SandboxResult:
        name = f"mellea-sandbox-{secrets.token_hex(8)}"
        options = [word for option in self._options for word in option]
        if program.folder is not None:
            options += ["--workdir", program.folder]
        command = [self._program, "run", "--rm", "--interactive", "--name", name, *options, self.image]
        finished = await run_process(
            [*command, "python", "-I", "-c", _inside()],
            text=_pack(program, self._filter(program)),
            environment={**os.environ, **dict(self.policy.environment)},
            seconds=seconds,
            output=self.policy.output,
            stop=lambda: self._kill(name),
        )
        self._check(finished)
        return SandboxResult(
            finished.stdout.decode(errors="replace"),
            finished.stderr.decode(errors="replace"),
            None if finished.timed_out else finished.code,
            finished.timed_out,
            finished.truncated,
            finished.seconds,
        )

    def _filter(self, program: Program) -> bytes:
        """Return the filter of system calls, where one can be made; the canaries tell if it is missed."""
        try:
            from mellea.stdlib.sandbox._confinement import Confinement, compile_filter  # noqa: PLC0415
        except ImportError:
            return b""
        confinement = Confinement.of(self.policy, "none")
        confinement = confinement if program.argv is None else confinement.for_program()
        return compile_filter(confinement.allowed, confinement.silent)

    def _kill(self, name: str) -> None:
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            command = [self._program, "kill", name]
            subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)  # noqa: S603

    def _check(self, finished: Finished) -> None:
        if finished.code == _NOT_STARTED and not finished.timed_out:
            problem = finished.stderr.decode(errors="replace").strip()
            raise SandboxError(
                f"The engine did not start a container of {self.image!r}: {problem}",
                hint=f"Is the image there? {self._program} pull {self.image}",
                tier=self.tier,
            )


def _pack(program: Program, filter_: bytes) -> bytes:
    """Return a program as a container reads it: a line that says what, and its files."""
    task = {"code": program.code, "argv": program.argv, "filter": filter_}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as files:
        for name, content in program.files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            files.addfile(entry, io.BytesIO(content))
    return repr(task).encode() + b"\n" + packed.getvalue()


@lru_cache(maxsize=1)
def _inside() -> str:
    return Path(__file__).with_name("_inside.py").read_text()
