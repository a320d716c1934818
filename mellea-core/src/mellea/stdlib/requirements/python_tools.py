"""Requirements on Python code: it is there, parses, imports what it may, and runs.

Each looks at the code in the last output. Their checks may be called directly: ``PythonSyntaxValid()
.validation_fn(ctx)`` gives the result at once.
"""

from __future__ import annotations

import ast
import asyncio
import sys
import threading
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from mellea.core.context import Context
from mellea.core.errors import SandboxError, UsageError
from mellea.core.policy import Policy
from mellea.core.requirement import Requirement, ValidationFunction, ValidationResult
from mellea.stdlib.requirements._code_search import code_of, extract_code, syntax_error
from mellea.stdlib.requirements._execution_tier import RunPolicy, Tier, chosen_tier
from mellea.stdlib.sandbox import SandboxResult

__all__ = [
    "CodeRequirement",
    "ImportRestrictions",
    "ImportsInstalled",
    "NoImportRestrictions",
    "OutputSizeLimit",
    "PythonCodeExtraction",
    "PythonExecutionReq",
    "PythonSyntaxValid",
    "extract_code",
    "imported_modules",
    "is_installed",
    "python_code_generation_requirements",
]

T = TypeVar("T")


class CodeRequirement(Requirement):
    """A requirement on the code in the last output."""

    runs = False
    """Whether its check starts a process."""

    def __init__(self, description: str) -> None:
        super().__init__(description, self._look_at_once, check_only=True)

    def _look_at_once(self, ctx: Context) -> ValidationResult:
        """Return what the requirement says, to whoever calls the check directly."""
        return _driven(self._look(ctx)) if self.runs else _finished(self._look(ctx))

    @property
    def check_function(self) -> ValidationFunction | None:
        """The check as a coroutine function, so that a run blocks no loop."""
        own = getattr(self.validation_fn, "__func__", None) is CodeRequirement._look_at_once
        return self._look if own else self.validation_fn

    async def _look(self, ctx: Context) -> ValidationResult:
        code = code_of(ctx.last_output())
        if code is None:
            return ValidationResult(
                False, reason="No Python code could be extracted; put it into a ```python block"
            )
        return await self.check_code(code)

    async def check_code(self, code: str) -> ValidationResult:
        """Return what the requirement says of a program."""
        return ValidationResult(True)


def _finished(check: Coroutine[Any, Any, T]) -> T:
    """Return the value of a coroutine that waits for nothing."""
    try:
        check.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    check.close()
    raise RuntimeError("the check waits for something")


def _driven(check: Coroutine[Any, Any, T]) -> T:
    """Return the value of a coroutine that waits, in a loop of its own."""
    outcome: list[T | BaseException] = []

    def run() -> None:
        try:
            outcome.append(asyncio.run(check))
        except BaseException as error:  # noqa: BLE001  whoever waits gets it
            outcome.append(error)

    thread = threading.Thread(target=run, name="mellea-check")
    thread.start()
    thread.join()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


class PythonCodeExtraction(CodeRequirement):
    """The output contains Python code; on success the reason is that code."""

    def __init__(self) -> None:
        super().__init__("The answer contains Python code.")

    async def check_code(self, code: str) -> ValidationResult:
        """Return that there is a program, and which."""
        return ValidationResult(True, reason=code)


class PythonSyntaxValid(CodeRequirement):
    """The code parses."""

    def __init__(self) -> None:
        super().__init__("The code is valid Python.")

    async def check_code(self, code: str) -> ValidationResult:
        """Return what the requirement says of a program."""
        error = syntax_error(code)
        return ValidationResult(error is None, reason=error or "The code is valid Python.")


_IMPORT_ANYTHING = {
    *(
        "__builtins__",
        "__getattribute__",
        "__globals__",
        "__import__",
        "__loader__",
        "__self__",
        "__spec__",
        "__subclasses__",
    ),
    *("compile", "eval", "exec"),
}
"""Names by which code gets at any module without importing it."""


