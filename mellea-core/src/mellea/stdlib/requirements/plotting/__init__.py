"""Requirements on code that draws a plot into a file. They look at the code; they do not run it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from os import PathLike, fspath
from pathlib import PurePath

from mellea.core.context import Context
from mellea.core.errors import UsageError
from mellea.core.policy import Policy
from mellea.core.requirement import Requirement, ValidationResult
from mellea.stdlib.requirements._code_search import syntax_error
from mellea.stdlib.requirements.python_tools import (
    CodeRequirement,
    is_installed,
    python_code_generation_requirements,
)

__all__ = [
    "MatplotlibHeadlessBackend",
    "PlotDependenciesAvailable",
    "PlotFileSaved",
    "python_plotting_requirements",
]


class MatplotlibHeadlessBackend(CodeRequirement):
    """The code chooses a backend of matplotlib that needs no display, such as Agg."""

    def __init__(self) -> None:
        super().__init__("The code chooses a matplotlib backend that needs no display.")

    async def check_code(self, code: str) -> ValidationResult:
        """Return what the requirement says of a program."""
        if (error := syntax_error(code)) is not None:
            return ValidationResult(False, reason=error)
        chosen = list(_chosen_backends(ast.parse(code)))
        headless = [_HEADLESS[name.lower()] for name in chosen if name and name.lower() in _HEADLESS]
        if headless:
            return ValidationResult(True, reason=f"It chooses {headless[0]}, which needs no display.")
        advice = "call matplotlib.use('Agg') before pyplot is imported"
        if not chosen:
            return ValidationResult(False, reason=f"There is no call of matplotlib.use(): {advice}")
        named = next((name for name in chosen if name), None)
        if named is None:
            return ValidationResult(False, reason=f"The backend is non-literal, not written out: {advice}")
        return ValidationResult(False, reason=f"The backend {named!r} is not headless: {advice}")


class PlotFileSaved(CodeRequirement):
    """The code saves a figure to a file, named where it is saved or in a variable.

    Args:
        output_path: The file.

    Raises:
        UsageError: The path is empty.
    """

    def __init__(self, output_path: str | PathLike[str]) -> None:
        self.output_path = fspath(output_path)
        if not self.output_path.strip():
            raise UsageError(
                "The path of the plot is empty.", hint="Pass the file that the figure is saved to."
            )
        super().__init__(f"The code saves the figure to {self.output_path}.")

    async def check_code(self, code: str) -> ValidationResult:
        """Return what the requirement says of a program."""
        if (error := syntax_error(code)) is not None:
            return ValidationResult(False, reason=error)
        saved = list(_saved_paths(ast.parse(code)))
        if any(path is not None and PurePath(path) == PurePath(self.output_path) for path in saved):
            return ValidationResult(True, reason=f"It saves the figure to {self.output_path}.")
        if not saved:
            return ValidationResult(
                False,
                reason=f"It never calls savefig(); save the figure with plt.savefig({self.output_path!r})",
            )
        elsewhere = ", ".join(
            "a path that is not written out" if path is None else repr(path) for path in saved
        )
        return ValidationResult(
            False, reason=f"It calls savefig() for {elsewhere} instead of {self.output_path!r}"
        )


class PlotDependenciesAvailable(CodeRequirement):
    """matplotlib and numpy are installed. It does not look at the code."""

    def __init__(self) -> None:
        super().__init__("matplotlib and numpy are installed.")

    async def _look(self, ctx: Context) -> ValidationResult:
        missing = [name for name in ("matplotlib", "numpy") if not is_installed(name)]
        return ValidationResult(
            not missing,
            reason=f"there is no module {', '.join(missing)}"
            if missing
            else "matplotlib and numpy are installed.",
        )


_HEADLESS = {name.lower(): name for name in ("Agg", "Cairo", "PDF", "PGF", "PS", "SVG", "template")}
"""matplotlib's backends that need no display, by their usual spelling."""
_HEADLESS.update({"pdf": "pdf", "pgf": "pgf", "ps": "ps", "svg": "svg"})


def _chosen_backends(tree: ast.Module) -> Iterator[str | None]:
    """Yield each backend that is chosen; None where the code does not write it out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _chooses_backend(node):
            values = node.args[-1:] if _name_of_call(node) == "setdefault" else node.args[:1]
            values = values or [word.value for word in node.keywords if word.arg == "backend"]
            yield _text_of(values[0]) if values else None
        elif isinstance(node, ast.Assign):
            keys = [target.slice for target in node.targets if isinstance(target, ast.Subscript)]
            if any(isinstance(key, ast.Constant) and key.value in {"MPLBACKEND", "backend"} for key in keys):
                yield _text_of(node.value)


def _chooses_backend(call: ast.Call) -> bool:
    name = _name_of_call(call)
    if name == "setdefault":
        return bool(call.args) and _text_of(call.args[0]) == "MPLBACKEND"
    if name == "switch_backend":
        return True
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    return name == "use" and getattr(owner, "attr", getattr(owner, "id", "")) != "style"


def _text_of(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


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
            given = node.args[:1] or [
                word.value for word in node.keywords if word.arg in ("fname", "filename")
            ]
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
    timeout_seconds: float = 5,
    use_sandbox: bool = False,
) -> list[Requirement]:
    """Return the requirements on code that draws a plot: those on any code, a headless backend, and the file.

    Args:
        output_path: The file that the figure is saved to.
        allowed_imports: Top-level modules that the code may import; all when None.
        output_limit_chars: The most characters it may print.
        timeout_seconds: The longest run, in seconds.
        use_sandbox: Whether to run it in a sandbox, in an empty folder of its own. It may write the folder of
            ``output_path`` when that is absolute.

    Raises:
        UsageError: The path is empty, or a limit is not positive.
    """
    saved = PlotFileSaved(output_path)
    folder = PurePath(output_path).parent
    policy = None
    if use_sandbox and timeout_seconds > 0 and folder.is_absolute():
        policy = Policy(write=[folder], seconds=timeout_seconds)
    return [
        *python_code_generation_requirements(
            allowed_imports, output_limit_chars, timeout_seconds, use_sandbox, policy=policy
        ),
        MatplotlibHeadlessBackend(),
        saved,
        PlotDependenciesAvailable(),
    ]
