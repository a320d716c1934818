"""Where Python of a model runs, or is looked at, by tier."""

from __future__ import annotations

import ast
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Self

from attrs import evolve

from mellea.core.errors import MelleaError, UsageError
from mellea.core.event_loop import run_sync
from mellea.core.policy import Policy
from mellea.stdlib.requirements._python_runner import run_python
from mellea.stdlib.requirements.python_tools import imported_modules
from mellea.stdlib.sandbox import SandboxResult, ashared_sandbox
from mellea.stdlib.sandbox.docker import FOLDER as CONTAINER_FOLDER
from mellea.stdlib.tools.execution_policy import (
    DOCKER_POLICY,
    LOCAL_POLICY,
    CapabilityPolicy,
    checked_tier,
)
from mellea.stdlib.tools.execution_result import ExecutionResult, result_of_run, skipped

__all__ = [
    "ExecutionEnvironment",
    "LLMSandboxEnvironment",
    "StaticAnalysisEnvironment",
    "UnsafeEnvironment",
    "make_execution_environment",
]

_CUT = "... [truncated]"


class ExecutionEnvironment(ABC):
    """Where Python is run, or looked at.

    Args:
        allowed_imports: The only top-level modules that it may import, when given.
        policy: What it may do.
        working_directory: The folder that it runs in; a temporary one when None.
    """

    mode = "unknown"

    def __init__(
        self,
        allowed_imports: Sequence[str] | None = None,
        policy: CapabilityPolicy | None = None,
        working_directory: str | os.PathLike[str] | None = None,
    ) -> None:
        self.allowed_imports = None if allowed_imports is None else list(allowed_imports)
        self.policy = policy
        self.working_directory = None if working_directory is None else os.fspath(working_directory)
        self.variables: dict[str, str] = {}
        self.packages_folder: str | None = None

    @abstractmethod
    def execute(self, code: str, timeout: float | None = None) -> ExecutionResult:
        """Run Python, or look at it."""

    def copy_in(self, host: str | os.PathLike[str], inside: str) -> None:
        """Copy a file into the environment.

        Raises:
            NotImplementedError: There is nothing to copy into.
        """
        raise NotImplementedError(f"{type(self).__name__} does not support copying files in.")

    def copy_out(self, inside: str, host: str | os.PathLike[str]) -> None:
        """Copy a file out of the environment.

        Raises:
            NotImplementedError: There is nothing to copy out of.
        """
        raise NotImplementedError(f"{type(self).__name__} does not support copying files out.")

    def _look(self, code: str) -> ExecutionResult | ast.Module:
        """Return the syntax tree of code that may be run, or else why it may not."""
        try:
            tree = ast.parse(code)
        except (SyntaxError, ValueError) as error:
            return skipped(
                f"The code does not parse: {error}", analysis_result=error, execution_mode=self.mode
            )
        if self.allowed_imports is not None:
            wrong = sorted(imported_modules(code) - set(self.allowed_imports))
            if wrong:
                return skipped(f"Unauthorized imports: {', '.join(wrong)}", execution_mode=self.mode)
        return tree


class StaticAnalysisEnvironment(ExecutionEnvironment):
    """Python is parsed, and not run."""

    mode = "static"

    def execute(self, code: str, timeout: float | None = None) -> ExecutionResult:
        """Return whether code parses, and imports what it may; ``analysis_result`` is its syntax tree."""
        found = self._look(code)
        if isinstance(found, ExecutionResult):
            return found
        message = "The code parses; on the static tier it is not run."
        return ExecutionResult(
            True, None, None, skipped=True, skip_message=message, analysis_result=found,
            execution_mode=self.mode,
        )  # fmt: skip


class _RunningEnvironment(ExecutionEnvironment):
    """What the environments share that run code."""

    def execute(self, code: str, timeout: float | None = None) -> ExecutionResult:
        """Run Python. Nothing is raised.

        Args:
            code: The program.
            timeout: The longest run, in seconds, instead of the policy's.
        """
        found = self._look(code)
        if isinstance(found, ExecutionResult):
            return found
        if self.working_directory is not None and not Path(self.working_directory).is_dir():
            message = f"The working directory {self.working_directory!r} does not exist."
            return skipped(message, execution_mode=self.mode)
        policy = self.policy or CapabilityPolicy()
        policy = policy if timeout is None else evolve(policy, timeout=timeout)
        try:
            run = run_sync(self._run(_with_packages(code, self.packages_folder), policy))
        except MelleaError as error:
            return skipped(f"The code was not run. {error}", execution_mode=self.mode)
        result = result_of_run(run, execution_mode=self.mode, working_directory=self.working_directory)
        result.stdout = _cut(result.stdout or "", policy.stdout_max_bytes)
        result.stderr = _cut(result.stderr or "", policy.stderr_max_bytes)
        return result

    @abstractmethod
    async def _run(self, code: str, policy: CapabilityPolicy) -> SandboxResult:
        """Run code that may be run."""

    def _with_variables(self, policy: Policy) -> Policy:
        return evolve(policy, environment={**dict(policy.environment), **self.variables})


class UnsafeEnvironment(_RunningEnvironment):
    """Python runs on this machine: with a policy in the sandbox ``landlock``, without one in a subprocess."""

    def __init__(
        self,
        allowed_imports: Sequence[str] | None = None,
        policy: CapabilityPolicy | None = None,
        working_directory: str | os.PathLike[str] | None = None,
        *,
        mode: str | None = None,
    ) -> None:
        super().__init__(allowed_imports, policy, working_directory)
        self.mode = mode or ("local_unsafe" if policy is None else "local")

    async def _run(self, code: str, policy: CapabilityPolicy) -> SandboxResult:
        if self.mode == "local_unsafe":
            return await run_python(
                code,
                timeout=policy.timeout,
                folder=self.working_directory,
                environment={**os.environ, **self.variables},
            )
        allowed = self._with_variables(policy.sandbox_policy(self.working_directory))
        sandbox = await ashared_sandbox("landlock", allowed)
        return await sandbox.arun(code, folder=self.working_directory)


