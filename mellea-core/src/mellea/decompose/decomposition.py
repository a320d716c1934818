"""A task that was taken apart, as values."""

from __future__ import annotations

import json
from typing import Any

from attrs import frozen

from mellea.decompose.program import as_program
from mellea.decompose.subtasks import Check, Subtask

__all__ = ["Decomposition"]


@frozen
class Decomposition:
    """A task that was taken apart.

    Args:
        task: The task.
        variables: What has to be given to carry it out.
        subtasks: The steps, in an order in which they can be carried out; the last one gives the result.
    """

    task: str
    variables: tuple[str, ...]
    subtasks: tuple[Subtask, ...]

    @property
    def program(self) -> str:
        """The program that carries the steps out: a module with a function ``program``.

        What a model or a user has written stands in it as literals alone.
        """
        return as_program(self.task, self.variables, self.subtasks)

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values, under the names that 0.8 wrote."""
        checks = [check for subtask in self.subtasks for check in subtask.checks]
        return {
            "original_task_prompt": self.task,
            "subtask_list": [subtask.task for subtask in self.subtasks],
            "identified_constraints": [_constraint(check) for check in checks],
            "input_variables": list(self.variables),
            "subtasks": [
                {
                    "subtask": one.task,
                    "tag": one.name.upper(),
                    "constraints": [_constraint(check) for check in one.checks],
                    "prompt_template": "\n\n".join([one.task, *(f"{{{{ {need} }}}}" for need in one.needs)]),
                    "general_instructions": "",
                    "input_vars_required": [need for need in one.needs if need in self.variables],
                    "depends_on": [need.upper() for need in one.needs if need not in self.variables],
                }
                for one in self.subtasks
            ],
        }

    def to_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False)


def _constraint(check: Check) -> dict[str, Any]:
    return {
        "constraint": check.requirement,
        "val_strategy": "code" if check.function else "llm",
        "val_fn": check.expression if check.function else None,
        "val_fn_name": check.function,
    }
