"""``PythonExecutionReq`` under the path that programs import it from."""

from mellea.stdlib.requirements.python_tools import PythonExecutionReq

__all__ = ["PythonExecutionReq"]
