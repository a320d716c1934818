"""Shell commands of a model: read with a grammar, held against rules, run in a sandbox without a shell."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from attrs import evolve, frozen

from mellea.core.errors import MelleaError
from mellea.core.event_loop import run_sync, synchronous
from mellea.core.policy import Policy
from mellea.stdlib.sandbox import SandboxResult, ashared_sandbox
from mellea.stdlib.tools._shell_grammar import Refusal
from mellea.stdlib.tools.execution_result import ExecutionResult, result_of_run, skipped
from mellea.stdlib.tools.shell_rules import Program, ShellRules

__all__ = [
    "BashEnvironment",
    "Program",
    "SandboxedBashEnvironment",
    "ShellRules",
    "StaticBashEnvironment",
    "Violation",
    "abash_executor",
    "bash_executor",
    "get_bash_violations",
    "run_command",
]

_OUTPUT = 10 * 1024
_SECONDS = 60.0
_READABLE = (
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/os-release",
    "/etc/resolv.conf",
)


@frozen
class Violation:
    """A command that was refused.

    Args:
        command: The command.
        category: What kind of rule refused it.
        severity: ``low``, ``medium`` or ``high``.
        reason: Why.
    """

    command: str
    category: str
    severity: str
    reason: str


_violations: deque[Violation] = deque(maxlen=1000)


def get_bash_violations() -> list[Violation]:
    """Return the commands that this process refused, the last thousand, in their order."""
    return list(_violations)


async def run_command(
    command: str, rules: ShellRules | None = None, *, seconds: float = _SECONDS, tier: str | None = None
) -> ExecutionResult:
    """Run a command that the rules allow, in a sandbox that lets it write where they do. Nothing is raised.

    Args:
        command: One program with its arguments, as a shell reads them.
        rules: What may be run; by default ``ShellRules()``.
        seconds: The longest run.
        tier: The sandbox; None for the first of ``landlock`` and ``docker`` that can be had.
    """
    rules = ShellRules() if rules is None else rules
    folder = rules.working_dir or os.getcwd()  # noqa: PTH109  as the kernel says it
    checked = _checked(command, rules)
    if isinstance(checked, ExecutionResult):
        return checked
    if not os.path.isdir(folder):  # noqa: PTH112, ASYNC240  it asks for no more than a name
        return skipped(f"The working directory {folder!r} does not exist.", execution_mode="sandbox")
    try:
        policy = _policy_for(rules, folder, seconds)
        run = await (await ashared_sandbox(tier, policy)).arun(checked, folder=folder)
    except MelleaError as error:
        return skipped(
            f"The command was not run. {error}", execution_mode="sandbox", working_directory=folder
        )
    found = result_of_run(_noting_cuts(run), execution_mode="sandbox", working_directory=folder)
    if found.timed_out:
        found.skip_message = f"The command timed out after {seconds:g} seconds."
    return found


def _checked(command: str, rules: ShellRules) -> tuple[str, ...] | ExecutionResult:
    try:
        return rules.check(command)
    except Refusal as refusal:
        _violations.append(Violation(command, refusal.category, refusal.severity, refusal.reason))
        return skipped(refusal.reason)
    except MelleaError as error:
        return skipped(f"The command was not run. {error}")


def _policy_for(rules: ShellRules, folder: str, seconds: float) -> Policy:
    writable = [str(Path(path).expanduser().resolve()) for path in rules.written_folders()]
    here = str(Path(folder).resolve())
    return Policy(
        read=[*_READABLE, here, *writable],
        write=[here, *writable] if rules.allowed_paths is None else [*writable],
        subprocesses=True,
        processes=64,
        seconds=seconds,
        output=_OUTPUT,
        disk=None,
    )


def _noting_cuts(run: SandboxResult) -> SandboxResult:
    """Return a result that says where something was cut."""
    if not run.truncated:
        return run
    note = "\n... Output truncated"
    full = _OUTPUT - 4
    return evolve(
        run,
        stdout=run.stdout + note if len(run.stdout.encode()) >= full else run.stdout,
        stderr=run.stderr + note if len(run.stderr.encode()) >= full else run.stderr,
    )


class BashEnvironment(ABC):
    """Where commands are run, or only looked at.

    Args:
        allowed_paths: The only folders that they may write, when given.
        working_dir: The folder that they run in, and write in.
        timeout: The longest run, in seconds.
    """

    def __init__(
        self,
        allowed_paths: Sequence[str | os.PathLike[str]] | None = None,
        working_dir: str | os.PathLike[str] | None = None,
        timeout: float = _SECONDS,
    ) -> None:
        self.rules = ShellRules(
            working_dir=None if working_dir is None else os.fspath(working_dir),
            allowed_paths=None if allowed_paths is None else tuple(os.fspath(path) for path in allowed_paths),
        )
        self.timeout = timeout

    @abstractmethod
    def execute(self, command: str) -> ExecutionResult:
        """Run a command, or look at it."""


class StaticBashEnvironment(BashEnvironment):
    """Commands are held against the rules, and not run."""

    def execute(self, command: str) -> ExecutionResult:
        """Return whether a command may be run; ``analysis_result`` has its words."""
        checked = _checked(command, self.rules)
        if isinstance(checked, ExecutionResult):
            return checked
        message = "The command may be run; here commands are only looked at."
        return ExecutionResult(
            True, None, None, skipped=True, skip_message=message, analysis_result=list(checked),
            execution_mode="static",
        )  # fmt: skip


class SandboxedBashEnvironment(BashEnvironment):
    """Commands are held against the rules, and run in a sandbox."""

    def execute(self, command: str) -> ExecutionResult:
        """Run a command."""
        return run_sync(run_command(command, self.rules, seconds=self.timeout))


async def abash_executor(
    command: str, working_dir: str | None = None, allowed_paths: list[str] | None = None
) -> ExecutionResult:
    """Run a shell command: one program with its arguments, without pipes, redirections or chaining.

    Args:
        command: The command.
        working_dir: The folder that it runs in, and may write.
        allowed_paths: The only folders that it may write, when given.
    """
    rules = SandboxedBashEnvironment(allowed_paths, working_dir).rules
    return await run_command(command, rules)


bash_executor = synchronous(abash_executor)
