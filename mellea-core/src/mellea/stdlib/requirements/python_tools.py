"""Requirements on Python code: it is there, parses, imports what it may, and runs."""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from collections.abc import Iterable
from typing import Any, Literal

from mellea.core.context import Context
from mellea.core.errors import UsageError
from mellea.core.requirement import Requirement, ValidationResult
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.requirements._python_runner import ProcessResult, run_python

__all__ = [
    "CodeRequirement",
    "ImportRestrictions",
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

_LANGUAGES = frozenset({"", "python", "py", "python3"})
_OPENING = re.compile(r"\s*+```\s*+([^\s`]*+)[^`]*+")


def extract_code(text: str) -> str | None:
    """Return the Python code in a text.

    Its longest fenced block that parses, else its longest one, else all if it parses.
    """
    blocks = sorted(_fenced_blocks(text), key=len, reverse=True)
    for block in blocks:
        if _syntax_error(block) is None:
            return block
    if blocks:
        return blocks[0]
    return text.strip() if text.strip() and _syntax_error(text) is None else None


def _fenced_blocks(text: str) -> list[str]:
    """Return the code in the fences that name Python or nothing; one that is never closed goes to the end."""
    blocks: list[str] = []
    lines: list[str] | None = None
    language = ""
    for line in [*text.splitlines(), None]:
        if lines is None:
            opening = _OPENING.fullmatch(line or "")
            lines, language = ([], opening.group(1).lower()) if opening else (None, "")
            continue
        if line is not None and not line.rstrip().endswith("```"):
            lines.append(line)
            continue
        code = textwrap.dedent("\n".join([*lines, (line or "").rstrip().removesuffix("```")])).strip()
        if code and language in _LANGUAGES:
            blocks.append(code)
        lines = None
    return blocks


def _code_of(output: ModelOutputThunk[Any] | None) -> str | None:
    """Return the code in an output's text, or else in the argument ``code`` of a tool that it calls."""
    if output is None:
        return None
    called = [call.args["code"] for call in output.tool_calls or () if isinstance(call.args.get("code"), str)]
    return extract_code(str(output)) or next(iter(called), None)


def _syntax_error(code: str) -> str | None:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError) as error:
        return str(error)
    except (RecursionError, MemoryError):
        return "it is nested too deeply for Python"
    return None


class CodeRequirement(Requirement):
    """A requirement on the code in the last output."""

    def __init__(self, description: str) -> None:
        super().__init__(description, self._look, check_only=True)

    async def _look(self, ctx: Context) -> ValidationResult:
        code = _code_of(ctx.last_output())
        if code is None:
            return ValidationResult(
                False, reason="there is no Python code in the answer; put it into a ```python block"
            )
        return await self.check_code(code)

    async def check_code(self, code: str) -> ValidationResult:
        """Return what the requirement says of a program."""
        return ValidationResult(True)


class PythonCodeExtraction(CodeRequirement):
    """The output contains Python code."""

    def __init__(self) -> None:
        super().__init__("The answer contains Python code.")


class PythonSyntaxValid(CodeRequirement):
    """The code parses."""

    def __init__(self) -> None:
        super().__init__("The code is valid Python.")

    async def check_code(self, code: str) -> ValidationResult:
        """Return what the requirement says of a program."""
        error = _syntax_error(code)
        return ValidationResult(error is None, reason=error and f"syntax error: {error}")


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
        allowed: Names of top-level modules.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self.allowed = frozenset(allowed)
        super().__init__(f"The code imports only {', '.join(sorted(self.allowed)) or 'nothing'}.")

    async def check_code(self, code: str) -> ValidationResult:
        """Return what the requirement says of a program."""
        if (error := _syntax_error(code)) is not None:
            return ValidationResult(False, reason=f"syntax error: {error}")
        if wrong := sorted(imported_modules(code) - self.allowed):
            return ValidationResult(False, reason=f"it imports {', '.join(wrong)}, which is not allowed")
        loopholes = sorted(_names(code) & _IMPORT_ANYTHING)
        return ValidationResult(
            not loopholes,
            reason=f"it uses {', '.join(loopholes)}, which can import anything" if loopholes else None,
        )


