"""Where code is run, and what a run may take."""

from __future__ import annotations

import warnings
from typing import Any, Literal, TypeAlias, get_args

from attrs import frozen

from mellea.core.errors import UsageError

__all__ = ["ExecutionTier", "RunPolicy", "Tier", "chosen_tier"]

Tier: TypeAlias = Literal["static", "local_unsafe", "local", "docker_unsafe", "docker"]
_SECONDS = 5.0


@frozen
class RunPolicy:
    """What a run may take: its longest time, in seconds."""

    timeout: float = _SECONDS


@frozen
class ExecutionTier:
    """A tier, and the longest run on it."""

    name: str
    timeout: float

    @property
    def runs(self) -> bool:
        """Whether code is run at all."""
        return self.name != "static"

    @property
    def refusal(self) -> str | None:
        """Why nothing can be run on it; None where it can."""
        if not self.name.startswith("docker"):
            return None
        return f"The tier {self.name} is not in this release; choose local, and what you trust."

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
        UsageError: There is no such tier.
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
    seconds = timeout if timeout is not None else getattr(policy, "timeout", None)
    return ExecutionTier(named, float(seconds if seconds is not None else _SECONDS))


def _warn(what: str, instead: str, effect: str) -> None:
    warnings.warn(
        f"PythonExecutionReq({what}) is deprecated. Pass {instead}. {effect}".rstrip(),
        DeprecationWarning,
        stacklevel=4,
    )
