"""Requirements on code and plots, called directly as programs of the 0.8 line call them."""

import pytest

from mellea.core import ModelOutputThunk, ModelToolCall, ValidationResult
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements._execution_tier import RunPolicy
from mellea.stdlib.requirements.plotting import (
    MatplotlibHeadlessBackend,
    PlotFileSaved,
    python_plotting_requirements,
)
from mellea.stdlib.requirements.python_tools import (
    ImportRestrictions,
    NoImportRestrictions,
    OutputSizeLimit,
    PythonCodeExtraction,
    PythonExecutionReq,
    PythonSyntaxValid,
    python_code_generation_requirements,
)
from mellea.stdlib.sampling import (
    ModelFriendlyFeedbackFormatter,
    RepairTemplateStrategy,
    SamplingPreset,
    python_code_generation_sampling,
    python_plotting_sampling,
)


def said(text, calls=None):
    return SimpleContext().add(ModelOutputThunk(text, tool_calls=calls))


def fenced(code):
    return said(f"```python\n{code}\n```")


class Tool:
    def __init__(self, *names):
        self.as_json_tool = {"function": {"parameters": {"properties": {name: {} for name in names}}}}


@pytest.mark.parametrize(
    ("ctx", "code"),
    [
        (fenced("x = 1"), "x = 1"),
        (said("``python\nx = 1\n``"), "x = 1"),
        (said("```\nprint(1)\n```\n```python\ny\n```"), "y"),
        (said("```\nplain words\n```"), None),
        (said("```python\nx = 1\n```\n```python\ndef f(x):\n    return x\n```"), "def f(x):\n    return x"),
        (said("", [ModelToolCall("t", None, {"query": "q = 1", "code": "c = 1"})]), "c = 1"),
        (said("", [ModelToolCall("t", Tool("source"), {"code": "c = 1", "source": "s = 1"})]), "s = 1"),
        (said("", [ModelToolCall("t", None, {"other": "x = 1"})]), None),
        (SimpleContext(), None),
    ],
)
def test_reason_of_the_extraction_is_the_code(ctx, code):
    result = PythonCodeExtraction().validation_fn(ctx)
    assert isinstance(result, ValidationResult)
    assert result.as_bool() is (code is not None)
    assert result.reason == code if code else "could be extracted" in result.reason


def test_syntax_is_told_with_its_line():
    assert (
        PythonSyntaxValid()
        .validation_fn(fenced("x = 1\ny = ="))
        .reason.startswith("Syntax error at line 2: ")
    )
    assert "valid" in PythonSyntaxValid().validation_fn(fenced("x = 1")).reason


@pytest.mark.parametrize(
    ("allowed", "code", "met", "reason"),
    [
        (None, "import os", True, "allowed"),
        ([], "import os", False, "Forbidden imports: os"),
        (["os"], "import os.path", True, ""),
        (["os"], "import zlib, abc", False, "Forbidden imports: abc, zlib"),
        (["os"], "from . import x", False, "Forbidden imports: x"),
        (["os"], "x = =", False, "Syntax error at line 1"),
    ],
)
def test_import_restrictions(allowed, code, met, reason):
    restrictions = ImportRestrictions(allowed)
    result = restrictions.validation_fn(fenced(code))
    assert restrictions.allowed_imports is allowed
    assert result.result is met
    assert reason in result.reason


def test_no_import_restrictions_never_fail():
    for ctx in (SimpleContext(), fenced("import nothing_like_it"), fenced("x = =")):
        assert NoImportRestrictions().validation_fn(ctx)


@pytest.mark.parametrize(
    ("requirement", "code", "met", "reason"),
    [
        (PythonExecutionReq(), "1 / 0", True, "not run"),
        (PythonExecutionReq("local"), "print('hi')", True, "hi\n"),
        (PythonExecutionReq("local_unsafe"), "1 / 0", False, "ZeroDivisionError"),
        (
            PythonExecutionReq("local", max_output_chars=2),
            "print('abc')",
            False,
            "Output size (4 chars) exceeds limit (2)",
        ),
        (PythonExecutionReq("local", policy=RunPolicy(0.2)), "while True: pass", False, "timed out"),
        (PythonExecutionReq(allowed_imports=["math"]), "import os", False, "Unauthorized imports: os"),
        (PythonExecutionReq("docker"), "print(1)", False, "docker"),
        (OutputSizeLimit(2), "print('abc')", True, "kipped"),
        (OutputSizeLimit(2, "local"), "print('abc')", False, "exceeds limit (2)"),
    ],
)
def test_run_of_the_code(requirement, code, met, reason):
    result = requirement.validation_fn(fenced(code))
    assert result.result is met
    assert reason in result.reason


@pytest.mark.parametrize(
    ("arguments", "options", "tier", "words"),
    [
        ((), {"timeout": 3}, "static", "no effect"),
        (("local",), {"timeout": 3}, "local", "timeout"),
        ((7,), {}, "static", "number"),
        ((), {"allow_unsafe_execution": True}, "local_unsafe", "local_unsafe"),
        (("docker",), {"allow_unsafe_execution": True}, "docker", "no effect"),
        ((), {"use_sandbox": True}, "docker", "docker"),
    ],
)
def test_older_arguments_warn_and_choose_what_does_the_same(arguments, options, tier, words):
    with pytest.warns(DeprecationWarning, match=words):
        assert PythonExecutionReq(*arguments, **options).execution_tier == tier


