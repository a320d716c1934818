"""Tools: functions that a model may call, what carries the calls out, and tools for Python and the shell."""

from typing import TYPE_CHECKING

from mellea._lazy import lazy_names

if TYPE_CHECKING:
    from mellea.core.tool import AbstractMelleaTool, Tool
    from mellea.core.tool_message import ToolMessage
    from mellea.stdlib.tools._python_tool import python_tool
    from mellea.stdlib.tools.call import acall_tools, call_tools
    from mellea.stdlib.tools.environments import (
        ExecutionEnvironment,
        LLMSandboxEnvironment,
        StaticAnalysisEnvironment,
        UnsafeEnvironment,
        make_execution_environment,
    )
    from mellea.stdlib.tools.execution_policy import (
        COMPATIBILITY_MATRIX,
        DOCKER_POLICY,
        LOCAL_POLICY,
        CapabilityPolicy,
        ExecutionTier,
    )
    from mellea.stdlib.tools.execution_result import Artifact, ExecutionResult
    from mellea.stdlib.tools.interpreter import code_interpreter, local_code_interpreter
    from mellea.stdlib.tools.mellea_tool import MelleaTool, as_tools, tool
    from mellea.stdlib.tools.policy import ToolPolicy
    from mellea.stdlib.tools.run import ToolRunner
    from mellea.stdlib.tools.shell import ShellRules, abash_executor, bash_executor

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "AbstractMelleaTool": "mellea.core.tool",
        "Artifact": "mellea.stdlib.tools.execution_result",
        "COMPATIBILITY_MATRIX": "mellea.stdlib.tools.execution_policy",
        "CapabilityPolicy": "mellea.stdlib.tools.execution_policy",
        "DOCKER_POLICY": "mellea.stdlib.tools.execution_policy",
        "ExecutionEnvironment": "mellea.stdlib.tools.environments",
        "ExecutionResult": "mellea.stdlib.tools.execution_result",
        "ExecutionTier": "mellea.stdlib.tools.execution_policy",
        "LLMSandboxEnvironment": "mellea.stdlib.tools.environments",
        "LOCAL_POLICY": "mellea.stdlib.tools.execution_policy",
        "MelleaTool": "mellea.stdlib.tools.mellea_tool",
        "ShellRules": "mellea.stdlib.tools.shell",
        "StaticAnalysisEnvironment": "mellea.stdlib.tools.environments",
        "Tool": "mellea.core.tool",
        "ToolMessage": "mellea.core.tool_message",
        "ToolPolicy": "mellea.stdlib.tools.policy",
        "ToolRunner": "mellea.stdlib.tools.run",
        "UnsafeEnvironment": "mellea.stdlib.tools.environments",
        "abash_executor": "mellea.stdlib.tools.shell",
        "acall_tools": "mellea.stdlib.tools.call",
        "as_tools": "mellea.stdlib.tools.mellea_tool",
        "bash_executor": "mellea.stdlib.tools.shell",
        "call_tools": "mellea.stdlib.tools.call",
        "code_interpreter": "mellea.stdlib.tools.interpreter",
        "local_code_interpreter": "mellea.stdlib.tools.interpreter",
        "make_execution_environment": "mellea.stdlib.tools.environments",
        "python_tool": "mellea.stdlib.tools._python_tool",
        "tool": "mellea.stdlib.tools.mellea_tool",
    },
)

__all__ = [
    "COMPATIBILITY_MATRIX",
    "DOCKER_POLICY",
    "LOCAL_POLICY",
    "AbstractMelleaTool",
    "Artifact",
    "CapabilityPolicy",
    "ExecutionEnvironment",
    "ExecutionResult",
    "ExecutionTier",
    "LLMSandboxEnvironment",
    "MelleaTool",
    "ShellRules",
    "StaticAnalysisEnvironment",
    "Tool",
    "ToolMessage",
    "ToolPolicy",
    "ToolRunner",
    "UnsafeEnvironment",
    "abash_executor",
    "acall_tools",
    "as_tools",
    "bash_executor",
    "call_tools",
    "code_interpreter",
    "local_code_interpreter",
    "make_execution_environment",
    "python_tool",
    "tool",
]
