"""The sandbox ``landlock``: this Python, or a program, in a process that the Linux kernel confines.

Landlock rules over files, seccomp over system calls, and where namespaces can be had they make an empty
network, a file system for the program's folder, and one parent with which all its children end. It needs
neither root nor a daemon.
"""

from __future__ import annotations

import marshal
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

from attrs import evolve

from mellea.core.errors import SandboxError, UsageError
from mellea.core.event_loop import in_thread
from mellea.core.policy import Policy
from mellea.stdlib.sandbox._process import Finished, run_process
from mellea.stdlib.sandbox.canaries import judge_canaries, set_bait
from mellea.stdlib.sandbox.contract import Program, Sandbox, SandboxResult, lies_in

__all__ = ["LandlockSandbox"]

_INSTALL = 'Install it with: pip install "mellea-core[landlock]"'
_START = "import sys, marshal; exec(marshal.load(sys.stdin.buffer))"
_FIRST_USER, _USERS = 61_184, 4_336
"""Users that belong to nobody; systemd gives the same ones to services that need one for a while."""

_DEEPEST = 60
"""How deep files may lie that are returned."""


class _NotConfinedError(Exception):
    """The kernel refused a step of the confinement."""


class LandlockSandbox(Sandbox):
    """Real CPython, and ordinary programs, confined by the Linux kernel.

    Args:
        policy: What the code may do; the defaults of ``Policy`` when None.
        confinement: What the kernel is asked for, instead of what follows from the policy. The canaries judge
            it all the same.
    """

    tier: ClassVar[str] = "landlock"

    def __init__(self, policy: Policy | None = None, *, confinement: Any = None) -> None:
        super().__init__(policy)
        self._confinement = confinement

    async def _prove(self) -> Mapping[str, str]:
        confined = _import_confinement()
        if self._confinement is not None:
            return await self._try_canaries(self._confinement)
        why = ""
        for namespaces in ("root" if os.geteuid() == 0 else "user", "none"):
            confinement = confined.Confinement.of(self.policy, namespaces)
            if namespaces == "none" and (missing := _missing(self.policy, why)):
                return missing
            try:
                unenforced = await self._try_canaries(confinement)
            except _NotConfinedError as error:
                why = str(error)
                continue
            self._confinement = confinement
            return unenforced
        raise SandboxError(f"The sandbox 'landlock' cannot start here: {why}.", tier=self.tier)

    async def _try_canaries(self, confinement: Any) -> dict[str, str]:
        expected = _import_confinement().Confinement.of(self.policy, confinement.namespaces).environment
        variables = {"HOME", "TMPDIR", "LC_CTYPE", *(name for name, _ in expected)}
        with set_bait(self.policy, variables) as bait:

            async def run(code: str, seconds: float) -> SandboxResult:
                return await _run(evolve(confinement, seconds=seconds), Program.of(code, None, None))

            return await judge_canaries(self.policy, bait, run)

    async def _execute(self, program: Program) -> SandboxResult:
        try:
            return await _run(self._checked_for(program), program)
        except _NotConfinedError as error:
            raise SandboxError(f"The sandbox 'landlock' failed: {error}.", tier=self.tier) from error

    def _checked_for(self, program: Program) -> Any:
        if program.folder is not None and not lies_in(
            program.folder, (*self.policy.read, *self.policy.write)
        ):
            raise UsageError(
                f"The policy gives the program no right to {program.folder}.",
                hint="Name the folder in the policy's write, or read.",
            )
        return self._confinement if program.argv is None else self._confinement.for_program()


def _import_confinement() -> Any:
    if sys.platform != "linux":
        raise SandboxError(
            "There is no sandbox 'landlock' on this system: it is a part of Linux.",
            hint="Choose 'monty', or 'docker'.",
            tier="landlock",
        )
    try:
        import landlockpy  # noqa: PLC0415

        from mellea.stdlib.sandbox import _confinement  # noqa: PLC0415
    except ImportError as error:
        raise SandboxError(
            "The sandbox 'landlock' is not installed.", hint=_INSTALL, tier="landlock"
        ) from error
    if not landlockpy.supported():
        raise SandboxError(
            "This kernel has no Landlock, or it is switched off.",
            hint="It is in Linux since 5.13; add `landlock` to the kernel's option `lsm=`.",
            tier="landlock",
        )
    return _confinement


def _missing(policy: Policy, why: str) -> dict[str, str]:
    """Return the clauses that need namespaces, which there are none of."""
    without = f"there are no namespaces here ({why})"
    found = {}
    if policy.disk is not None:
        found["disk"] = f"{without}, so its folder has no bound; disk=None allows that"
    if policy.subprocesses:
        found["subprocesses"] = f"{without}, so children might outlive the run"
    if policy.processes > 1 and os.geteuid() != 0:
        found["processes"] = f"{without}, so a limit would count all processes of the user"
    return found


