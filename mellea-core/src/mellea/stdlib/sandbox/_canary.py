"""The canaries: what a sandbox that runs CPython executes when it opens; run as a script, never imported.

Each tries what a clause of a policy forbids.
It is the source of a program, in which ``BAIT`` is filled in. It prints what it reached, by clause, as one
line of JSON, tries the memory and the output, and at last tries to become another program.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["main", "tries"]

BAIT: dict[str, Any] = {}
PROBES: list[tuple[str, Callable[[], object]]] = []


def tries(clause: str) -> Callable[[Callable[[], object]], None]:
    """Keep a function that says what it reached of what a clause forbids, if anything."""

    def keep(probe: Callable[[], object]) -> None:
        PROBES.append((clause, probe))

    return keep


def main() -> None:
    """Try everything that is forbidden, and print what was reached."""
    reached: dict[str, object] = {}
    for clause, probe in PROBES:
        if clause in BAIT["clauses"]:
            with contextlib.suppress(OSError, RuntimeError, ValueError, MemoryError, ImportError):
                said = probe()
                if said:
                    reached.setdefault(clause, said)
    print(json.dumps(reached), flush=True)
    if "memory" in BAIT["clauses"]:
        with contextlib.suppress(MemoryError):
            memory = bytearray(BAIT["memory"])
            for place in range(0, len(memory), 4096):
                memory[place] = 1
            print("memory", flush=True)
            del memory
    if "output" in BAIT["clauses"]:
        print("x" * BAIT["output"], file=sys.stderr, flush=True)
    if "subprocesses" in BAIT["clauses"]:
        with contextlib.suppress(OSError):
            os.execv(sys.executable, ["python", "-c", "print('became')"])


@tries("read")
def _() -> object:
    with open(BAIT["file"]) as file:
        return BAIT["secret"] in file.read() and "a file outside"


@tries("read")
def _() -> object:
    return os.listdir(BAIT["folder"]) and "a folder outside"


@tries("read")
def _() -> object:
    os.symlink(BAIT["file"], "canary-link")
    with open("canary-link") as file:
        return BAIT["secret"] in file.read() and "a file outside, by a link"


@tries("write")
def _() -> object:
    with open(BAIT["file"], "r+") as file:
        file.write("canary")
    return "a file outside"


@tries("write")
def _() -> object:
    for attempt in (
        lambda: os.close(os.open(os.path.join(BAIT["folder"], "canary"), os.O_CREAT | os.O_WRONLY)),
        lambda: os.truncate(BAIT["file"], 0),
        lambda: os.chmod(BAIT["file"], 0o777),
        lambda: os.utime(BAIT["file"], (0, 0)),
        lambda: os.mkdir(os.path.join(BAIT["folder"], "canaries")),
        lambda: os.symlink("x", os.path.join(BAIT["folder"], "canary-link")),
        lambda: os.link(BAIT["file"], "canary-hard-link"),
        lambda: os.unlink(BAIT["file"]),
    ):
        with contextlib.suppress(OSError):
            attempt()  # type: ignore[no-untyped-call]
    return None  # what came of it is seen from outside


@tries("network")
def _() -> object:
    for place in BAIT["listening"]:
        family, address = place
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_STREAM) as caller:
            caller.settimeout(1)
            caller.connect(tuple(address) if isinstance(address, list) else address)
            return f"a server of this machine at {address!r}"
    return None


@tries("network")
def _() -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"canary", tuple(BAIT["datagrams"]))
    return None  # what came of it is seen from outside


@tries("network")
def _() -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.connect(("192.0.2.1", 9))  # an address of documentation; nothing is sent
    return "a way to other machines"


@tries("subprocesses")
def _() -> object:
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
    return "a child"


@tries("subprocesses")
def _() -> object:
    child = os.posix_spawn(sys.executable or "/bin/true", ["python", "-c", "pass"], {})
    return os.waitpid(child, 0)[1] == 0 and "another program"


@tries("processes")
def _() -> object:
    most, waiting = BAIT["processes"], threading.Event()
    threads = []
    children = []
    try:
        for _ in range(most + 8):
            thread = threading.Thread(target=waiting.wait)
            thread.start()
            threads.append(thread)
    except RuntimeError:
        pass
    if BAIT["forks"]:
        with contextlib.suppress(OSError):
            for _ in range(most + 8):
                child = os.fork()
                if not child:
                    signal.pause()
                    os._exit(0)
                children.append(child)
    running = 1 + len(threads) + len(children)
    waiting.set()
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    for thread in threads:
        thread.join()
    return running > most and f"{running} at a time"


@tries("environment")
def _() -> object:
    inherited = BAIT["environment"]
    seen = [
        name
        for name, value in os.environ.items()
        if name not in BAIT["variables"]
        and (inherited is None or hashlib.sha256(f"{name}={value}".encode()).hexdigest() in inherited)
    ]
    return ", ".join(sorted(seen)[:5])


@tries("disk")
def _() -> object:
    most, written = BAIT["disk"], 0
    names = [f"canary-{number}" for number in range(12)]
    try:
        for name in names:
            with open(name, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, most // 4)
                written += most // 4
    finally:
        for name in names:
            with contextlib.suppress(OSError):
                os.unlink(name)
    return f"{written} bytes"


def _filled() -> object:
    most, chunk, written = BAIT["disk"], b"\0" * (1 << 20), 0
    with contextlib.suppress(OSError):
        for number in range(12):
            with open(f"canary-{number}", "wb", buffering=0) as file:
                while written <= most and file.tell() < most // 4:
                    written += file.write(chunk[: most // 4])
    for number in range(12):
        with contextlib.suppress(OSError):
            os.unlink(f"canary-{number}")
    return written > most and f"{written} bytes"


tries("disk")(_filled)


@tries("parent")
def _() -> object:
    for number in set(BAIT["parents"]) - {os.getpid()}:
        for name in ("environ", "mem", "maps", "cmdline"):
            with contextlib.suppress(OSError), open(f"/proc/{number}/{name}", "rb") as file:
                file.read(1)
                return f"/proc/{number}/{name}"
        for name in ("root", "cwd"):
            with contextlib.suppress(OSError):
                return os.readlink(f"/proc/{number}/{name}")
        with contextlib.suppress(OSError):
            return os.listdir(f"/proc/{number}/fd")[0]
    return None


@tries("parent")
def _() -> object:
    for number in set(BAIT["parents"]) - {os.getpid()}:
        with contextlib.suppress(OSError):
            os.kill(number, 0)
            return "this process with a signal"
        if ctypes.CDLL(None).ptrace(16, number, 0, 0) == 0:
            return "this process by tracing it"
    return None


@tries("parent")
def _() -> object:
    os.kill(os.getppid() or os.getpid() + 1, 0)
    return "the sandbox's own process with a signal"


@tries("parent")
def _() -> object:
    for number in range(3, 256):
        with contextlib.suppress(OSError):
            os.fstat(number)
            return f"the inherited descriptor {number}"
    return None


if __name__ == "__main__":
    main()
