"""The sandbox ``monty``: a part of Python, interpreted by what knows no files, sockets or processes.

Code runs in under a millisecond, in the processes of a pool. It has functions, classes, the containers and a
few modules (``math``, ``re``, ``json``, ``datetime``...), and no packages.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, ClassVar

from attrs import field, frozen

from mellea.core.errors import SandboxError, UsageError
from mellea.core.policy import Policy
from mellea.stdlib.sandbox.canaries import Bait, clauses_of, set_bait
from mellea.stdlib.sandbox.contract import Program, Sandbox, SandboxResult

__all__ = ["MontySandbox", "MontySettings"]

_INSTALL = 'Install it with: pip install "mellea-core[monty]"'
_GRACE = 1.0
"""Seconds that the interpreter has to stop the code by itself, before its process is ended."""
_SHORT = 0.2
"""The limit on time that is tried when a sandbox opens, in seconds."""


@frozen
class MontySettings:
    """What the interpreter is asked for. The canaries judge it, whatever it says.

    Args:
        limits: Its limits on resources.
        given: What the code gets from outside: folders, handlers, functions.
        output: Bytes that are kept of each stream.
    """

    limits: Mapping[str, Any] = field(factory=dict)
    given: Mapping[str, Any] = field(factory=dict)
    output: int = 1 << 20

    @classmethod
    def of(cls, policy: Policy) -> MontySettings:
        """Return what a policy asks for."""
        limits = {
            "max_memory": policy.memory,
            "max_feed_duration_secs": policy.seconds,
            "max_total_sleep_secs": policy.seconds,
        }
        return cls(limits, {}, policy.output)


class MontySandbox(Sandbox):
    """A part of Python, without anything but computing.

    Args:
        policy: What the code may do; the defaults of ``Policy`` when None. It can be given no files, network,
            programs, threads or variables.
        settings: What the interpreter is asked for, instead of what follows from the policy. The canaries
            judge it all the same.
    """

    tier: ClassVar[str] = "monty"

    def __init__(self, policy: Policy | None = None, *, settings: MontySettings | None = None) -> None:
        super().__init__(policy)
        self._settings = MontySettings.of(self.policy) if settings is None else settings
        self._pool: Any = None

    async def aclose(self) -> None:
        """End the processes of the pool."""
        await super().aclose()
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.__aexit__(None, None, None)

    async def _prove(self) -> Mapping[str, str]:
        if asked := _asked_too_much(self.policy):
            raise SandboxError(
                f"The sandbox 'monty' gives code no {asked}, which the policy allows.",
                hint="Choose 'landlock' or 'docker' for that, or leave it out of the policy.",
                tier=self.tier,
            )
        monty = _import_monty()
        self._pool = monty.AsyncMonty(request_timeout=self.policy.seconds + _GRACE)
        try:
            await self._pool.__aenter__()
        except (OSError, monty.MontyError) as error:
            self._pool = None
            raise SandboxError(
                f"The interpreter of the sandbox 'monty' does not start: {error}",
                hint=_INSTALL,
                tier=self.tier,
            ) from error
        reached = await self._try_canaries()
        if reached:
            await self.aclose()
        return reached

    async def _try_canaries(self) -> dict[str, str]:
        reached: dict[str, str] = {}
        with set_bait(self.policy, ()) as bait:
            for clause, code in _canaries(bait, self.policy):
                found = await self._feed(code)
                if found.value is not None and found.value is not False and found.success:
                    reached.setdefault(clause, f"the program reached {found.value!r:.80}")
                if len(found.stdout) > self.policy.output:
                    reached["output"] = "more is kept"
            if bait.was_changed():
                reached["write"] = "the program changed a file or a folder outside"
            if bait.was_called():
                reached["network"] = "the program reached a server of this machine"
        limits = dict(self._settings.limits)
        if "max_feed_duration_secs" in limits:
            limits["max_feed_duration_secs"] = min(_SHORT, limits["max_feed_duration_secs"])
        with suppress(TimeoutError):
            async with asyncio.timeout(_SHORT + _GRACE):
                if (await self._feed("while True: pass", limits)).timed_out:
                    return reached
        reached["seconds"] = "the program was not stopped"
        return reached

    async def _execute(self, program: Program) -> SandboxResult:
        if program.code is None:
            raise UsageError("The sandbox 'monty' runs Python alone.", hint="Choose 'landlock' or 'docker'.")
        if program.files or program.folder is not None:
            raise UsageError("The sandbox 'monty' has no files.", hint="Choose 'landlock' or 'docker'.")
        try:
            async with asyncio.timeout(self.policy.seconds + _GRACE / 2):
                return await self._feed(program.code)
        except TimeoutError:
            return SandboxResult(timed_out=True, seconds=self.policy.seconds + _GRACE / 2)

    async def _feed(self, code: str, limits: Mapping[str, Any] | None = None) -> SandboxResult:
        monty = _import_monty()
        kept = _Kept(self._settings.output)
        started = time.monotonic()
        value, problem, timed_out = None, "", False
        try:
            bounds = dict(self._settings.limits if limits is None else limits)
            async with self._pool.checkout(script_name="program.py", limits=bounds) as session:
                value = await session.feed_run(code, print_callback=kept.add, **self._settings.given)
        except monty.MontyCrashedError as error:
            problem, timed_out = str(error), error.timed_out
        except monty.MontyError as error:
            problem = error.display() if hasattr(error, "display") else str(error)
            timed_out = "TimeoutError" in str(error) and "limit exceeded" in str(error)
        return SandboxResult(
            kept.text("stdout"),
            kept.text("stderr") + problem,
            None if timed_out else int(bool(problem)),
            timed_out,
            kept.truncated,
            time.monotonic() - started,
            value=value,
        )


class _Kept:
    """What a program says, as far as a bound."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.streams: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        self.truncated = False

    def add(self, stream: str, text: str) -> None:
        kept, said = self.streams[stream], text.encode(errors="replace")
        room = self.most - len(kept)
        kept += said[:room]
        self.truncated = self.truncated or len(said) > room

    def text(self, stream: str) -> str:
        return self.streams[stream].decode(errors="replace")


