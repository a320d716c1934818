"""What came of running code or a command, as programs of the 0.8 line read it."""

from __future__ import annotations

import mimetypes
from pathlib import Path
from typing import Any

from attrs import define, field

from mellea.stdlib.sandbox import SandboxResult

__all__ = ["Artifact", "ExecutionResult", "result_of_run", "skipped"]


@define
class Artifact:
    """A file that a run left.

    Args:
        path: Where it is.
        size_bytes: How large it is.
        content_type: Its type, guessed from its name; None when that says nothing.
    """

    path: Path
    size_bytes: int | None = None
    content_type: str | None = None

    @classmethod
    def of(cls, path: Path) -> Artifact:
        """Return a file as an artifact."""
        return cls(path, path.stat().st_size, mimetypes.guess_type(path.name)[0])


@define
class ExecutionResult:
    """What came of running code or a command.

    Args:
        success: Whether it ran to its end without an error, or passed the checks where nothing is run.
        stdout: What it printed.
        stderr: What it said on the error stream.
        skipped: Whether it was not run, or not to its end.
        skip_message: Why.
        analysis_result: What the checks found, where nothing is run.
        exit_code: Its exit code.
        timed_out: Whether it took too long.
        artifacts: The files that it left.
        execution_mode: Where it ran.
        working_directory: The folder that it ran in.
        keeps: What keeps the artifacts there, as long as this result is.
    """

    success: bool
    stdout: str | None
    stderr: str | None
    skipped: bool = False
    skip_message: str | None = None
    analysis_result: Any = None
    exit_code: int | None = None
    timed_out: bool = False
    artifacts: list[Artifact] = field(factory=list)
    execution_mode: str = "unknown"
    working_directory: str | None = None
    keeps: Any = field(default=None, repr=False, eq=False)

    def to_validationresult_reason(self) -> str:
        """Return what a requirement says of it."""
        if self.skip_message:
            return self.skip_message
        return (self.stdout if self.success else self.stderr) or ""


def skipped(message: str, **fields: Any) -> ExecutionResult:
    """Return the result of what was not run."""
    return ExecutionResult(False, None, None, skipped=True, skip_message=message, **fields)


def result_of_run(run: SandboxResult, **fields: Any) -> ExecutionResult:
    """Return what came of a run in a sandbox."""
    stdout, stderr = run.stdout.strip(), run.stderr.strip()
    if run.timed_out:
        return ExecutionResult(
            False,
            stdout,
            stderr,
            skipped=True,
            skip_message=f"It timed out after {run.seconds:.1f} seconds.",
            timed_out=True,
            **fields,
        )
    return ExecutionResult(run.success, stdout, stderr, exit_code=run.exit_code, **fields)
