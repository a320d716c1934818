"""Requirements and a strategy that go well together, for a kind of task."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike

from attrs import define, field, setters

from mellea.core.errors import UsageError
from mellea.core.requirement import Requirement
from mellea.core.sampling import SamplingStrategy
from mellea.stdlib.requirements.plotting import python_plotting_requirements
from mellea.stdlib.requirements.python_tools import python_code_generation_requirements
from mellea.stdlib.sampling._default_strategy import as_strategy
from mellea.stdlib.sampling.repair import ModelFriendlyRepairStrategy

__all__ = ["SamplingPreset", "python_code_generation_sampling", "python_plotting_sampling"]


def _listed(values: Iterable[Requirement]) -> list[Requirement]:
    return list(values)


def _check_positive(**numbers: float) -> None:
    for name, number in numbers.items():
        if isinstance(number, bool) or not number > 0:
            raise UsageError(f"{name} is {number!r}.", hint="Pass more than 0.")


@define(slots=False, on_setattr=setters.frozen, unsafe_hash=True)
class SamplingPreset:
    """Requirements and a strategy, to be passed on.

    ``m.instruct(..., requirements=p.requirements, strategy=p.strategy)``.

    Args:
        requirements: What an answer must respect.
        strategy: How attempts are made and repaired, or the name of a strategy.
        feedback_strategy_name: How the model is told what was wrong.
        description: What it is for.
        example_usage: How to use it.
    """

    requirements: list[Requirement] = field(converter=_listed)
    strategy: SamplingStrategy = field(converter=as_strategy)
    feedback_strategy_name: str = "default"
    description: str | None = None
    example_usage: str | None = None


def python_code_generation_sampling(
    loop_budget: int = 2,
    *,
    allowed_imports: Iterable[str] | None = None,
    output_limit_chars: int = 10_000,
    timeout_seconds: float = 5,
    use_sandbox: bool = False,
) -> SamplingPreset:
    """Return the preset for writing Python code.

    Code that parses and imports what it may, repaired with instructions.

    Args:
        loop_budget: Attempts.
        allowed_imports: Top-level modules that the code may import; all when None.
        output_limit_chars: The most characters it may print.
        timeout_seconds: The longest run, in seconds.
        use_sandbox: Whether the code is run, in a sandbox; otherwise it is only looked at.

    Raises:
        UsageError: The budget is below one, or a limit is not positive.
    """
    _check_positive(timeout_seconds=timeout_seconds, output_limit_chars=output_limit_chars)
    ran = "runs within its limits" if use_sandbox else "parses"
    requirements = python_code_generation_requirements(
        allowed_imports, output_limit_chars, timeout_seconds, use_sandbox
    )
    return SamplingPreset(
        requirements,
        ModelFriendlyRepairStrategy(loop_budget=loop_budget, requirements=requirements),
        feedback_strategy_name="python_code_repair",
        description=(
            f"Python code that {ran} and imports only what it may, with at most {loop_budget} attempts."
        ),
        example_usage=(
            "preset = python_code_generation_sampling()\n"
            'm.instruct("Write a function that adds two numbers.", '
            "requirements=preset.requirements, strategy=preset.strategy)"
        ),
    )


def python_plotting_sampling(
    output_path: str | PathLike[str] | None = None,
    loop_budget: int = 3,
    *,
    allowed_imports: Iterable[str] | None = None,
    timeout_seconds: float = 10,
    use_sandbox: bool = True,
) -> SamplingPreset:
    """Return the preset for writing code that draws a plot.

    It needs no display and saves the figure, repaired with instructions.

    Args:
        output_path: The file that the figure is saved to; to be named in the instruction too. Any file when
            None.
        loop_budget: Attempts.
        allowed_imports: Top-level modules that the code may import; all that are installed when None.
        timeout_seconds: The longest run, in seconds.
        use_sandbox: Whether the code is run, in a sandbox and in an empty folder; otherwise it
            is only looked at.

    Raises:
        UsageError: The budget is below one, a limit is not positive, or the path is empty.
    """
    _check_positive(timeout_seconds=timeout_seconds)
    path = "plot.png" if output_path is None else output_path
    *code, headless, saved, installed = python_plotting_requirements(
        path, allowed_imports, timeout_seconds=timeout_seconds, use_sandbox=use_sandbox
    )
    requirements = [*code, headless, installed if output_path is None else saved]
    file = "a file" if output_path is None else str(path)
    ran = ", and runs within its limits" if use_sandbox else ""
    return SamplingPreset(
        requirements,
        ModelFriendlyRepairStrategy(loop_budget=loop_budget, requirements=requirements),
        feedback_strategy_name="matplotlib_plotting_repair",
        description=(
            f"Code that draws a plot into {file} without a display{ran}, with at most {loop_budget} attempts."
        ),
        example_usage=(
            f'preset = python_plotting_sampling("{path}")\n'
            f'm.instruct("Plot the squares of 1 to 9 with matplotlib, to {path}.", '
            "requirements=preset.requirements, strategy=preset.strategy)"
        ),
    )
