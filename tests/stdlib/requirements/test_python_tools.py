"""Requirements on Python code."""

import pytest

from mellea.core import ModelToolCall, Policy, UsageError
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements import python_reqs
from mellea.stdlib.requirements._execution_tier import RunPolicy
from mellea.stdlib.requirements.python_tools import (
    ImportRestrictions,
    ImportsInstalled,
    NoImportRestrictions,
    OutputSizeLimit,
    PythonCodeExtraction,
    PythonExecutionReq,
    PythonSyntaxValid,
    extract_code,
    imported_modules,
    python_code_generation_requirements,
)
from mellea.stdlib.requirements.validate import validate_all
from mellea.testing import ScriptedBackend

BACKEND = ScriptedBackend("never asked")


def after(text, tool_calls=None):
    return SimpleContext().add(ModelOutputThunk(text, tool_calls=tool_calls))


async def verdict(requirement, text):
    return await requirement.validate(BACKEND, after(text))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Here:\n```python\nx = 1\n```\nDone.", "x = 1"),
        ("```\nx = 1\n```", "x = 1"),
        ("```PY\nx = 1\n```", "x = 1"),
        ("```python\nx = 1```", "x = 1"),
        ("```json\n{}\n```\nThen\n```python\nx = 1\n```", "x = 1"),
        ("```python\nx = 1\n```\n```python\ny = 2\nz = 3\n```", "y = 2\nz = 3"),
        ("```python\nx = = longer\n```\n```python\nx = 1\n```", "x = 1"),
        ("```python\nx = =\n```", "x = ="),
        ("- item:\n  ```python\n  if x:\n      y()\n  ```", "if x:\n    y()"),
        ("```python\nx = 1\ny = 2", "x = 1\ny = 2"),
        ("```python title=a.py\nx = 1\n```", "x = 1"),
        ("x = 1\n", "x = 1"),
        ("Here is no code.", None),
        ("```json\n{}\n```", None),
        ("", None),
    ],
)
def test_code_is_taken_out_of_a_text(text, code):
    assert extract_code(text) == code


async def test_code_may_be_the_argument_of_a_tool_call():
    call = ModelToolCall("python", print, {"code": "x = ="})

    result = await PythonSyntaxValid().validate(BACKEND, after("", [call]))

    assert "Syntax error at line 1" in result.reason


def test_modules_are_named_by_their_top_level():
    code = "import os.path, json as j\nfrom a.b import c\nfrom . import d\ndef f():\n    import z"

    assert imported_modules(code) == {"os", "json", "a", "d", "z"}


@pytest.mark.parametrize(
    ("requirement", "text", "met", "reason"),
    [
        (PythonCodeExtraction(), "x = 1", True, None),
        (PythonCodeExtraction(), "Here is none.", False, "No Python code could be extracted"),
        (PythonSyntaxValid(), "```python\nx = 1\n```", True, None),
        (PythonSyntaxValid(), "```python\nx = =\n```", False, "Syntax error at line 1"),
        (ImportRestrictions(["math"]), "import math", True, None),
        (ImportRestrictions(["math"]), "import os, sys", False, "Forbidden imports: os, sys"),
        (ImportRestrictions([]), "```python\nx = =\n```", False, "Syntax error at line 1"),
        (ImportsInstalled(), "import math, attrs", True, None),
        (ImportsInstalled(), "import __main__", True, None),
        (ImportsInstalled(), "import no_such_module_here", False, "no module no_such_module_here"),
        (NoImportRestrictions(), "import no_such_module_here", True, "All imports are allowed"),
        (ImportsInstalled(), "```python\nx = =\n```", False, "Syntax error at line 1"),
        (PythonExecutionReq(), "1 / 0", True, "not run"),
        (PythonExecutionReq(), "```python\nx = =\n```", False, "Syntax error at line 1"),
        (PythonExecutionReq(allowed_imports=["math"]), "import os", False, "Unauthorized imports: os"),
        (PythonExecutionReq("local", policy=RunPolicy(20)), "print(1)", True, None),
        (PythonExecutionReq("local", policy=RunPolicy(20)), "1 / 0", False, "ZeroDivisionError"),
        (
            PythonExecutionReq("local", policy=RunPolicy(20), max_output_chars=3),
            "print('long')",
            False,
            "exceeds limit (3)",
        ),
        (
            PythonExecutionReq("local", policy=RunPolicy(20), allowed_imports=["math"]),
            "import os",
            False,
            "Unauthorized imports: os",
        ),
        (OutputSizeLimit(3, "local", RunPolicy(20)), "print('ab')", True, None),
        (OutputSizeLimit(3, "local", RunPolicy(20)), "print('abc')", False, "Output size (4 chars)"),
    ],
)
async def test_verdict_and_reason(requirement, text, met, reason):
    result = await verdict(requirement, text)

    assert result.result is met
    assert (reason or "") in (result.reason or "")