class ImportRestrictions(CodeRequirement):
    """The code imports only some modules, and does not get at others by ``eval`` and the like.

    This looks at the code; it keeps no malicious program out.

    Args:
        allowed_imports: Names of top-level modules; None allows all, ``[]`` none.
    """

    def __init__(self, allowed_imports: Iterable[str] | None = None) -> None:
        kept = allowed_imports is None or isinstance(allowed_imports, list)
        self.allowed_imports = allowed_imports if kept else list(allowed_imports or ())
        names = "anything" if allowed_imports is None else ", ".join(sorted(self.allowed_imports or ()))
        super().__init__(f"The code imports only {names or 'nothing'}.")

    async def check_code(self, code: str) -> ValidationResult:
        """Return what the requirement says of a program."""
        if (error := syntax_error(code)) is not None:
            return ValidationResult(False, reason=error)
        if self.allowed_imports is None:
            return ValidationResult(True, reason="All imports are allowed.")
        if wrong := sorted(imported_modules(code) - set(self.allowed_imports)):
            return ValidationResult(False, reason=f"Forbidden imports: {', '.join(wrong)}")
        loopholes = ", ".join(sorted(_names(code) & _IMPORT_ANYTHING))
        return ValidationResult(
            not loopholes,
            reason=f"it uses {loopholes}, which can import anything"
            if loopholes
            else "It imports what it may.",
        )


class NoImportRestrictions(CodeRequirement):
    """The code may import anything; never fails. ``ImportsInstalled`` looks whether the modules are there."""

    def __init__(self) -> None:
        super().__init__("The code may import anything.")

    async def _look(self, ctx: Context) -> ValidationResult:
        return ValidationResult(True, reason="All imports are allowed.")


class ImportsInstalled(CodeRequirement):
    """Everything that the code imports is installed."""

    def __init__(self) -> None:
        super().__init__("The code imports modules that are installed.")

    async def check_code(self, code: str) -> ValidationResult:
        """Return what the requirement says of a program."""
        if (error := syntax_error(code)) is not None:
            return ValidationResult(False, reason=error)
        missing = sorted(
            name for name in imported_modules(code) - sys.stdlib_module_names if not is_installed(name)
        )
        return ValidationResult(
            not missing, reason=f"there is no module {', '.join(missing)}" if missing else None
        )


