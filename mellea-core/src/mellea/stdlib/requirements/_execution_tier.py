"""Where code is run, and what a run may take."""

from __future__ import annotations

import warnings
from typing import Any, Literal, TypeAlias, get_args

from attrs import frozen

from mellea.core.errors import UsageError
from mellea.core.policy import Policy
from mellea.stdlib.requirements._python_runner import run_python
from mellea.stdlib.sandbox import SandboxResult, ashared_sandbox

__all__ = ["ExecutionTier", "RunPolicy", "Tier", "chosen_tier"]

Tier: TypeAlias = Literal[
    "static", "local_unsafe", "local", "docker_unsafe", "docker", "sandbox", "monty", "landlock"
]
_WITHOUT_SANDBOX = ("static", "local_unsafe", "local")
_SECONDS = 5.0


@frozen
class RunPolicy:
    """What a run may take: its longest time, in seconds."""

    timeout: float = _SECONDS


@frozen
class ExecutionTier:
    """A tier, the longest run on it, and what code may do where it is a sandbox."""

    name: str
    timeout: float
    policy: Policy

    @property
    def runs(self) -> bool:
        """Whether code is run at all."""
        return self.name != "static"

    async def run(self, code: str) -> SandboxResult:
        """Run code.

        Raises:
            SandboxError: The sandbox cannot be had here, or does not enforce the policy.
        """
        if self.name in _WITHOUT_SANDBOX:
            return await run_python(code, timeout=self.timeout)
        asked = {"sandbox": None, "docker_unsafe": "docker"}.get(self.name, self.name)
        return await (await ashared_sandbox(asked, self.policy)).arun(code)

    def __str__(self) -> str:
        return f"{self.name}, at most {self.timeout:g} seconds" if self.runs else self.name


def chosen_tier(
    tier: str | float,
    *,
    policy: Any,
    timeout: float | None,
    allow_unsafe_execution: bool,
    use_sandbox: bool,
) -> ExecutionTier:
    """Return the tier that the arguments of a requirement name, older ones with a warning.

    Raises:
        UsageError: There is no such tier, or it enforces no policy.
    """
    if isinstance(tier, int | float) and not isinstance(tier, bool):
        tier, policy = "static", RunPolicy(float(tier))
        _warn("a number in place of the tier", "policy=...", "The tier is static, where it has no effect.")
    if tier not in get_args(Tier):
        raise UsageError(f"There is no execution tier {tier!r}.", hint=f"Choose {', '.join(get_args(Tier))}.")
    named = str(tier)
    if allow_unsafe_execution:
        instead = "" if named == "static" else f"It has no effect on the tier {named}."
        _warn("allow_unsafe_execution", 'execution_tier="local_unsafe"', instead)
        named = "local_unsafe" if named == "static" else named
    if use_sandbox:
        instead = f"It has no effect on the tier {named}." if named.startswith("docker") else ""
        _warn("use_sandbox", 'execution_tier="docker"', instead)
        named = named if named.startswith("docker") else "docker"
    if timeout is not None:
        _warn(
            "timeout",
            "policy=... with a timeout",
            "It has no effect on the tier static." if named == "static" else "",
        )
    if isinstance(policy, Policy):
        if named in _WITHOUT_SANDBOX:
            raise UsageError(f"The tier {named} enforces no policy.", hint='Choose "sandbox".')
        return ExecutionTier(named, policy.seconds, policy)
    seconds = timeout if timeout is not None else getattr(policy, "timeout", None)
    seconds = float(seconds if seconds is not None else _SECONDS)
    return ExecutionTier(named, seconds, Policy(seconds=max(seconds, 0.01)))


def _warn(what: str, instead: str, effect: str) -> None:
    warnings.warn(
        f"PythonExecutionReq({what}) is deprecated. Pass {instead}. {effect}".rstrip(),
        DeprecationWarning,
        stacklevel=4,
    )
