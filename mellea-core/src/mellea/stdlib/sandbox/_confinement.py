"""How a policy is enforced on Linux: which paths, system calls, limits and namespaces a program gets."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

from attrs import evolve, frozen
from landlockpy import (
    AccessFS,
    AccessNet,
    Ruleset,
    Scope,
    abi_version,
    fs_for_abi,
    net_for_abi,
    scope_for_abi,
)
from seccompy import Action, ArgCmp, CmpOp, Filter, syscalls

from mellea.core.policy import Policy
from mellea.stdlib.sandbox._system_calls import ALLOWED, NETWORK, SILENT, STARTING

__all__ = ["Confinement", "Namespaces", "access_to_own_folder", "compile_filter", "make_ruleset"]

Namespaces = Literal["root", "user", "none"]
"""Who makes namespaces: root by itself, a user by a user namespace, or nobody."""

_PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/alternatives", "/etc/ld.so.cache")
_SETTINGS = (
    *("/etc/localtime", "/etc/timezone", "/etc/mime.types", "/etc/fonts", "/etc/gitconfig"),
    *("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/full"),
)
_NETWORK = (
    *("/etc/hosts", "/etc/resolv.conf", "/etc/nsswitch.conf", "/etc/services", "/etc/protocols"),
    *("/etc/host.conf", "/etc/gai.conf", "/etc/ssl/certs", "/etc/ssl/openssl.cnf"),
    *("/etc/pki/tls/certs", "/etc/pki/ca-trust"),
)
_WRITABLE = ("/dev/null",)

_READ = AccessFS.READ_FILE | AccessFS.READ_DIR
_CHANGE = (
    AccessFS.WRITE_FILE | AccessFS.TRUNCATE | AccessFS.REMOVE_DIR | AccessFS.REMOVE_FILE | AccessFS.REFER
    | AccessFS.MAKE_DIR | AccessFS.MAKE_REG | AccessFS.MAKE_SYM | AccessFS.MAKE_FIFO | AccessFS.MAKE_SOCK
)  # fmt: skip
_OF_FILES = AccessFS.READ_FILE | AccessFS.WRITE_FILE | AccessFS.TRUNCATE | AccessFS.EXECUTE

_NEW_NAMESPACE = 0x7E02_0000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_THREAD = 0x0001_0000  # CLONE_THREAD
_PLAIN_PRCTL = (
    3,
    15,
    16,
    23,
    39,
    0x53564D41,
)  # dumpable?, names, capabilities?, no new privileges?, names of memory


@frozen
class Confinement:
    """What the kernel is asked to enforce for a policy. The canaries judge it, whatever it says.

    Args:
        files: Whether Landlock rules over files.
        read: Paths that may be read.
        write: Paths that may be written.
        execute: Whether what may be read may be executed.
        scoped: Whether Landlock keeps signals and abstract sockets inside.
        system_calls: Whether only the calls of a list may be made.
        allowed: That list.
        silent: Calls that report success, and do nothing.
        limits: Resource limits, by their name in the module ``resource``.
        seconds: When it is stopped.
        stopped: Whether it is.
        output: Bytes that are kept of each stream.
        environment: Its environment variables, but for those that name its folder.
        own_user: Whether root becomes a user that owns nothing.
        namespaces: Who makes namespaces.
        isolated_network: Whether its network is an empty one; with namespaces only.
        disk: Bytes of its own folder, a file system of its own; with namespaces only.
    """

    files: bool
    read: tuple[str, ...]
    write: tuple[str, ...]
    execute: bool
    scoped: bool
    system_calls: bool
    allowed: frozenset[str]
    silent: frozenset[str]
    limits: tuple[tuple[str, int], ...]
    seconds: float
    stopped: bool
    output: int
    environment: tuple[tuple[str, str], ...]
    own_user: bool
    namespaces: Namespaces
    isolated_network: bool
    disk: int | None

    @classmethod
    def of(cls, policy: Policy, namespaces: Namespaces) -> Confinement:
        """Return what a policy asks for, with the namespaces that can be had."""
        threads = frozenset({"clone"} if policy.processes > 1 else ())
        return cls(
            files=True,
            read=(
                *_interpreter(),
                *_PROGRAMS,
                *_SETTINGS,
                *(_NETWORK if policy.network else ()),
                *policy.read,
            ),
            write=(*_WRITABLE, *policy.write),
            execute=policy.subprocesses,
            scoped=True,
            system_calls=True,
            allowed=ALLOWED
            | (NETWORK if policy.network else frozenset())
            | (STARTING if policy.subprocesses else threads),
            silent=SILENT,
            limits=_limits(policy, namespaces),
            seconds=policy.seconds,
            stopped=True,
            output=policy.output,
            environment=_environment(policy),
            own_user=True,
            namespaces=namespaces,
            isolated_network=not policy.network,
            disk=policy.disk,
        )

    def for_program(self) -> Confinement:
        """Return the same for a program that is not this interpreter: it has to be executed."""
        return evolve(self, execute=True, allowed=self.allowed | {"execve"})


def _interpreter() -> Iterator[str]:
    """Yield what this interpreter reads: its installation, its environment, and its packages."""
    installed = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    homes = {"/", "/home", "/root", os.path.expanduser("~")}  # noqa: PTH111  text is compared
    yield from sorted(installed - homes)
    yield from (os.path.join(root, name) for root in sorted(installed & homes) for name in ("lib", "bin"))  # noqa: PTH118


def _environment(policy: Policy) -> tuple[tuple[str, str], ...]:
    plain = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}
    if policy.processes == 1:  # libraries of linear algebra start a thread for each core otherwise
        plain |= dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return tuple((plain | dict(policy.environment)).items())


def _limits(policy: Policy, namespaces: Namespaces) -> tuple[tuple[str, int], ...]:
    ours = 2 if namespaces == "user" else 0  # the launcher and its first child count as well
    return (
        ("RLIMIT_AS", policy.memory),
        ("RLIMIT_CPU", int(policy.seconds) + 1),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_NOFILE", 256),
        ("RLIMIT_NPROC", policy.processes + ours),
        *(() if policy.disk is None else (("RLIMIT_FSIZE", policy.disk),)),
    )


def access_to_own_folder(confinement: Confinement) -> int:
    """Return what a program may do in its own folder, as Landlock counts it here."""
    executing = AccessFS.EXECUTE if confinement.execute else AccessFS.NONE
    return int((_READ | _CHANGE | executing) & fs_for_abi(abi_version()))


def make_ruleset(confinement: Confinement) -> Ruleset:
    """Return a Landlock ruleset, without a rule for the program's own folder, which the launcher adds."""
    abi = abi_version()
    ruleset = Ruleset(
        handled_fs=fs_for_abi(abi),
        handled_net=net_for_abi(abi) if confinement.isolated_network else AccessNet.NONE,
        scoped=scope_for_abi(abi) if confinement.scoped else Scope.NONE,
    )
    executing = AccessFS.EXECUTE if confinement.execute else AccessFS.NONE
    for path in dict.fromkeys(confinement.read):
        _allow(ruleset, path, _READ | executing)
    for path in dict.fromkeys(confinement.write):
        _allow(ruleset, path, _READ | _CHANGE | executing)
    return ruleset


