"""Finding the Python code in an answer: in fences, in the text as a whole, in the arguments of tool calls."""

from __future__ import annotations

import ast
import re
import textwrap
from typing import Any

from mellea.core.thunk import ModelOutputThunk
from mellea.core.tool_call import call_fields

__all__ = ["code_of", "extract_code", "syntax_error"]

_PYTHON = frozenset({"python", "py", "python3"})
_OPENING = re.compile(r"\s*+(`{2,})\s*+([^\s`]*+)[^`]*+")
_LOOKS_LIKE_CODE = re.compile(
    r"^\s*(?:async\s+def|def|class|import|from|for|while|if|with|try)\b|print\(|\w\s*=[^=]", re.MULTILINE
)
_CODE_ARGUMENTS = ("code", "command", "query", "script", "source")
_STRUCTURE = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While, ast.If, ast.With, ast.Try),
    *(ast.Import, ast.ImportFrom, ast.Return),
)
_NO_ACTION = (ast.Name, ast.Constant, ast.Attribute, ast.Subscript, ast.Tuple, ast.List, ast.Compare)
"""Expressions that a text in words may be, too."""
_WORTH = 40
"""How many characters of code one statement with a structure outweighs."""


def syntax_error(code: str) -> str | None:
    """Return why code does not parse, and in which line; None for code that does."""
    try:
        ast.parse(code)
    except SyntaxError as error:
        return f"Syntax error at line {error.lineno or 1}: {error.msg}"
    except ValueError as error:
        return f"Syntax error at line 1: {error}"
    except (RecursionError, MemoryError):
        return "Syntax error at line 1: it is nested too deeply for Python"
    return None


def extract_code(text: str) -> str | None:
    """Return the Python code in a text.

    Of its fenced blocks, one that names Python goes before one that looks like it, one that parses before one
    that does not, and then the longer one with more structure. Without any it is the text itself, if that
    parses and does something.
    """
    blocks = [
        (language in _PYTHON, code)
        for language, code in _fenced_blocks(text)
        if language in _PYTHON or (not language and _LOOKS_LIKE_CODE.search(code))
    ]
    if blocks:
        return max(blocks, key=lambda block: (block[0], _worth(block[1])))[1]
    bare = text.strip()
    return bare if bare and _does_something(bare) else None


def _worth(code: str) -> tuple[bool, int]:
    if syntax_error(code) is not None:
        return False, len(code)
    structure = sum(isinstance(node, _STRUCTURE) for node in ast.walk(ast.parse(code)))
    return True, len(code) + _WORTH * structure


def _does_something(code: str) -> bool:
    if syntax_error(code) is not None:
        return False
    return any(
        not isinstance(node, ast.Expr) or not isinstance(node.value, _NO_ACTION)
        for node in ast.parse(code).body
    )


def _fenced_blocks(text: str) -> list[tuple[str, str]]:
    """Return language and code of every fence; one that is never closed goes to the end."""
    blocks: list[tuple[str, str]] = []
    lines: list[str] | None = None
    mark = language = ""
    for line in [*text.splitlines(), None]:
        if lines is None:
            opening = _OPENING.fullmatch(line or "")
            if opening:
                mark, language, lines = opening.group(1), opening.group(2).lower(), []
            continue
        if line is not None and not line.rstrip().endswith(mark):
            lines.append(line)
            continue
        code = textwrap.dedent("\n".join([*lines, (line or "").rstrip().removesuffix(mark)])).strip()
        if code:
            blocks.append((language, code))
        lines = None
    return blocks


def code_of(output: ModelOutputThunk[Any] | None) -> str | None:
    """Return the code in an output's text, or else in an argument of a tool that it calls."""
    if output is None:
        return None
    found = extract_code(output.value or "")
    return (
        found if found is not None else next(filter(None, map(_code_argument, output.tool_calls or ())), None)
    )


def _code_argument(call: Any) -> str | None:
    """Return the first argument that holds code by its name: of the tool, else of the call."""
    _, _, arguments = call_fields(call)
    try:
        known = call.func.as_json_tool["function"]["parameters"]["properties"]
    except (AttributeError, KeyError, TypeError):
        known = arguments
    for names in (known, arguments):
        for name in _CODE_ARGUMENTS:
            if name in names and isinstance(code := arguments.get(name), str) and code.strip():
                return code
    return None