def _remove(folder: str) -> None:
    """Remove a folder, however deep what a program left in it."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:
        subprocess.run(["/bin/rm", "-rf", "--", folder], check=False)  # noqa: S603


async def _run(confinement: Any, program: Program) -> SandboxResult:
    """Run a program under a confinement."""
    own = program.folder is None
    folder = program.folder or tempfile.mkdtemp(prefix="mellea-run-")
    try:
        if own:
            _put_files(Path(folder), program.files)
        finished, code = await _launch(confinement, program, folder, own=own)
        files = _collect(Path(folder), confinement.disk) if own else {}
    finally:
        if own:
            await in_thread(_remove, folder)
    return SandboxResult(
        finished.stdout.decode(errors="replace"),
        finished.stderr.decode(errors="replace"),
        None if finished.timed_out else code,
        finished.timed_out,
        finished.truncated,
        finished.seconds,
        files,
    )


def _put_files(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _collect(folder: Path, most: int | None) -> dict[str, bytes]:
    """Return the regular files in a folder, at most so many bytes in all; no link is followed."""
    found: dict[str, bytes] = {}
    left = most if most is not None else sys.maxsize
    for root, folders, names in os.walk(folder):
        if len(Path(root).parts) - len(folder.parts) > _DEEPEST:
            folders.clear()
        for name in sorted(names):
            path = Path(root, name)
            if path.is_symlink() or not path.is_file() or path.stat().st_size > left:
                continue
            found[path.relative_to(folder).as_posix()] = content = path.read_bytes()
            left -= len(content)
    return found


async def _launch(confinement: Any, program: Program, folder: str, *, own: bool) -> tuple[Finished, int]:
    """Start the launcher, and return what it heard, and the program's exit code."""
    from mellea.stdlib.sandbox import _confinement as confined  # noqa: PLC0415  its packages are an extra

    told, tell = os.pipe()
    ruleset = confined.make_ruleset(confinement) if confinement.files else None
    try:
        task = _task(confinement, program, folder, own=own) | {
            "status": tell,
            "ruleset": None if ruleset is None else ruleset.fileno(),
        }
        environment = dict(confinement.environment) | {"HOME": folder, "TMPDIR": folder}
        finished = await run_process(
            [sys.executable, "-I", "-c", _START],
            text=_launcher() + marshal.dumps(task),
            environment=environment,
            seconds=confinement.seconds if confinement.stopped else None,
            output=confinement.output,
            descriptors=[tell] if ruleset is None else [tell, ruleset.fileno()],
        )
        os.close(tell)
        tell = -1
        kind, text = _read_report(told)
    finally:
        os.close(told)
        if tell != -1:
            os.close(tell)
        if ruleset is not None:
            ruleset.close()
    if kind == "problem":
        raise _NotConfinedError(text)
    return finished, int(text or -9)


def _task(confinement: Any, program: Program, folder: str, *, own: bool) -> dict[str, Any]:
    from mellea.stdlib.sandbox import _confinement as confined  # noqa: PLC0415

    changes_user = confinement.own_user and os.geteuid() == 0
    filter_ = (
        confined.compile_filter(confinement.allowed, confinement.silent) if confinement.system_calls else b""
    )
    return {
        "parent": os.getpid(),
        "namespaces": confinement.namespaces,
        "isolated_network": confinement.isolated_network,
        "folder": folder,
        "own": own,
        "disk": confinement.disk,
        "access": confined.access_to_own_folder(confinement),
        "filter": filter_,
        "limits": confinement.limits,
        "user": _FIRST_USER + int.from_bytes(os.urandom(2)) % _USERS if changes_user else None,
        "overrides": bool(program.folder) or len(confinement.write) > 1,
        "code": program.code,
        "program": None if program.argv is None else _find(program.argv[0], confinement),
        "argv": program.argv,
    }


def _find(name: str, confinement: Any) -> str:
    found = shutil.which(name, path=dict(confinement.environment).get("PATH"))
    if found is None:
        raise UsageError(f"There is no program {name!r} in the sandbox.", hint="Name one that is installed.")
    return str(Path(found).resolve())


def _read_report(told: int) -> tuple[str, str]:
    """Return what the launcher reported, and how: the first problem, or else the last that it said."""
    with open(told, "rb", closefd=False) as file:
        lines = file.read(1 << 16).decode(errors="replace").splitlines()
    reports = [(kind, text) for kind, _, text in (line.partition(" ") for line in lines) if text]
    last = reports[-1] if reports else ("", "")
    return next((report for report in reports if report[0] == "problem"), last)


@lru_cache(maxsize=1)
def _launcher() -> bytes:
    """Return the launcher's code, compiled: it is handed to each process that runs it."""
    path = Path(__file__).with_name("_launcher.py")
    return marshal.dumps(compile(path.read_text(), str(path), "exec"))
