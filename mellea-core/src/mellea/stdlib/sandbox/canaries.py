"""Proving a policy: bait outside, canaries inside, and a look at what they reached."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from mellea.core.errors import SandboxError
from mellea.core.policy import Policy
from mellea.stdlib.sandbox.contract import SandboxResult, lies_in

__all__ = ["FOREVER", "Bait", "clauses_of", "judge_canaries", "set_bait"]

FOREVER = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(9)"
"""What only a sandbox's limit on time ends."""
_SHORT, _PATIENCE = 0.3, 3.0
"""The limit on time that is tried, and how much longer that is waited for, in seconds."""
_LONG = 60.0
"""The longest that all other canaries take, in seconds."""


def clauses_of(policy: Policy) -> frozenset[str]:
    """Return the clauses of a policy that forbid something."""
    allowed = {
        "read": "/" in policy.read or "/" in policy.write,
        "write": "/" in policy.write,
        "network": policy.network,
        "subprocesses": policy.subprocesses,
        "disk": policy.disk is None,
    }
    every = (
        "read",
        "write",
        "network",
        "subprocesses",
        "memory",
        "processes",
        "environment",
        "output",
        "disk",
    )
    return frozenset({"parent", *(clause for clause in every if not allowed.get(clause, False))})


class Bait:
    """What canaries try to reach: a file, a folder, servers of this machine, and this process.

    Args:
        folder: Where the files are; of this bait alone.
        policy: The policy.
        variables: Environment variables that the program may see, whatever they hold.
        inherited: Whether others count only when they hold what this process's hold.
    """

    def __init__(self, folder: Path, policy: Policy, variables: Iterable[str], *, inherited: bool) -> None:
        self.folder = folder
        self.secret = secrets.token_hex(16)
        self.file = folder / "bait.txt"
        self.file.write_text(self.secret)
        self.file.chmod(0o600)
        self._before = self._look()
        self.clauses = clauses_of(policy)
        self._servers: list[socket.socket] = []
        self._datagrams = self._listen(socket.AF_INET, ("127.0.0.1", 0), socket.SOCK_DGRAM)
        self._stream = self._listen(socket.AF_INET, ("127.0.0.1", 0))
        places: list[tuple[int, Any]] = [(int(socket.AF_INET), self._stream.getsockname())]
        if hasattr(socket, "AF_UNIX"):
            self._listen(socket.AF_UNIX, str(folder / "socket"))
            places.append((int(socket.AF_UNIX), str(folder / "socket")))
            abstract = f"\0mellea-{self.secret}"
            with contextlib.suppress(OSError):  # Linux alone has these
                self._listen(socket.AF_UNIX, abstract)
                places.append((int(socket.AF_UNIX), abstract))
        self._before = self._look()
        self.told = {
            "clauses": sorted(self.clauses),
            "file": str(self.file),
            "folder": str(folder),
            "secret": self.secret,
            "listening": places,
            "datagrams": self._datagrams.getsockname(),
            "processes": policy.processes,
            "forks": policy.subprocesses,
            "variables": sorted(variables),
            "environment": _digests() if inherited else None,
            "disk": policy.disk,
            "memory": policy.memory,
            "output": policy.output + 1,
            "parents": [os.getpid()],
        }

    def _listen(self, family: int, address: Any, kind: int = socket.SOCK_STREAM) -> socket.socket:
        server = socket.socket(family, kind)
        self._servers.append(server)
        server.bind(address)
        if kind == socket.SOCK_STREAM:
            server.listen()
        server.setblocking(False)
        return server

    def _look(self) -> object:
        """Return what can be seen of the files from outside."""
        try:
            kind = self.file.stat()
            text = self.file.read_text()
        except OSError:
            return None
        return sorted(os.listdir(self.folder)), text, kind.st_mode, kind.st_mtime_ns, kind.st_nlink  # noqa: PTH208

    def program(self) -> str:
        """Return the program that tries everything."""
        return _source().replace("BAIT: dict[str, Any] = {}", f"BAIT: dict[str, Any] = {self.told!r}", 1)

    def was_changed(self) -> bool:
        """Tell whether the files are other than they were."""
        return self._look() != self._before

    def was_called(self) -> bool:
        """Tell whether a server of the bait was called, or sent something."""
        for server in self._servers:
            with contextlib.suppress(BlockingIOError):
                if server is self._datagrams:
                    server.recv(16)
                else:
                    server.accept()[0].close()
                return True
        return False

    def close(self) -> None:
        """Let go of the servers and files."""
        for server in self._servers:
            server.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def set_bait(policy: Policy, variables: Iterable[str], *, inherited: bool = False) -> Iterator[Bait]:
    """Lay bait for a policy's canaries, for as long as the block runs."""
    folder = Path(tempfile.mkdtemp(prefix="mellea-bait-", dir=_place_outside(policy)))
    bait = Bait(folder, policy, variables, inherited=inherited)
    try:
        yield bait
    finally:
        bait.close()