def test_description_says_tier_time_and_limit():
    told = PythonExecutionReq("local", policy=RunPolicy(3), max_output_chars=9).description
    assert "local" in told
    assert "3 seconds" in told
    assert "9 characters" in told
    assert "9" not in PythonExecutionReq(max_output_chars=9).description


@pytest.mark.parametrize(
    "make",
    [
        lambda: OutputSizeLimit(0),
        lambda: PythonExecutionReq(max_output_chars=0),
        lambda: python_code_generation_requirements(timeout_seconds=0),
        lambda: python_code_generation_requirements(output_limit_chars=-1),
        lambda: python_plotting_requirements(" "),
        lambda: python_code_generation_sampling(0),
        lambda: python_code_generation_sampling(timeout_seconds=0),
        lambda: python_plotting_sampling(timeout_seconds=-1),
    ],
)
def test_what_is_not_positive_is_a_value_error(make):
    with pytest.raises(ValueError, match=r"is|empty"):
        make()


def test_bundles_have_their_requirements_in_order():
    code = ["PythonCodeExtraction", "PythonSyntaxValid", "PythonExecutionReq", "ImportRestrictions"]
    plot = ["MatplotlibHeadlessBackend", "PlotFileSaved", "PlotDependenciesAvailable"]
    made = python_code_generation_requirements(["math"], 100, 5, False)
    assert [type(one).__name__ for one in made] == code
    assert [type(one).__name__ for one in python_plotting_requirements("a.png", ["math"])] == [*code, *plot]
    assert all(one.check_only for one in python_plotting_requirements("a.png"))
    assert made[0] is not python_code_generation_requirements(["math"])[0]


@pytest.mark.parametrize(
    ("code", "met", "reason"),
    [
        ("import matplotlib\nmatplotlib.use('agg')", True, "Agg"),
        ("import matplotlib\nmatplotlib.use(backend='SVG')", True, "svg"),
        ("import matplotlib\nmatplotlib.use('TkAgg')", False, "not headless"),
        ("import matplotlib\nmatplotlib.use(name)", False, "non-literal"),
        ("x = 1", False, "matplotlib.use()"),
    ],
)
def test_headless_backend(code, met, reason):
    result = MatplotlibHeadlessBackend().validation_fn(fenced(code))
    assert result.result is met
    assert reason in result.reason


@pytest.mark.parametrize(
    ("code", "met", "reason"),
    [
        ("plt.savefig('a.png')", True, "a.png"),
        ("fig.savefig(filename='a.png')", True, "a.png"),
        ("plt.savefig('b.png')", False, "a.png"),
        ("plt.show()", False, "savefig()"),
    ],
)
def test_plot_file_is_saved(code, met, reason):
    requirement = PlotFileSaved("a.png")
    result = requirement.validation_fn(fenced(code))
    assert (requirement.output_path, result.result) == ("a.png", met)
    assert reason in result.reason


def test_presets():
    code, plot, named = (
        python_code_generation_sampling(),
        python_plotting_sampling(),
        python_plotting_sampling("a.png"),
    )
    assert [len(preset.requirements) for preset in (code, plot, named)] == [4, 6, 6]
    assert isinstance(plot.requirements, list)
    assert type(plot.requirements[-1]).__name__ == "PlotDependenciesAvailable"
    assert type(named.requirements[-1]).__name__ == "PlotFileSaved"
    assert code.strategy.requirements == code.requirements
    assert isinstance(code.strategy, RepairTemplateStrategy)
    assert code.feedback_strategy_name == "python_code_repair"
    assert plot.feedback_strategy_name == "matplotlib_plotting_repair"
    bare = SamplingPreset([], code.strategy)
    assert (bare.description, bare.example_usage) == (None, None)


@pytest.mark.parametrize("name", [n for n in dir(ModelFriendlyFeedbackFormatter) if n.startswith("format_")])
def test_feedback_says_what_is_wrong_and_what_to_try(name):
    tell = getattr(ModelFriendlyFeedbackFormatter, name)
    assert "\nTry: " in tell(ValidationResult(False))
    told = tell(ValidationResult(False, reason="line 7 of module zlib has 12 chars"))
    assert "line 7 of module zlib has 12 chars" in told


def test_strategy_of_a_preset_repairs_in_a_program():
    from mellea import ChatContext, MelleaSession
    from mellea.testing import ScriptedBackend

    preset = python_code_generation_sampling(loop_budget=2)
    backend = ScriptedBackend(["no code here", "```python\nx = 1\n```"])
    m = MelleaSession(backend, ChatContext())
    answer = m.instruct("Write code.", requirements=preset.requirements, strategy=preset.strategy)
    assert "x = 1" in answer.value
    assert "extracted" in backend.prompts[-1]
