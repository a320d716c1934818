"""What every sandbox is: a policy, a proof when it opens, and runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, ClassVar, Self

from attrs import field, frozen

from mellea.core.errors import ClosedError, SandboxError, UsageError
from mellea.core.event_loop import run_sync, synchronous
from mellea.core.policy import CLAUSES, Policy

__all__ = ["Program", "Sandbox", "SandboxResult", "lies_in"]


@frozen
class SandboxResult:
    """What came of a run.

    Args:
        stdout: What it printed, as far as the policy keeps it.
        stderr: What it said on the error stream, alike.
        exit_code: Its exit code, the signal that ended it as a negative number, or None when it was stopped.
        timed_out: Whether it was stopped because it took too long.
        truncated: Whether it said more than is kept.
        seconds: How long it took, with what the sandbox itself needs.
        files: What lay in its own folder at the end, by path.
        value: The value of the last expression, where the sandbox has one.
    """

    stdout: str = ""
    stderr: str = ""
    exit_code: int | None = None
    timed_out: bool = False
    truncated: bool = False
    seconds: float = 0.0
    files: Mapping[str, bytes] = field(factory=dict, repr=False)
    value: Any = None

    @property
    def success(self) -> bool:
        """Whether it ran to its end without an error."""
        return self.exit_code == 0

    @property
    def problem(self) -> str | None:
        """Why it is no success, in one line; None if it is one."""
        if self.success:
            return None
        if self.timed_out:
            return "timed out: the code runs too long"
        last = [line for line in self.stderr.splitlines() if line.strip()][-1:]
        return f"execution failed: {last[0] if last else f'exit code {self.exit_code}'}"


@frozen
class Program:
    """What is run: a piece of Python, or a program with its arguments.

    Args:
        code: The Python.
        argv: The program, and its arguments.
        files: What lies in its own folder at the start, by path.
        folder: A folder to run in, of those that the policy names, instead of one of its own.
    """

    code: str | None
    argv: tuple[str, ...] | None
    files: Mapping[str, bytes] = field(factory=dict)
    folder: str | None = None

    @classmethod
    def of(
        cls,
        program: str | Sequence[str],
        files: Mapping[str, bytes] | None,
        folder: str | PathLike[str] | None,
    ) -> Program:
        """Return what is run, checked.

        Raises:
            UsageError: There is no program, or a file is none that lies in a folder.
        """
        words = program if isinstance(program, Sequence) else ()
        if not isinstance(program, str) and not (words and all(isinstance(word, str) for word in words)):
            raise UsageError(
                f"A program is Python as text, or a list of words, not {program!r}.",
                hint='Pass "print(1)" or ["ls", "-l"].',
            )
        for name in files or ():
            parts = PurePosixPath(name).parts
            if not parts or parts[0] == "/" or ".." in parts:
                raise UsageError(
                    f"{name!r} is no file in the program's folder.", hint="Pass a relative path."
                )
        if files and folder is not None:
            raise UsageError(
                "Files are put into a folder of the program's own.", hint="Leave out folder, or files."
            )
        return cls(
            program if isinstance(program, str) else None,
            None if isinstance(program, str) else tuple(program),
            dict(files or {}),
            None if folder is None else fspath(folder),
        )


class Sandbox(ABC):
    """Where code runs that nobody has read.

    Opening one proves its policy: for every clause a probe runs inside and has to fail. What cannot be
    enforced on this machine is an error that says what is missing, and nothing runs.

    Args:
        policy: What the code may do; the defaults of ``Policy`` when None.
    """

    tier: ClassVar[str]

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = Policy() if policy is None else policy
        self._is_open = False

    async def aopen(self) -> Self:
        """Prove the policy, and be ready to run.

        Raises:
            SandboxError: There is no such sandbox here, or it does not enforce a clause.
        """
        if not self._is_open:
            unenforced = await self._prove()
            if unenforced:
                raise self._not_enforced(unenforced)
            self._is_open = True
        return self

    async def arun(
        self,
        program: str | Sequence[str],
        *,
        files: Mapping[str, bytes] | None = None,
        folder: str | PathLike[str] | None = None,
    ) -> SandboxResult:
        """Run Python, or a program, and return what came of it. A program that fails is no error.

        Args:
            program: A piece of Python, or a program and its arguments.
            files: What lies in its own folder at the start, by relative path.
            folder: A folder to run in, of those that the policy names. Otherwise each run has one of its own,
                which is gone afterwards.

        Raises:
            ClosedError: The sandbox is not open.
            SandboxError: The sandbox itself failed.
            UsageError: The program is none that this sandbox runs.
        """
        checked = Program.of(program, files, folder)
        if not self._is_open:
            raise ClosedError(
                f"The sandbox {self.tier!r} is not open, so it has not proved its policy.",
                hint="Use it in a `with` statement, or call open() first.",
            )
        return await self._execute(checked)

    async def aclose(self) -> None:
        """Let go of what the sandbox holds."""
        self._is_open = False

    def open(self) -> Self:
        """Prove the policy, and be ready to run, as ``aopen`` does."""
        return run_sync(self.aopen())

    run = synchronous(arun)

    def close(self) -> None:
        """Let go of what the sandbox holds."""
        run_sync(self.aclose())

    async def __aenter__(self) -> Self:
        return await self.aopen()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.policy!r})"

    @abstractmethod
    async def _prove(self) -> Mapping[str, str]:
        """Return what is missing, by clause, after having tried each."""

    @abstractmethod
    async def _execute(self, program: Program) -> SandboxResult:
        """Run a program."""

    def _not_enforced(self, unenforced: Mapping[str, str]) -> SandboxError:
        clauses = "; ".join(f"{clause}: {why}" for clause, why in unenforced.items())
        return SandboxError(
            f"The sandbox {self.tier!r} does not enforce its policy here ({clauses}).",
            hint="Allow it in the policy, or choose another sandbox; `mellea doctor` shows which there are.",
            tier=self.tier,
            unenforced={clause: why for clause, why in unenforced.items() if clause in CLAUSES},
        )


def lies_in(folder: str, roots: Sequence[str]) -> bool:
    """Tell whether a folder is one of several, or lies below one, links resolved."""
    place = Path(folder).resolve()
    return any(place.is_relative_to(Path(root).resolve()) for root in roots)
