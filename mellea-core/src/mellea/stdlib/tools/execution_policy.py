"""What code of the Python tool may do, and on which tiers it runs, under the names of the 0.8 line."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, get_args

from attrs import field, fields, frozen

from mellea.core.errors import UsageError
from mellea.core.policy import Policy
from mellea.stdlib.sandbox.contract import lies_in

__all__ = [
    "COMPATIBILITY_MATRIX",
    "DOCKER_POLICY",
    "LOCAL_POLICY",
    "CapabilityPolicy",
    "ExecutionTier",
    "checked_tier",
]

ExecutionTier: TypeAlias = Literal["static", "local_unsafe", "local", "docker_unsafe", "docker"]
_MEMORY = 2 << 30
_OUTPUT = 1 << 20


def _listed(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value or ()))


@frozen
class CapabilityPolicy:
    """What code may do on the tiers ``local`` and ``docker``.

    Args:
        filesystem_read_roots: The only folders that it may read, beside what Python needs; all when None.
        filesystem_write_roots: The only folders that it may write, beside the one it runs in; all when None.
        network_access: Whether it may use sockets.
        package_installation: Whether it may install packages. Without network it cannot, and with network it
            can, whatever stands here.
        subprocess_execution: Whether it may start programs.
        env_var_access: Whether it sees this process's environment variables.
        timeout: The longest run, in seconds.
        stdout_max_bytes: Bytes that are kept of what it prints.
        stderr_max_bytes: Bytes that are kept of its error stream.
        artifact_export_paths: Files and folders that are copied out of a container, into the folder that the
            code runs in. What it leaves there is there anyway.
        packages: Packages that are installed for it.
    """

    filesystem_read_roots: Sequence[str] | None = None
    filesystem_write_roots: Sequence[str] | None = None
    network_access: bool = False
    package_installation: bool = False
    subprocess_execution: bool = False
    env_var_access: bool = True
    timeout: float = 30
    stdout_max_bytes: int | None = None
    stderr_max_bytes: int | None = None
    artifact_export_paths: tuple[str, ...] = field(default=(), converter=_listed)
    packages: tuple[str, ...] = field(default=(), converter=_listed)

    def enforced_capabilities(self) -> list[str]:
        """Return the fields that the tiers ``local`` and ``docker`` enforce, or else run nothing."""
        declared = self.unenforced_capabilities()
        return [one.name for one in fields(type(self)) if one.name not in declared]

    def unenforced_capabilities(self) -> list[str]:
        """Return the fields that are declared only: with network, that no packages may be installed."""
        may_fetch = self.network_access and not self.package_installation
        return ["package_installation"] if may_fetch else []

    def sandbox_policy(self, folder: str | None = None) -> Policy:
        """Return this as a sandbox's policy.

        Args:
            folder: The folder that the code runs in, and may write.
        """
        read, write = self.filesystem_read_roots, self.filesystem_write_roots
        here = () if folder is None or lies_in(folder, write or ()) else (folder,)
        longest = max(self.stdout_max_bytes or _OUTPUT, self.stderr_max_bytes or _OUTPUT)
        return Policy(
            read=("/",) if read is None else tuple(read),
            write=("/",) if write is None else (*write, *here),
            network=self.network_access,
            subprocesses=self.subprocess_execution,
            processes=64,
            memory=_MEMORY,
            seconds=self.timeout,
            environment=os.environ if self.env_var_access else (),
            output=longest + 1,
            disk=None,
        )


LOCAL_POLICY = CapabilityPolicy(
    filesystem_write_roots=(tempfile.gettempdir(),),
    subprocess_execution=True,
    env_var_access=True,
    timeout=30,
)
"""It reads what this user may, sees the environment, and writes its own and temporary files alone."""
DOCKER_POLICY = CapabilityPolicy(package_installation=True, timeout=60, env_var_access=False)

_FEATURES = (
    *("execute_code", "timeout_enforcement", "import_allowlist", "policy_applied", "copy_in", "copy_out"),
    *("package_installation", "docker_isolation"),
)
_CAN: dict[str, set[str]] = {
    "static": {"import_allowlist"},
    "local_unsafe": {"execute_code", "timeout_enforcement", "import_allowlist", "package_installation"},
    "local": {
        *(
            "execute_code",
            "timeout_enforcement",
            "import_allowlist",
            "policy_applied",
            "package_installation",
        ),
    },
    "docker_unsafe": {
        *(
            "execute_code",
            "timeout_enforcement",
            "import_allowlist",
            "copy_in",
            "copy_out",
            "docker_isolation",
        ),
    },
    "docker": {
        *("execute_code", "timeout_enforcement", "import_allowlist", "policy_applied", "copy_in", "copy_out"),
        "docker_isolation",
    },
}
COMPATIBILITY_MATRIX: dict[str, dict[str, bool]] = {
    tier: {feature: feature in can for feature in _FEATURES} for tier, can in _CAN.items()
}
"""What each tier really does."""


def checked_tier(tier: str) -> str:
    """Return a tier's name.

    Raises:
        UsageError: There is none of this name.
    """
    if tier not in get_args(ExecutionTier):
        raise UsageError(
            f"There is no execution tier {tier!r}.", hint=f"Choose {', '.join(get_args(ExecutionTier))}."
        )
    return tier