def _import_monty() -> Any:
    try:
        import pydantic_monty  # noqa: PLC0415
    except ImportError as error:
        raise SandboxError("The sandbox 'monty' is not installed.", hint=_INSTALL, tier="monty") from error
    return pydantic_monty


def _asked_too_much(policy: Policy) -> str:
    """Return what a policy allows that the interpreter does not have."""
    asked = {
        "files": policy.read or policy.write,
        "network": policy.network,
        "subprocesses": policy.subprocesses,
        "threads": policy.processes > 1,
        "environment variables": policy.environment,
    }
    return " or ".join(name for name, value in asked.items() if value)


def _canaries(bait: Bait, policy: Policy) -> list[tuple[str, str]]:
    """Return programs, by the clause that they try; the value of each is what it reached."""
    file, folder, parent = str(bait.file), str(bait.folder), os.getpid()
    tried = [
        ("read", f"{bait.secret!r} in open({file!r}).read()"),
        ("read", f"from pathlib import Path\n{bait.secret!r} in Path({file!r}).read_text()"),
        ("read", f"import os\nlen(os.listdir({folder!r})) > 0"),
        ("write", f"open({file!r}, 'w').write('canary')\nNone"),
        ("write", f"from pathlib import Path\nPath({folder!r}, 'canary').write_text('x')\nNone"),
        ("write", f"import os\nos.mkdir({os.path.join(folder, 'canary')!r})\nNone"),  # noqa: PTH118
        ("network", "import socket\n'a socket'"),
        ("network", "import urllib.request\n'an address'"),
        ("subprocesses", "import subprocess\n'programs'"),
        ("subprocesses", "import os\nos.fork()"),
        ("subprocesses", "import os\nos.system('true')"),
        ("processes", "import threading\n'threads'"),
        ("environment", "import os\nlen(os.environ) > 0"),
        ("environment", "import os\nos.getenv('PATH')"),
        ("memory", f"len(bytes({policy.memory}) + b'x') > 0"),
        ("memory", f"len([0] * {policy.memory // 8 + 1}) > 0"),
        ("output", f"for _ in range({policy.output // 1000 + 2}): print('x' * 1000)\nNone"),
        ("parent", f"len(open('/proc/{parent}/environ').read()) > 0"),
        ("parent", f"import os\nos.kill({parent}, 0)\n'a signal'"),
        ("parent", "import ctypes\n'the memory of the process'"),
        ("parent", "len(().__class__.__base__.__subclasses__()) > 0"),
    ]
    return [(clause, code) for clause, code in tried if clause in clauses_of(policy) | {"processes"}]
