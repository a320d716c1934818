"""Requirements on code that draws a plot into a file. They look at the code; they do not run it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from os import PathLike, fspath
from pathlib import PurePath

from mellea.core.errors import UsageError
from mellea.core.requirement import Requirement, ValidationResult
from mellea.stdlib.requirements.python_tools import (
    CodeRequirement,
    imported_modules,
    is_installed,
    python_code_generation_requirements,
)

__all__ = [
    "MatplotlibHeadlessBackend",
    "PlotDependenciesAvailable",
    "PlotFileSaved",
    "python_plotting_requirements",
]


class _PlotRequirement(CodeRequirement):
    """A requirement on the syntax tree of the code."""

    async def check_code(self, code: str) -> ValidationResult:
        """Return what the requirement says of a program."""
        try:
            tree = ast.parse(code)
        except (SyntaxError, ValueError) as error:
            return ValidationResult(False, reason=f"syntax error: {error}")
        problem = self._problem(tree, code)
        return ValidationResult(problem is None, reason=problem)

    def _problem(self, tree: ast.Module, code: str) -> str | None:
        raise NotImplementedError


class MatplotlibHeadlessBackend(_PlotRequirement):
    """Code that uses matplotlib chooses the backend Agg, which needs no display."""

    def __init__(self) -> None:
        super().__init__("The code chooses matplotlib's Agg backend.")

    def _problem(self, tree: ast.Module, code: str) -> str | None:
        if "matplotlib" not in imported_modules(code) or any(map(_chooses_agg, ast.walk(tree))):
            return None
        return "it does not choose the Agg backend: call matplotlib.use('Agg') before pyplot is imported"


class PlotFileSaved(_PlotRequirement):
    """The code saves a figure to a file, named where it is saved or in a variable.

    Args:
        output_path: The file.

    Raises:
        UsageError: The path is empty.
    """

    def __init__(self, output_path: str | PathLike[str]) -> None:
        self.output_path = fspath(output_path)
        if not self.output_path:
            raise UsageError(
                "The path of the plot is empty.", hint="Pass the file that the figure is saved to."
            )
        super().__init__(f"The code saves the figure to {self.output_path}.")

    def _problem(self, tree: ast.Module, code: str) -> str | None:
        saved = list(_saved_paths(tree))
        if any(path is not None and PurePath(path) == PurePath(self.output_path) for path in saved):
            return None
        if not saved:
            return f"it never calls savefig; save the figure with plt.savefig({self.output_path!r})"
        elsewhere = ", ".join(
            "a path that is not written out" if path is None else repr(path) for path in saved
        )
        return f"it calls savefig for {elsewhere} instead of {self.output_path!r}"


class PlotDependenciesAvailable(_PlotRequirement):
    """matplotlib and everything that the code imports is installed."""

    def __init__(self) -> None:
        super().__init__("The code imports modules that are installed.")

    def _problem(self, tree: ast.Module, code: str) -> str | None:
        missing = sorted(name for name in imported_modules(code) | {"matplotlib"} if not is_installed(name))
        return f"there is no module {', '.join(missing)}" if missing else None


def _chooses_agg(node: ast.AST) -> bool:
    """Tell whether a node is ``use('Agg')`` or the like, or gives ``MPLBACKEND`` that value."""
    if isinstance(node, ast.Call):
        values = [*node.args, *(keyword.value for keyword in node.keywords)]
        return _name_of_call(node) in {"use", "switch_backend", "setdefault"} and any(map(_is_agg, values))
    if isinstance(node, ast.Assign) and _is_agg(node.value):
        keys = [target.slice for target in node.targets if isinstance(target, ast.Subscript)]
        return any(isinstance(key, ast.Constant) and key.value in {"MPLBACKEND", "backend"} for key in keys)
    return False


def _is_agg(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and str(node.value).lower() == "agg"


def _name_of_call(call: ast.Call) -> str:
    """Return the last part of the name that is called."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _saved_paths(tree: ast.Module) -> Iterator[str | None]:
    """Yield the file of each call of ``savefig``; None where the code does not write it out."""
    named: dict[str, str | None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            named.update(
                (target.id, _written_out(node.value, named))
                for target in node.targets
                if isinstance(target, ast.Name)
            )
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name_of_call(node) == "savefig":
            given = node.args[:1] or [keyword.value for keyword in node.keywords if keyword.arg == "fname"]
            yield _written_out(given[0], named) if given else None


def _written_out(node: ast.expr, named: dict[str, str | None]) -> str | None:
    """Return the path that an expression is.

    A text, a variable that holds one, ``Path`` of them, or several joined.
    """
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.Name):
        return named.get(node.id)
    parts: list[ast.expr] = []
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
        parts = [node.left, node.right]
    elif isinstance(node, ast.Call) and _name_of_call(node) in {"Path", "PurePath", "str", "fspath", "join"}:
        parts = node.args
    found = [_written_out(part, named) for part in parts]
    known = [part for part in found if part is not None]
    return str(PurePath(*known)) if known and len(known) == len(found) else None


def python_plotting_requirements(
    output_path: str | PathLike[str],
    allowed_imports: Iterable[str] | None = None,
    output_limit_chars: int = 10_000,
    timeout_seconds: float = 10,
    *,
    use_sandbox: bool = False,
) -> list[Requirement]:
    """Return the requirements on code that draws a plot: those on any code, a headless backend, and the file.

    Args:
        output_path: The file that the figure is saved to.
        allowed_imports: Top-level modules that the code may import; all that are installed when None.
        output_limit_chars: The most characters it may print.
        timeout_seconds: The longest run, in seconds.
        use_sandbox: Whether to run it in a subprocess with limits, in an empty folder of its own.

    Raises:
        UsageError: The path is empty.
    """
    plotting: list[Requirement] = [
        PlotDependenciesAvailable(),
        MatplotlibHeadlessBackend(),
        PlotFileSaved(output_path),
    ]
    code = python_code_generation_requirements(
        allowed_imports, output_limit_chars, timeout_seconds, use_sandbox=use_sandbox
    )
    return [*code[:2], *plotting, *code[2 if allowed_imports is not None else 3 :]]
