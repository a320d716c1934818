"""Running Python of a model, under the names of the 0.8 line."""

from __future__ import annotations

import warnings

from mellea.stdlib.tools._python_tool import python_tool
from mellea.stdlib.tools.environments import (
    ExecutionEnvironment,
    LLMSandboxEnvironment,
    StaticAnalysisEnvironment,
    UnsafeEnvironment,
    make_execution_environment,
)
from mellea.stdlib.tools.execution_result import Artifact, ExecutionResult

__all__ = [
    "Artifact",
    "ExecutionEnvironment",
    "ExecutionResult",
    "LLMSandboxEnvironment",
    "StaticAnalysisEnvironment",
    "UnsafeEnvironment",
    "code_interpreter",
    "local_code_interpreter",
    "make_execution_environment",
    "python_tool",
]


def code_interpreter(code: str) -> ExecutionResult:
    """Run Python in a container. Deprecated: ``python_tool(tier="docker")``."""
    warnings.warn(
        'code_interpreter is deprecated. Use python_tool(tier="docker").', DeprecationWarning, stacklevel=2
    )
    return make_execution_environment("docker").execute(code)


def local_code_interpreter(code: str) -> ExecutionResult:
    """Run Python in a subprocess, for at most a minute. Deprecated: ``python_tool(tier="local")``."""
    warnings.warn(
        'local_code_interpreter is deprecated. Use python_tool(tier="local").',
        DeprecationWarning,
        stacklevel=2,
    )
    return make_execution_environment("local_unsafe").execute(code, 60)
