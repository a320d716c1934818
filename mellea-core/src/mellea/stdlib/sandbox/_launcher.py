"""What runs before a program in the sandbox ``landlock``: it confines itself, and starts it.

It reads what to do from its standard input, behind itself, and imports nothing of this package, and
little else: it is a part of what each run costs. Its steps: namespaces, and a file system for the
program's folder, where they can be had; a first child that dies with everything below it; and in a child
of that one limits, the user, Landlock, seccomp, and then the program.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # `signal` itself takes milliseconds
import ctypes
import gc
import marshal
import os
import resource
import stat
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

__all__ = ["main"]

_LIBC = ctypes.CDLL(None, use_errno=True)
_NEW_USER, _NEW_MOUNTS, _NEW_PIDS, _NEW_IPC, _NEW_NETWORK = (
    0x10000000,
    0x20000,
    0x20000000,
    0x8000000,
    0x40000000,
)
_PRIVATE, _RECURSIVE, _NO_SUID, _NO_DEVICES = 1 << 18, 0x4000, 2, 4
_DIES_WITH_PARENT, _KEEPS_CAPABILITIES, _NO_NEW_PRIVILEGES, _AMBIENT = 1, 8, 38, 47
_ADD_RULE, _RESTRICT_SELF = 445, 446
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_DEEPEST = 60
_DAC_OVERRIDE, _DAC_READ_SEARCH = 1, 2


class _Confined(BaseException):
    """This process is the program's, and ready to run it."""


def _check(result: int, what: str) -> None:
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def main() -> None:
    """Do what standard input says, and report on the descriptor that it names."""
    task = marshal.load(sys.stdin.buffer)  # noqa: S302  from the process that started this one
    status = task["status"]
    try:
        _check(_LIBC.prctl(_DIES_WITH_PARENT, signal.SIGKILL, 0, 0, 0), "prctl")
        if os.getppid() != task["parent"]:
            os._exit(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        gc.freeze()  # what is here stays, and needs no copy in the children
        outside = _enter_namespaces(task)
        code = _run_and_wait(task)
        if outside is not None:
            os.umask(0o077)
            _copy_files(task["folder"], outside, task["disk"])
        report = f"code {code}"
    except _Confined:
        raise
    except BaseException as error:  # noqa: BLE001  the other side raises it
        report = f"problem {error}"
    os.write(status, f"\n{report}".encode())
    os._exit(0)


def _enter_namespaces(task: dict[str, Any]) -> int | None:
    """Make the namespaces; return the folder that a file system of the program's own covers, if one does."""
    if task["namespaces"] == "none":
        return None
    flags = _NEW_MOUNTS | _NEW_PIDS | _NEW_IPC | (_NEW_NETWORK if task["isolated_network"] else 0)
    user, group = os.geteuid(), os.getegid()
    if task["namespaces"] == "user":
        flags |= _NEW_USER
    _check(_LIBC.unshare(flags), "unshare")
    if task["namespaces"] == "user":
        for name, text in (
            ("setgroups", "deny"),
            ("uid_map", f"{user} {user} 1"),
            ("gid_map", f"{group} {group} 1"),
        ):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    _check(_LIBC.mount(b"none", b"/", None, _RECURSIVE | _PRIVATE, None), "mount")
    if not task["own"] or task["disk"] is None:
        return None
    folder = task["folder"]
    outside = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    options = f"size={task['disk']},nr_inodes=4096,mode=700"
    kind = _NO_SUID | _NO_DEVICES
    _check(_LIBC.mount(b"tmpfs", folder.encode(), b"tmpfs", kind, options.encode()), "mount")
    inside = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    _copy_tree(outside, inside, task["disk"])
    os.close(inside)
    return outside


def _copy_files(folder: str, outside: int, most: int) -> None:
    """Copy what the program left, as far as it is no trap."""
    try:
        inside = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        _copy_tree(inside, outside, most)
    except (OSError, RecursionError):
        return


def _copy_tree(source: int, target: int, most: int) -> None:
    """Copy regular files and folders, at most so many bytes in all; nothing else, and through no link."""
    left = most
    for path, folders, files, here in os.fwalk(".", dir_fd=source):
        if path.count("/") > _DEEPEST:
            folders.clear()
        for name in folders:
            if stat.S_ISDIR(os.stat(name, dir_fd=here, follow_symlinks=False).st_mode):
                try:  # noqa: SIM105  contextlib takes a millisecond
                    os.mkdir(os.path.join(path, name), dir_fd=target)
                except FileExistsError:
                    pass
        for name in files:
            kind = os.stat(name, dir_fd=here, follow_symlinks=False)
            if not stat.S_ISREG(kind.st_mode) or kind.st_size > left:
                continue
            left -= kind.st_size
            taken = os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=here)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            given = os.open(os.path.join(path, name), flags, 0o600, dir_fd=target)
            while os.sendfile(given, taken, None, 1 << 24):
                pass
            os.close(taken)
            os.close(given)