def _allow(ruleset: Ruleset, path: str, access: AccessFS) -> None:
    try:
        is_folder = os.path.isdir(path)  # noqa: PTH112
        ruleset.allow_path(path, access if is_folder else access & _OF_FILES)
    except FileNotFoundError:
        pass  # what is not there needs no rule


@lru_cache(maxsize=32)
def compile_filter(allowed: frozenset[str], silent: frozenset[str]) -> bytes:
    """Return the seccomp program that lets only these system calls through."""
    refused = int(Action.ERRNO) | errno.EPERM
    filter_ = Filter(default=refused)
    plain = allowed - {"clone"}
    for name in sorted(filter(_is_known, plain)):
        filter_.allow(name)
    for name in sorted(filter(_is_known, silent - plain)):
        filter_.errno(name, 0)
    filter_.errno("clone3", errno.ENOSYS)  # its flags cannot be seen here; libraries fall back on `clone`
    if "clone" in allowed:
        starts = "fork" in allowed or "execveat" in allowed
        mask = _NEW_NAMESPACE if starts else _NEW_NAMESPACE | _THREAD
        filter_.allow("clone", args=[ArgCmp(0, CmpOp.MASKED_EQ, 0 if starts else _THREAD, mask)])
    filter_.allow("prlimit64", args={0: 0})  # one's own
    filter_.allow("sched_setaffinity", args={0: 0})
    stream = [ArgCmp(0, CmpOp.EQ, 1), ArgCmp(1, CmpOp.MASKED_EQ, 1, 0xF)]
    filter_.allow("socketpair", args=stream)  # a pair of datagram sockets could send to any address
    for option in _PLAIN_PRCTL:
        filter_.allow("prctl", args={0: option})
    for request in (0x5412, 0x541C):  # TIOCSTI and TIOCLINUX type into a terminal
        filter_.errno("ioctl", errno.EPERM, args=[ArgCmp(1, CmpOp.MASKED_EQ, request, 0xFFFF_FFFF)])
    filter_.allow("ioctl")
    return filter_.program


def _is_known(name: str) -> bool:
    try:
        syscalls.syscall_nr(name)
    except ValueError:
        return False
    return True
