"""The Python tool: a model hands in code, and gets back what came of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import warnings
import weakref
from collections.abc import Sequence
from pathlib import Path

from attrs import evolve

from mellea.core.errors import UsageError
from mellea.stdlib.tools.environments import make_execution_environment
from mellea.stdlib.tools.execution_policy import DOCKER_POLICY, LOCAL_POLICY, CapabilityPolicy, checked_tier
from mellea.stdlib.tools.execution_result import Artifact, ExecutionResult, skipped
from mellea.stdlib.tools.mellea_tool import MelleaTool

__all__ = ["python_tool"]


def python_tool(
    tier: str | None = None,
    packages: Sequence[str] | None = None,
    artifact_dir: str | os.PathLike[str] | None = None,
    policy: CapabilityPolicy | None = None,
    allowed_imports: Sequence[str] | None = None,
    name: str = "python",
    suppress_agg: bool = False,
) -> MelleaTool:
    """Return a tool that runs Python, and gives an ``ExecutionResult``.

    Args:
        tier: Where it runs, as for ``make_execution_environment``; None is ``local_unsafe``, with a warning.
        packages: Packages that are installed for it, before the first run, beside those of this interpreter.
        artifact_dir: The folder that it runs in, whose files are the result's artifacts; made if missing.
        policy: What it may do.
        allowed_imports: The only top-level modules that it may import, when given.
        name: The tool's name.
        suppress_agg: Whether matplotlib's backend is left to the code.

    Raises:
        UsageError: There is no such tier, or a package is none.
    """
    if tier is None:
        warnings.warn(
            "python_tool runs code without a sandbox (local_unsafe). Name a tier, such as tier='local'.",
            UserWarning,
            stacklevel=2,
        )
    chosen = checked_tier(tier or "local_unsafe")
    policy = policy or {"local": LOCAL_POLICY, "docker": DOCKER_POLICY}.get(chosen)
    if chosen.startswith("docker") and artifact_dir and not (policy and policy.artifact_export_paths):
        warnings.warn(
            "Of a container only what lies in artifact_dir comes out. To copy more there, name it in the "
            "policy's artifact_export_paths.",
            RuntimeWarning,
            stacklevel=2,
        )
    if policy is not None and (declared := _declared_only(chosen, policy)):
        warnings.warn(f"The tier {chosen} does not enforce {declared}.", UserWarning, stacklevel=2)
    wanted = tuple(dict.fromkeys([*(policy.packages if policy else ()), *_checked_packages(packages)]))
    runner = _Runner(chosen, policy, allowed_imports, artifact_dir, _Packages(wanted), agg=not suppress_agg)

    def python(code: str) -> ExecutionResult:
        """Run a Python program and return what it prints.

        Args:
            code: The program.
        """
        return runner.run(code)

    return MelleaTool.from_callable(python, name)


def _declared_only(tier: str, policy: CapabilityPolicy) -> str:
    """Return, in words, what of a policy a tier does not enforce, and what to do."""
    if tier == "local_unsafe":
        return "what a policy says, but for its time and output. Use tier='local'"
    if tier != "static" and (fields := policy.unenforced_capabilities()):
        return f"{', '.join(fields)} where network_access is allowed. Allow both, or neither"
    return ""


def _checked_packages(packages: Sequence[str] | None) -> list[str]:
    found = list(packages or ())
    for one in found:
        if not isinstance(one, str) or not one.strip() or one.strip().startswith("-"):
            raise UsageError(f"{one!r} is no package.", hint='Name one as pip does, such as "attrs>=24".')
    return found


class _Folder:
    """A temporary folder that is there as long as this is."""

    def __init__(self, prefix: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=prefix))
        weakref.finalize(self, shutil.rmtree, str(self.path), ignore_errors=True)


class _Packages:
    """Packages in a folder of their own, installed once when they are first needed."""

    def __init__(self, wanted: tuple[str, ...]) -> None:
        self.wanted = wanted
        self._folder: _Folder | None = None
        self.problem: str | None = None

    def folder(self) -> str | None:
        """Return the folder, or None when there is none or it failed; ``problem`` says why."""
        if not self.wanted or self.problem is not None:
            return None
        if self._folder is None:
            made = _Folder("mellea-packages-")
            command = [
                sys.executable,
                "-m",
                "pip",
                "install",
                "--quiet",
                "--target",
                str(made.path),
                "--",
                *self.wanted,
            ]
            done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
                self.problem = f"The packages {', '.join(self.wanted)} could not be installed: {last}"
                return None
            self._folder = made
        return str(self._folder.path)


class _Runner:
    def __init__(
        self,
        tier: str,
        policy: CapabilityPolicy | None,
        allowed_imports: Sequence[str] | None,
        artifact_dir: str | os.PathLike[str] | None,
        packages: _Packages,
        *,
        agg: bool,
    ) -> None:
        self.tier = tier
        self.policy = policy
        self.allowed_imports = allowed_imports
        self.artifact_dir = None if artifact_dir is None else Path(artifact_dir)
        self.packages = packages
        self.agg = agg

    def run(self, code: str) -> ExecutionResult:
        if self.tier == "static":
            return make_execution_environment("static", None, self.allowed_imports).execute(code)
        if self.packages.wanted and self.tier.startswith("docker"):
            return skipped("Packages are not installed into containers; choose an image that has them.")
        installed = self.packages.folder()
        if self.packages.problem is not None:
            return skipped(self.packages.problem, execution_mode=self.tier)
        kept = None
        if self.artifact_dir is None:
            kept = _Folder("mellea-python-")
            folder = kept.path
        else:
            folder = self.artifact_dir
            folder.mkdir(parents=True, exist_ok=True)
        folder = folder.resolve()
        policy = self.policy
        if installed is not None and policy is not None and policy.filesystem_read_roots is not None:
            policy = evolve(policy, filesystem_read_roots=(*policy.filesystem_read_roots, installed))
        environment = make_execution_environment(self.tier, policy, self.allowed_imports, folder)
        environment.packages_folder = installed
        if self.agg:
            environment.variables["MPLBACKEND"] = "Agg"
        result = environment.execute(code)
        if result.success:
            files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
            result.artifacts = [Artifact.of(path) for path in files]
        result.keeps = kept
        return result
