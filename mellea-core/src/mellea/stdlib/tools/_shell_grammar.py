"""Reading a shell command with a grammar of the shell: one program with its arguments, and nothing else."""

from __future__ import annotations

import shlex
from functools import lru_cache
from typing import Any

from mellea.core.errors import SandboxError

__all__ = ["Refusal", "read_command"]

_REFUSED = {
    "ansi_c_string": "a quoted text with escapes ($'...')",
    "arithmetic_expansion": "an arithmetic expansion ($((...)))",
    "command_substitution": "a command substitution ($(...))",
    "comment": "a comment",
    "compound_statement": "a group of commands",
    "expansion": "an expansion (${...})",
    "file_redirect": "a redirection",
    "function_definition": "a function",
    "heredoc_redirect": "a here document",
    "herestring_redirect": "a here string",
    "list": "chaining (&& or ||)",
    "negated_command": "a negation",
    "pipeline": "a pipe",
    "process_substitution": "a process substitution",
    "redirected_statement": "a redirection",
    "simple_expansion": "a variable ($...)",
    "subshell": "a subshell",
    "variable_assignment": "an assignment of a variable",
    "&": "a command in the background (&)",
    ";": "chaining (;)",
}
_WORDS = frozenset({"concatenation", "number", "raw_string", "string", "string_content", "word"})
_MARKS = frozenset({'"', "'", "{", "}"})


class Refusal(Exception):  # noqa: N818  it is the answer to a command, not a fault
    """A command is not run.

    Args:
        reason: Why, as a sentence.
        category: What kind of rule refuses it.
        severity: ``low``, ``medium`` or ``high``.
    """

    def __init__(self, reason: str, *, category: str, severity: str = "medium") -> None:
        super().__init__(reason)
        self.reason = reason
        self.category = category
        self.severity = severity


def read_command(text: str) -> tuple[str, ...]:
    """Return the words of a command: a program and its arguments.

    Raises:
        Refusal: It is more than that, or none, or does not parse.
        SandboxError: The grammar is not installed.
    """
    if not text.strip():
        raise Refusal("The command is empty.", category="syntax", severity="low")
    if "\0" in text:
        raise Refusal("The command does not parse: it contains a null.", category="syntax")
    root = _parser().parse(text.encode(errors="replace")).root_node
    if root.has_error:
        raise Refusal("The command does not parse.", category="syntax", severity="low")
    commands = root.children
    if len(commands) > 1 and all(child.type in ("command", "\n") for child in commands):
        raise Refusal("Chaining commands is not allowed; run one at a time.", category="shell_operator")
    for child in commands:
        _check(child)
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise Refusal(f"The command does not parse: {error}.", category="syntax", severity="low") from error
    if any(";" in word for word in words):
        raise Refusal("A semicolon is not allowed, in an argument neither.", category="shell_operator")
    return words


def _check(node: Any) -> None:
    """Refuse what is no word of one command."""
    if node.type in ("command", "command_name", "test_command") or node.type in _WORDS:
        if node.type == "test_command" and not node.text.startswith(b"[ "):
            raise Refusal(
                "The shell's own tests ([[ ]]) are not allowed; use [ ].", category="shell_operator"
            )
        for child in node.children:
            _check(child)
    elif node.type in _REFUSED:
        raise Refusal(f"{_REFUSED[node.type].capitalize()} is not allowed.", category="shell_operator")
    elif node.is_named and node.parent is not None and not _is_in_test(node):
        raise Refusal(f"What the shell calls {node.type} is not allowed.", category="shell_operator")
    elif not node.is_named and node.type not in _MARKS and not _is_in_test(node):
        raise Refusal(f"The sign {node.type} is not allowed there.", category="shell_operator")
    else:
        for child in node.children:
            _check(child)


def _is_in_test(node: Any) -> bool:
    while node is not None:
        if node.type == "test_command":
            return True
        node = node.parent
    return False


@lru_cache(maxsize=1)
def _parser() -> Any:
    try:
        import tree_sitter  # noqa: PLC0415  an extra
        import tree_sitter_bash  # noqa: PLC0415
    except ImportError as error:
        raise SandboxError(
            "The grammar of the shell is not installed.",
            hint='Install it with: pip install "mellea-core[shell]"',
            tier="shell",
        ) from error
    return tree_sitter.Parser(tree_sitter.Language(tree_sitter_bash.language()))