class NoImportRestrictions(CodeRequirement):
    """Everything that the code imports is installed."""

    def __init__(self) -> None:
        super().__init__("The code imports modules that are installed.")

    async def check_code(self, code: str) -> ValidationResult:
        """Return what the requirement says of a program."""
        if (error := _syntax_error(code)) is not None:
            return ValidationResult(False, reason=f"syntax error: {error}")
        missing = sorted(
            name for name in imported_modules(code) - sys.stdlib_module_names if not is_installed(name)
        )
        return ValidationResult(
            not missing, reason=f"there is no module {', '.join(missing)}" if missing else None
        )


def imported_modules(code: str) -> set[str]:
    """Return the top-level modules that some valid code imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
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
    """The code parses, imports only what it may, and, when it is asked for, runs to its end without an error.

    Args:
        execution_tier: ``static`` looks at the code only; ``local`` runs it in a subprocess with limits on
            time, memory and output. A subprocess is no sandbox: the code can read and write what you can.
        allowed_imports: Top-level modules that it may import; all when None.
        max_output_chars: The most characters it may print.
        timeout: The longest run, in seconds.

    Raises:
        UsageError: There is no such tier.
    """

    def __init__(
        self,
        execution_tier: Literal["static", "local"] = "static",
        *,
        allowed_imports: Iterable[str] | None = None,
        max_output_chars: int | None = None,
        timeout: float = 5.0,
    ) -> None:
        if execution_tier not in ("static", "local"):
            raise UsageError(
                f"There is no execution tier {execution_tier!r}.", hint='Choose "static" or "local".'
            )
        self.tier = execution_tier
        self.allowed = None if allowed_imports is None else ImportRestrictions(allowed_imports)
        self.max_output_chars = max_output_chars
        self.timeout = timeout
        super().__init__(
            "The code runs without an error." if execution_tier == "local" else "The code is valid."
        )

    async def check_code(self, code: str) -> ValidationResult:
        """Return what the requirement says of a program."""
        if (error := _syntax_error(code)) is not None:
            return ValidationResult(False, reason=f"syntax error: {error}")
        if self.allowed is not None and not (result := await self.allowed.check_code(code)):
            return result
        if self.tier == "static":
            return ValidationResult(True, reason="it parses; it was not run")
        return _of_run(await run_python(code, timeout=self.timeout), self.max_output_chars)


class OutputSizeLimit(CodeRequirement):
    """What the code prints is not longer than a limit. It runs in a subprocess.

    Args:
        limit_chars: The most characters.
        timeout: The longest run, in seconds.
    """

    def __init__(self, limit_chars: int = 10_000, *, timeout: float = 5.0) -> None:
        self.limit_chars = limit_chars
        self.timeout = timeout
        super().__init__(f"The code prints at most {limit_chars} characters.")

    async def check_code(self, code: str) -> ValidationResult:
        """Return what the requirement says of a program."""
        return _of_run(await run_python(code, timeout=self.timeout), self.limit_chars)


def _of_run(run: ProcessResult, limit_chars: int | None) -> ValidationResult:
    if not run.success:
        return ValidationResult(False, reason=run.problem)
    if limit_chars is not None and len(run.stdout) > limit_chars:
        return ValidationResult(
            False, reason=f"it prints {len(run.stdout)} characters, which exceeds {limit_chars}"
        )
    return ValidationResult(True)


def python_code_generation_requirements(
    allowed_imports: Iterable[str] | None = None,
    output_limit_chars: int = 10_000,
    timeout_seconds: float = 5,
    *,
    use_sandbox: bool = False,
) -> list[Requirement]:
    """Return the requirements on generated code: it is there, parses, imports what it may.

    With ``use_sandbox`` it also runs.

    Args:
        allowed_imports: Top-level modules that it may import; all when None.
        output_limit_chars: The most characters it may print.
        timeout_seconds: The longest run, in seconds.
        use_sandbox: Whether to run it in a subprocess with limits, once, for both the run and its output.
    """
    requirements: list[Requirement] = [PythonCodeExtraction(), PythonSyntaxValid()]
    requirements.append(
        NoImportRestrictions() if allowed_imports is None else ImportRestrictions(allowed_imports)
    )
    if use_sandbox:
        requirements.append(
            PythonExecutionReq("local", max_output_chars=output_limit_chars, timeout=timeout_seconds)
        )
    return requirements