async def test_context_without_output_fails():
    assert not await PythonCodeExtraction().validate(BACKEND, SimpleContext())


def test_unknown_tier_is_our_error():
    with pytest.raises(UsageError, match="tier"):
        PythonExecutionReq("moon")


def test_a_tier_without_a_sandbox_takes_no_policy():
    with pytest.raises(UsageError, match="enforces no policy"):
        PythonExecutionReq("local", policy=Policy())


@pytest.mark.parametrize("tier", ["sandbox", "monty", "landlock"])
async def test_code_runs_in_a_sandbox(tier):
    requirement = PythonExecutionReq(tier, policy=Policy(seconds=20))
    assert await verdict(requirement, "```python\nprint(6 * 7)\n```")
    refused = await verdict(requirement, "```python\nopen('/etc/shadow')\n```")
    assert "PermissionError" in refused.reason


async def test_a_sandbox_that_cannot_be_had_is_the_reason():
    failed = await verdict(
        PythonExecutionReq("monty", policy=Policy(network=True)), "```python\nprint(1)\n```"
    )
    assert failed.reason.startswith("The code was not run. The sandbox 'monty' gives code no network")


def test_requirements_on_code_stay_out_of_the_prompt():
    assert all(
        requirement.check_only
        for requirement in python_code_generation_requirements(["math"], use_sandbox=True)
    )


async def test_bundle_checks_without_running():
    results = await validate_all(
        python_code_generation_requirements(), after("import sys\nsys.exit(3)"), BACKEND
    )

    assert [result.result for result in results] == [True, True, True, True]


async def test_bundle_runs_when_asked():
    requirements = python_code_generation_requirements(["sys"], timeout_seconds=20, use_sandbox=True)

    results = await validate_all(requirements, after("import sys\nsys.exit(3)"), BACKEND)

    assert [result.result for result in results] == [True, True, False, True]
    assert "exit code 3" in results[2].reason


def test_execution_requirement_has_its_second_path():
    assert python_reqs.PythonExecutionReq is PythonExecutionReq


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "-" * 4000 + "1",
        "x = " + "(" * 4000 + ")" * 4000,
        "```python\nx = " + "-" * 4000 + "1\n```",
    ],
    ids=["signs", "parentheses", "block"],
)
def test_code_that_python_cannot_hold_is_no_error_of_ours(text):
    code = text.split("\n")[1] if "\n" in text else text

    # How deep Python's parser goes is the interpreter's affair: an unfenced text may be code to it, or not.
    assert extract_code(text) in ((code,) if "\n" in text else (code, None))


@pytest.mark.parametrize(
    "text",
    ["```" + " " * 200_000 + "`", " " * 200_000 + "x =", "```\n" * 50_000, "```" + "a" * 200_000 + "`"],
    ids=["fence", "spaces", "fences", "name"],
)
def test_hostile_text_is_searched_in_linear_time(text):
    assert extract_code(text) is None
