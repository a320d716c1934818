"""Opening a sandbox by name, and looking which there are."""

from __future__ import annotations

import asyncio
import threading
from functools import lru_cache

from attrs import frozen

from mellea.core.errors import SandboxError, UsageError
from mellea.core.event_loop import synchronous
from mellea.core.policy import Policy
from mellea.stdlib.sandbox.contract import Sandbox
from mellea.stdlib.sandbox.docker import DockerSandbox
from mellea.stdlib.sandbox.landlock import LandlockSandbox
from mellea.stdlib.sandbox.monty import MontySandbox

__all__ = [
    "TIERS",
    "Reached",
    "afind_sandboxes",
    "aopen_sandbox",
    "ashared_sandbox",
    "find_sandboxes",
    "open_sandbox",
]

TIERS: dict[str, type[Sandbox]] = {
    "monty": MontySandbox,
    "landlock": LandlockSandbox,
    "docker": DockerSandbox,
}
"""The sandboxes by name, from the one that gives code the least."""
_FULL = ("landlock", "docker")
"""Those that run real Python, and programs."""


async def aopen_sandbox(tier: str | None = None, policy: Policy | None = None) -> Sandbox:
    """Return an open sandbox: one that has proved its policy on this machine.

    Args:
        tier: ``monty``, ``landlock`` or ``docker``; None for the first of the latter two that can be had.
        policy: What code may do in it; the defaults of ``Policy`` when None.

    Raises:
        SandboxError: There is no such sandbox here, or it does not enforce a clause of the policy.
        UsageError: No sandbox has this name.
    """
    if tier is not None and tier not in TIERS:
        raise UsageError(f"There is no sandbox {tier!r}.", hint=f"Choose one of {', '.join(TIERS)}.")
    problems = []
    for name in _FULL if tier is None else (tier,):
        try:
            return await TIERS[name](policy).aopen()
        except SandboxError as error:
            problems.append(error)
    if tier is not None:
        raise problems[0]
    raise SandboxError(
        "No sandbox for Python can be had here: " + " ".join(error.message for error in problems),
        hint="Allow in the policy what cannot be enforced, or choose 'monty' for code that only computes.",
        tier="any",
        unenforced=problems[0].unenforced,
    )


open_sandbox = synchronous(aopen_sandbox)


async def ashared_sandbox(tier: str | None = None, policy: Policy | None = None) -> Sandbox:
    """Return an open sandbox that this process keeps: its policy is proved once.

    Args:
        tier: As for ``aopen_sandbox``.
        policy: As for ``aopen_sandbox``.

    Raises:
        SandboxError: There is no such sandbox here, or it does not enforce a clause of the policy.
        UsageError: No sandbox has this name.
    """
    return await _shared(tier, Policy() if policy is None else policy).get()


class _Shared:
    """A sandbox that is opened when it is first asked for."""

    def __init__(self, tier: str | None, policy: Policy) -> None:
        self._asked = tier, policy
        self._lock = threading.Lock()
        self._sandbox: Sandbox | None = None

    async def get(self) -> Sandbox:
        if self._sandbox is not None:
            return self._sandbox
        sandbox = await aopen_sandbox(*self._asked)
        with self._lock:  # another task may have opened one meanwhile
            kept = self._sandbox = self._sandbox or sandbox
        if kept is not sandbox:
            await sandbox.aclose()
        return kept


@lru_cache(maxsize=32)
def _shared(tier: str | None, policy: Policy) -> _Shared:
    return _Shared(tier, policy)


@frozen
class Reached:
    """Whether a sandbox can be had on this machine.

    Args:
        name: Its name.
        problem: Why it cannot, or which clauses it does not enforce; empty when it can.
        remedy: What to do about it.
    """

    name: str
    problem: str = ""
    remedy: str = ""


async def afind_sandboxes(policy: Policy | None = None) -> list[Reached]:
    """Open each sandbox, and return which proved the policy, in the order of ``TIERS``.

    Args:
        policy: The policy; the defaults of ``Policy`` when None.
    """

    async def look(name: str) -> Reached:
        try:
            await (await aopen_sandbox(name, policy)).aclose()
        except SandboxError as error:
            return Reached(name, error.message, error.hint or "")
        return Reached(name)

    return list(await asyncio.gather(*map(look, TIERS)))


find_sandboxes = synchronous(afind_sandboxes)