def imported_modules(code: str) -> set[str]:
    """Return the top-level modules that some valid code imports; ``from . import x`` counts as x."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and not node.module):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.partition(".")[0])
    return names


def is_installed(module: str) -> bool:
    """Tell whether a top-level module can be imported, without importing it."""
    import importlib.util  # noqa: PLC0415  only code that imports something needs it

    try:
        return module == "__main__" or importlib.util.find_spec(module) is not None
    except ValueError:  # it is loaded, and says nothing of where it is from
        return True


def _names(code: str) -> set[str]:
    """Return the names that some valid code uses: variables, and attributes with two underscores."""
    nodes = list(ast.walk(ast.parse(code)))
    variables = {node.id for node in nodes if isinstance(node, ast.Name)}
    return variables | {
        node.attr for node in nodes if isinstance(node, ast.Attribute) and node.attr.startswith("__")
    }


class PythonExecutionReq(CodeRequirement):
    """The code parses, imports only what it may, and, on a tier that runs it, ends without an error.

    Args:
        execution_tier: ``static`` looks at the code only. ``monty``, ``landlock`` and ``docker`` run it in
            that sandbox, and ``sandbox`` in the first of the latter two that can be had here. ``local`` and
            ``local_unsafe`` run it in a subprocess with limits on time, memory and output, which is no
            sandbox: the code can read and write what you can. ``docker_unsafe`` is ``docker``.
        policy: What the code may do in a sandbox, a ``Policy``; by default it only computes and prints.
            Elsewhere anything whose ``timeout`` is the longest run, in seconds.
        allowed_imports: Top-level modules that it may import; all when None.
        max_output_chars: The most characters it may print, where it runs.
        timeout: Deprecated: the policy's.
        allow_unsafe_execution: Deprecated: the tier ``local_unsafe``.
        use_sandbox: Deprecated: the tier ``docker``.

    Raises:
        UsageError: There is no such tier, it enforces no policy, or the output limit is not positive.
    """

    def __init__(
        self,
        execution_tier: Tier | float = "static",
        *,
        policy: Any = None,
        allowed_imports: Iterable[str] | None = None,
        max_output_chars: int | None = None,
        timeout: float | None = None,
        allow_unsafe_execution: bool = False,
        use_sandbox: bool = False,
    ) -> None:
        if max_output_chars is not None and max_output_chars <= 0:
            raise UsageError(f"max_output_chars is {max_output_chars}.", hint="Pass more than 0, or None.")
        self.tier = chosen_tier(
            execution_tier,
            policy=policy,
            timeout=timeout,
            allow_unsafe_execution=allow_unsafe_execution,
            use_sandbox=use_sandbox,
        )
        self.execution_tier = self.tier.name
        self.runs = self.tier.runs
        self.allowed_imports = None if allowed_imports is None else list(allowed_imports)
        self.max_output_chars = max_output_chars
        limit = f", at most {max_output_chars} characters of output" if max_output_chars and self.runs else ""
        super().__init__(f"The code runs without an error ({self.tier}{limit}).")

    async def check_code(self, code: str) -> ValidationResult:
        """Return what the requirement says of a program."""
        if (error := syntax_error(code)) is not None:
            return ValidationResult(False, reason=error)
        if self.allowed_imports is not None:
            if wrong := sorted(imported_modules(code) - set(self.allowed_imports)):
                return ValidationResult(False, reason=f"Unauthorized imports: {', '.join(wrong)}")
            if loopholes := ", ".join(sorted(_names(code) & _IMPORT_ANYTHING)):
                return ValidationResult(False, reason=f"it uses {loopholes}, which can import anything")
        if not self.runs:
            return ValidationResult(True, reason="It parses; on the static tier it is not run.")
        try:
            found = await self.tier.run(code)
        except SandboxError as error:
            return ValidationResult(False, reason=f"The code was not run. {error}")
        return _of_run(found, self.max_output_chars)


class OutputSizeLimit(CodeRequirement):
    """What the code prints is not longer than a limit, on a tier that runs it.

    Args:
        limit_chars: The most characters.
        execution_tier: As for ``PythonExecutionReq``; on ``static`` it passes.
        policy: What the run may take; its ``timeout`` is the longest run, in seconds.
        allowed_imports: Top-level modules that it may import; all when None.

    Raises:
        UsageError: The limit is not positive, or there is no such tier.
    """

    def __init__(
        self,
        limit_chars: int = 10_000,
        execution_tier: Tier = "static",
        policy: Any = None,
        allowed_imports: Iterable[str] | None = None,
    ) -> None:
        if limit_chars <= 0:
            raise UsageError(f"limit_chars is {limit_chars}.", hint="Pass more than 0.")
        self.limit_chars = limit_chars
        self._run = PythonExecutionReq(
            execution_tier, policy=policy, allowed_imports=allowed_imports, max_output_chars=limit_chars
        )
        self.runs = self._run.runs
        super().__init__(f"The code prints at most {limit_chars} characters.")

    async def check_code(self, code: str) -> ValidationResult:
        """Return what the requirement says of a program."""
        if not self.runs:
            return ValidationResult(True, reason="Skipped: on the static tier the code is not run.")
        return await self._run.check_code(code)


def _of_run(run: SandboxResult, limit_chars: int | None) -> ValidationResult:
    if not run.success:
        said = run.stderr.strip()
        return ValidationResult(False, reason=run.problem if run.timed_out or not said else said)
    if limit_chars is not None and len(run.stdout) > limit_chars:
        return ValidationResult(
            False, reason=f"Output size ({len(run.stdout)} chars) exceeds limit ({limit_chars})"
        )
    return ValidationResult(True, reason=run.stdout)


def python_code_generation_requirements(
    allowed_imports: Iterable[str] | None = None,
    output_limit_chars: int = 10_000,
    timeout_seconds: float = 5,
    use_sandbox: bool = False,
    *,
    policy: Policy | None = None,
) -> list[Requirement]:
    """Return the requirements on generated code: it is there, parses, runs, imports what it may.

    Args:
        allowed_imports: Top-level modules that it may import; all when None.
        output_limit_chars: The most characters it may print.
        timeout_seconds: The longest run, in seconds.
        use_sandbox: Whether to run it, in a sandbox; otherwise it is only looked at.
        policy: What it may do there; by default it only computes and prints.

    Raises:
        UsageError: A limit is not positive.
    """
    for name, number in (("timeout_seconds", timeout_seconds), ("output_limit_chars", output_limit_chars)):
        if number <= 0:
            raise UsageError(f"{name} is {number}.", hint="Pass more than 0.")
    return [
        PythonCodeExtraction(),
        PythonSyntaxValid(),
        PythonExecutionReq(
            "sandbox" if use_sandbox else "static",
            policy=(policy or Policy(seconds=timeout_seconds)) if use_sandbox else RunPolicy(timeout_seconds),
            max_output_chars=output_limit_chars,
        ),
        NoImportRestrictions() if allowed_imports is None else ImportRestrictions(allowed_imports),
    ]
