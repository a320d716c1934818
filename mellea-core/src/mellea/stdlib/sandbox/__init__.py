"""Where code runs that nobody has read."""

from mellea.core.policy import Policy
from mellea.stdlib.sandbox.contract import Sandbox, SandboxResult

__all__ = ["Policy", "Sandbox", "SandboxResult"]