def _run_and_wait(task: dict[str, Any]) -> int:
    """Run the program, and return its status once nothing of it is left."""
    if task["namespaces"] == "none":
        return _wait_for(_start(task))
    read, write = os.pipe()
    first = os.fork()
    if not first:  # process 1 of the namespace: the kernel ends all others with it
        os.close(read)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _LIBC.prctl(_DIES_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
        _LIBC.mount(b"proc", b"/proc", b"proc", _NO_SUID | _NO_DEVICES, None)  # the canaries tell if it fails
        program = _start(task)
        os.close(task["status"])
        for descriptor in (1, 2):
            os.close(descriptor)
        while True:
            child, status = os.wait()
            if child == program:
                os.write(write, struct.pack("i", os.waitstatus_to_exitcode(status)))
                os._exit(0)
    os.close(write)
    stopped = _wait_for(first)
    told = os.read(read, 4)
    return int(struct.unpack("i", told)[0]) if told else -abs(stopped or signal.SIGKILL)


def _wait_for(child: int) -> int:
    """Wait for a child; when asked to stop, stop it."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        os.kill(child, signal.SIGKILL)

    signal.signal(signal.SIGTERM, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
    _, status = os.waitpid(child, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    return os.waitstatus_to_exitcode(status)


def _start(task: dict[str, Any]) -> int:
    """Start the program in a child."""
    child = os.fork()
    if child:
        if task["ruleset"] is not None:
            os.close(task["ruleset"])
        return child
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGTERM])
        _LIBC.prctl(_DIES_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
        os.setsid()
        os.chdir(task["folder"])
        _confine(task)
    except BaseException as error:  # noqa: BLE001  it is told, and ends this child
        os.write(task["status"], f"problem {error}".encode())
        os._exit(126)
    raise _Confined(task)


def _confine(task: dict[str, Any]) -> None:
    rules = task["ruleset"]
    if rules is not None and task["own"]:
        here = os.open(task["folder"], os.O_PATH | os.O_DIRECTORY)
        rule = ctypes.create_string_buffer(struct.pack("<Qi", task["access"], here), 12)
        _check(_LIBC.syscall(_ADD_RULE, rules, 1, rule, 0), "landlock_add_rule")
        os.close(here)
    filter_ = ctypes.create_string_buffer(task["filter"])
    if task["user"] is not None:
        _own_files(task)
    for name, most in task["limits"]:
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (bound, bound))
    _give_up_rights(task)
    _check(_LIBC.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0), "prctl")
    if rules is not None:
        _check(_LIBC.syscall(_RESTRICT_SELF, rules, 0), "landlock_restrict_self")
    if task["filter"]:
        size = (len(filter_) - 1) // 8
        program = struct.pack("HxxxxxxQ", size, ctypes.addressof(filter_))
        number = _SECCOMP[os.uname().machine]
        _check(_LIBC.syscall(number, 1, 0, ctypes.create_string_buffer(program)), "seccomp")
    os.closerange(3, 1 << 30)


def _own_files(task: dict[str, Any]) -> None:
    """Give the files that lie in the program's folder to its user."""
    if task["own"]:
        os.chown(".", task["user"], task["user"])
        for _, folders, files, here in os.fwalk("."):
            for name in (*folders, *files):
                os.chown(name, task["user"], task["user"], dir_fd=here, follow_symlinks=False)


def _give_up_rights(task: dict[str, Any]) -> None:
    """Become the user that is asked for, without any capability but those to read (and write) its files."""
    kept = 0
    user = task["user"]
    if user is not None:
        kept = 1 << _DAC_READ_SEARCH | (1 << _DAC_OVERRIDE if task["overrides"] else 0)
        _check(_LIBC.prctl(_KEEPS_CAPABILITIES, 1, 0, 0, 0), "prctl")
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    header = ctypes.create_string_buffer(struct.pack("Ii", 0x20080522, 0))
    rights = ctypes.create_string_buffer(struct.pack("IIIIII", kept, kept, kept, 0, 0, 0))
    _check(_LIBC.capset(header, rights), "capset")
    _LIBC.prctl(_DIES_WITH_PARENT, signal.SIGKILL, 0, 0, 0)  # becoming another user undoes it
    for capability in range(40):
        if kept >> capability & 1:
            _check(_LIBC.prctl(_AMBIENT, 2, capability, 0, 0), "prctl")


def _run(task: dict[str, Any]) -> None:
    """Run the program in this process, which is confined; the interpreter then ends as it always does."""
    if task["program"] is not None:
        os.execve(task["program"], task["argv"], dict(os.environ))  # noqa: S606  a program is what is asked for
    module = type(sys)("__main__")
    module.__file__ = "program.py"
    sys.modules["__main__"] = module
    sys.argv = ["program.py"]
    sys.path.insert(0, task["folder"])
    try:
        exec(compile(task["code"], "program.py", "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001  what Python does with it
        _tell(error, task["code"])
        sys.exit(1)


def _tell(error: BaseException, code: str) -> None:
    """Print the traceback of a program, with its lines, as Python does."""
    import linecache  # noqa: PLC0415
    import traceback  # noqa: PLC0415

    linecache.cache["program.py"] = (len(code), None, code.splitlines(keepends=True), "program.py")
    error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
    traceback.print_exception(error)


def _task() -> dict[str, Any]:
    """Return the task in the program's process; every other one ends in here."""
    try:
        main()
    except _Confined as confined:
        found: dict[str, Any] = confined.args[0]
    return found


if __name__ == "__main__":
    _run(_task())
