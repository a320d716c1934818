"""A task taken apart into a program that checks each step; asks no model."""

import json
import tempfile
from pathlib import Path

from mellea import start_session
from mellea.decompose import decompose
from mellea.stdlib.program_file import load_program
from mellea.testing import ScriptedBackend

TASK = "Answer the letter kindly, in at most 30 words."
FOUND = {
    "list_steps": [
        {
            "name": "points",
            "task": "List the points of the letter.",
            "needs": ["letter"],
        },
        {
            "name": "answer",
            "task": "Write a kind answer to the points.",
            "needs": ["points"],
        },
    ],
    "list_requirements": ["Use at most 30 words."],
    "place_requirement": "answer",
    "choose_check": {"kind": "at most words", "number": 30},
}


def answer(request):
    """Stand for a model that takes the task apart, and then carries it out."""
    prompt = request.messages[-1].content
    for step, value in FOUND.items():
        if f"def {step}(" in prompt:
            return json.dumps({"result": value})
    if "List the points" in prompt:
        return "- They ask for lamps."
    return "We have twelve lamps. Kind regards."


with start_session(ScriptedBackend(answer)) as m:
    found = decompose(TASK, m, variables=["letter"])
    for number, step in enumerate(found.subtasks, 1):
        print(f"{number}. {step.name} (needs {', '.join(step.needs)}): {step.task}")
        for check in step.checks:
            print(f"   checked by {check.expression}")

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "answering.py"
        file.write_text(found.program)
        program = load_program(f"{file}:program")
    print(program(m, letter="Do you have lamps?"))