async def judge_canaries(
    policy: Policy, bait: Bait, run: Callable[[str, float], Awaitable[SandboxResult]]
) -> dict[str, str]:
    """Run the canaries, and return what they reached, by clause.

    Args:
        policy: The policy.
        bait: What they try to reach.
        run: Runs a program in the sandbox, with a limit on its seconds.
    """
    found = await run(bait.program(), _LONG)
    lines = found.stdout.splitlines()
    try:
        reached: dict[str, str] = json.loads(lines[0])
    except (ValueError, IndexError):
        why = found.problem or "they said nothing"
        return {"canaries": f"they did not run: {why}"}
    reached = {clause: f"the program reached {what}" for clause, what in reached.items()}
    if "memory" in lines:
        reached["memory"] = f"the program took {policy.memory} bytes beside its own"
    if "became" in lines:
        reached["subprocesses"] = "the program became another one"
    if max(len(found.stdout), len(found.stderr)) > policy.output:
        reached["output"] = "more is kept"
    if "write" in bait.clauses and bait.was_changed():
        reached["write"] = "the program changed a file or a folder outside"
    if "network" in bait.clauses and bait.was_called():
        reached["network"] = "the program reached a server of this machine"
    try:
        stopped = (await asyncio.wait_for(run(FOREVER, _SHORT), _SHORT + _PATIENCE)).timed_out
    except TimeoutError:
        stopped = False
    if not stopped:
        reached["seconds"] = "the program was not stopped"
    return reached


def _place_outside(policy: Policy) -> str:
    """Return a folder for bait that the policy gives no right to, or where it allows all reading, to write.

    Raises:
        SandboxError: There is none, so that nothing could be proved.
    """
    forbidden = {"read", "write"} & clauses_of(policy)
    roots = (*policy.write, *(policy.read if "read" in forbidden else ()))
    places = (tempfile.gettempdir(), "/var/tmp", "/dev/shm", str(Path.home()), "/opt", "/srv")  # noqa: S108
    outside = [place for place in places if not lies_in(place, roots) and os.access(place, os.W_OK)]
    if not outside and forbidden:
        raise SandboxError(
            "The policy cannot be proved: it gives every folder where something could lie outside of it.",
            hint="Name narrower folders in its read and write, or / alone.",
        )
    return outside[0] if outside else tempfile.gettempdir()


def _digests() -> list[str]:
    """Return what the variables of this process hold, so that none can be read from it."""
    plain = {"PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TERM", "TMPDIR", "PWD"}
    return [
        hashlib.sha256(f"{name}={value}".encode()).hexdigest()
        for name, value in os.environ.items()
        if name not in plain
    ]


@lru_cache(maxsize=1)
def _source() -> str:
    return Path(__file__).with_name("_canary.py").read_text()