class LLMSandboxEnvironment(_RunningEnvironment):
    """Python runs in a container; entered as a context manager, files can be copied in and out."""

    mode = "docker"

    def __init__(
        self,
        allowed_imports: Sequence[str] | None = None,
        policy: CapabilityPolicy | None = None,
        working_directory: str | os.PathLike[str] | None = None,
        *,
        mode: str = "docker",
    ) -> None:
        super().__init__(allowed_imports, policy, working_directory)
        self.mode = mode
        self._folder = self.working_directory

    def __enter__(self) -> Self:
        self._folder = self.working_directory or tempfile.mkdtemp(prefix="mellea-container-")
        return self

    def __exit__(self, *_: object) -> None:
        if self.working_directory is None and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = self.working_directory

    def copy_in(self, host: str | os.PathLike[str], inside: str) -> None:
        """Copy a file into the folder that the code runs in."""
        shutil.copy(host, self._place(inside))

    def copy_out(self, inside: str, host: str | os.PathLike[str]) -> None:
        """Copy a file out of the folder that the code runs in."""
        shutil.copy(self._place(inside), host)

    def _place(self, inside: str) -> Path:
        if self._folder is None:
            raise RuntimeError(
                "There is no container to copy into. Use the environment in a `with` statement."
            )
        name = PurePosixPath(inside).name
        return Path(self._folder) / name

    async def _run(self, code: str, policy: CapabilityPolicy) -> SandboxResult:
        given = policy.sandbox_policy(self._folder)
        roots = () if self._folder is None else (self._folder,)
        if self._folder is not None:
            places = (*roots, CONTAINER_FOLDER, *(policy.filesystem_write_roots or ()))
            code = _exporting(code, policy.artifact_export_paths, self._folder, places)
        allowed = evolve(
            given,
            read=() if policy.filesystem_read_roots is None else given.read,
            write=roots if policy.filesystem_write_roots is None else given.write,
            environment=(),
        )
        sandbox = await ashared_sandbox("docker", self._with_variables(allowed))
        return await sandbox.arun(code, folder=self._folder)


def make_execution_environment(
    tier: str,
    policy: CapabilityPolicy | None = None,
    allowed_imports: Sequence[str] | None = None,
    working_directory: str | os.PathLike[str] | None = None,
    **_: Any,
) -> ExecutionEnvironment:
    """Return the environment of a tier.

    Args:
        tier: ``static`` looks; ``local_unsafe`` runs in a subprocess; ``local`` in the sandbox ``landlock``;
            ``docker_unsafe`` and ``docker`` in a container.
        policy: What code may do; by default ``LOCAL_POLICY`` on ``local``, ``DOCKER_POLICY`` on ``docker``.
        allowed_imports: The only top-level modules that it may import, when given.
        working_directory: The folder that it runs in; a temporary one when None.

    Raises:
        UsageError: There is no such tier.
    """
    common = {"allowed_imports": allowed_imports, "working_directory": working_directory}
    if checked_tier(tier) == "static":
        return StaticAnalysisEnvironment(policy=policy, **common)  # type: ignore[arg-type]
    if tier.startswith("local"):
        chosen = LOCAL_POLICY if policy is None and tier == "local" else policy
        return UnsafeEnvironment(policy=chosen, mode=tier, **common)  # type: ignore[arg-type]
    chosen = DOCKER_POLICY if policy is None and tier == "docker" else policy
    return LLMSandboxEnvironment(policy=chosen, mode=tier, **common)  # type: ignore[arg-type]


def _with_packages(code: str, folder: str | None) -> str:
    """Return a program that runs another one, which finds the packages in a folder."""
    if folder is None:
        return code
    program = f"exec(compile({code!r}, 'program.py', 'exec', dont_inherit=True))"
    return f"import sys\nsys.path.insert(1, {folder!r})\ndel sys\n{program}"


def _exporting(code: str, paths: Sequence[str], folder: str, places: Sequence[str]) -> str:
    """Return a program that copies files and folders into its folder when it ends.

    Raises:
        UsageError: A path lies where no program in a container can write.
    """
    absolute = [path for path in map(PurePosixPath, paths) if path.is_absolute()]
    for path in absolute:
        if not any(path.is_relative_to(place) for place in places):
            raise UsageError(
                f"In a container nothing can be written to {path}, which artifact_export_paths names.",
                hint="Let the code write to a relative path, which needs no export, or name a root of it in "
                "filesystem_write_roots.",
            )
    elsewhere = [str(path) for path in absolute if not path.is_relative_to(folder)]
    if not elsewhere:
        return code
    export = f"""
def _export():
    import os, shutil
    for path in {elsewhere!r}:
        if os.path.isdir(path):
            shutil.copytree(path, os.path.join({folder!r}, os.path.basename(path)), dirs_exist_ok=True)
        elif os.path.exists(path):
            shutil.copy(path, {folder!r})

import atexit
atexit.register(_export)
del atexit, _export
"""
    return f"{export}exec(compile({code!r}, 'program.py', 'exec', dont_inherit=True))"


def _cut(text: str, most: int | None) -> str:
    data = text.encode()
    if most is None or len(data) <= most:
        return text
    return data[: max(0, most - len(_CUT))].decode(errors="ignore") + _CUT[:most]
