"""Presets: requirements and a strategy that go well together."""

from pathlib import Path

import pytest

from mellea.core import CBlock, UsageError
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.sampling import python_code_generation_sampling, python_plotting_sampling
from mellea.testing import ScriptedBackend


async def test_preset_for_python_repairs_code_with_instructions():
    preset = python_code_generation_sampling(allowed_imports=["math"])
    backend = ScriptedBackend(["```python\nimport os\n```", "```python\nimport math\n```"])

    result = await preset.strategy.sample(
        CBlock("Write code."), SimpleContext(), backend, preset.requirements
    )

    assert result.success
    assert "Use only the modules that are allowed" in backend.requests[1].messages[-1].content


def test_preset_says_what_it_is_for():
    preset = python_code_generation_sampling(loop_budget=4)

    assert "at most 4 attempts" in preset.description
    assert "requirements=preset.requirements" in preset.example_usage


GOOD_PLOT = """```python
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
plt.plot([1, 4, 9])
plt.savefig("squares.png")
```"""


@pytest.fixture
def matplotlib(tmp_path, monkeypatch):
    """A module of that name, which is only looked for and not imported."""
    (tmp_path / "matplotlib.py").touch()
    monkeypatch.syspath_prepend(tmp_path)


async def sample_plot(preset, answers):
    backend = ScriptedBackend(answers)
    result = await preset.strategy.sample(CBlock("Plot."), SimpleContext(), backend, preset.requirements)
    return result, backend


async def test_preset_for_plots_repairs_code_with_instructions(matplotlib):
    preset = python_plotting_sampling(Path("squares.png"), use_sandbox=False)

    result, backend = await sample_plot(
        preset, ["```python\nimport matplotlib\nmatplotlib.show()\n```", GOOD_PLOT]
    )

    assert result.success
    assert "Choose the Agg backend" in backend.requests[1].messages[-1].content
    assert "squares.png" in preset.description


async def test_preset_for_plots_wants_the_file_that_is_named(matplotlib):
    preset = python_plotting_sampling("other.png", 1, use_sandbox=False)

    result, _ = await sample_plot(preset, [GOOD_PLOT])

    assert (
        "'squares.png' instead of 'other.png'"
        in dict(result.chosen.failures())["The code saves the figure to other.png."]
    )


async def test_preset_for_plots_takes_any_file_when_none_is_named(matplotlib):
    preset = python_plotting_sampling(loop_budget=1, use_sandbox=False)

    names = [type(requirement).__name__ for requirement in preset.requirements]

    assert len(names) == 6
    assert "PlotFileSaved" not in names


def test_preset_for_plots_runs_the_code_unless_told_otherwise():
    assert python_plotting_sampling().requirements[2].runs
    assert not python_plotting_sampling(use_sandbox=False).requirements[2].runs


@pytest.mark.parametrize(("path", "loop_budget"), [("", 3), (None, 0)])
def test_preset_for_plots_refuses_an_empty_path_and_no_attempt(path, loop_budget):
    with pytest.raises(UsageError):
        python_plotting_sampling(path, loop_budget)
