"""Where code runs that nobody has read: sandboxes that prove their policy when they open."""

from mellea.core.policy import Policy
from mellea.stdlib.sandbox.contract import Sandbox, SandboxResult
from mellea.stdlib.sandbox.docker import DockerSandbox
from mellea.stdlib.sandbox.landlock import LandlockSandbox
from mellea.stdlib.sandbox.monty import MontySandbox
from mellea.stdlib.sandbox.opening import (
    TIERS,
    Reached,
    afind_sandboxes,
    aopen_sandbox,
    ashared_sandbox,
    find_sandboxes,
    open_sandbox,
)

__all__ = [
    "TIERS",
    "DockerSandbox",
    "LandlockSandbox",
    "MontySandbox",
    "Policy",
    "Reached",
    "Sandbox",
    "SandboxResult",
    "afind_sandboxes",
    "aopen_sandbox",
    "ashared_sandbox",
    "find_sandboxes",
    "open_sandbox",
]
