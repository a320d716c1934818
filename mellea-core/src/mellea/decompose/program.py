"""The program that carries a decomposition out, from one template."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
from collections.abc import Sequence

from jinja2 import StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mellea.core.errors import UsageError
from mellea.decompose.subtasks import Subtask, as_literal

__all__ = ["as_program", "why_no_name"]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}", re.ASCII)
_LIBRARY = {"word_count", "sentence_count", "contains", "avoids"}
_USED = {"m", "program", "parser", "arguments", "ArgumentParser", "MelleaSession", "start_session", "TASK"}
"""Names that the template uses."""
_TAKEN = _USED | _LIBRARY | {"help", "mellea"} | set(dir(builtins))

_TEMPLATE = '''\
"""A program that ``mellea decompose`` has written."""

from argparse import ArgumentParser

from mellea import MelleaSession, start_session
{% if functions %}
from mellea.stdlib.requirements import {{ functions | join(", ") }}
{% endif %}

TASK = {{ task | literal }}


def program({{ (["m: MelleaSession"] + (["*"] if variables else []) + typed) | join(", ") }}) -> str:
    """Carry out the task, step by step."""
{% for step in subtasks %}
    {{ step.name }} = m.instruct(
        {{ step.task | literal }},
{% if step.needs %}
        grounding_context={
{% for need in step.needs %}
            {{ need | literal }}: {{ need }},
{% endfor %}
        },
{% endif %}
{% if step.checks %}
        requirements=[
{% for check in step.checks %}
            {{ check.expression }},
{% endfor %}
        ],
{% endif %}
    )
{% endfor %}
    return str({{ subtasks[-1].name }})


if __name__ == "__main__":
    parser = ArgumentParser(description=TASK.replace("%", "%%"))
{% for one in variables %}
    parser.add_argument({{ ("--" ~ one) | literal }}, required=True)
{% endfor %}
    arguments = parser.parse_args()
    with start_session() as m:
        print(program(m{% for one in variables %}, {{ one }}=arguments.{{ one }}{% endfor %}))
'''


_environment = ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined
)
_environment.filters["literal"] = as_literal
_compiled = _environment.from_string(_TEMPLATE)


def why_no_name(text: str) -> str | None:
    """Return why a text cannot name a variable of a program; None if it can."""
    if not _NAME.fullmatch(text):
        return f"{text!r} is no name: use small letters, digits and underscores"
    if keyword.iskeyword(text) or keyword.issoftkeyword(text) or text in _TAKEN:
        return f"{text!r} is taken: use another name"
    return None


def as_program(task: str, variables: Sequence[str], subtasks: Sequence[Subtask]) -> str:
    """Return the program that carries the subtasks of a task out.

    Args:
        task: The task.
        variables: What has to be given to carry it out.
        subtasks: The subtasks, in their order.

    Raises:
        UsageError: The values make no program: a name is none, or the steps are in no order.
    """
    for name in (*variables, *(step.name for step in subtasks)):
        if (why := why_no_name(name)) is not None:
            raise UsageError(f"There is no program for this: {why}.", hint="Change the names.")
    functions = sorted({c.function for step in subtasks for c in step.checks if c.function})
    text = _compiled.render(
        task=task,
        variables=variables,
        typed=[f"{name}: str" for name in variables],
        subtasks=subtasks,
        functions=functions,
    )
    _check(text, variables, subtasks)
    return text


def _check(text: str, variables: Sequence[str], subtasks: Sequence[Subtask]) -> None:
    """Hold the program against what it is made of: it uses no name but these, each after it is known."""
    known = set(variables)
    for step in subtasks:
        if missing := [need for need in step.needs if need not in known]:
            raise UsageError(
                f"There is no program for this: {step.name} needs {missing[0]!r}, which nothing gives it.",
                hint="Bring the steps into an order.",
            )
        known.add(step.name)
    tree = ast.parse(text)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if strange := names - known - _USED - _LIBRARY - {"str", "print", "__name__"}:
        raise AssertionError(f"The template has let {sorted(strange)} through.")
    compile(tree, "<decomposed>", "exec")
