"""The programs that a shell command may be by default, and those that it never is."""

from __future__ import annotations

from typing import Any

__all__ = ["INTERPRETERS", "PRIVILEGED", "PROGRAMS", "SHELLS", "SYSTEM_FOLDERS", "TEMPORARY"]

PRIVILEGED = frozenset(
    """
    sudo su doas pkexec runuser setpriv gosu passwd chpasswd useradd userdel usermod groupadd groupdel
    groupmod adduser deluser addgroup delgroup gpasswd newgrp visudo vipw vigr chage
    chsh chfn sudoedit login sg
    """.split()  # noqa: SIM905  one word a line would fill a page
)
SHELLS = frozenset({"ash", "bash", "csh", "dash", "fish", "ksh", "mksh", "sh", "tcsh", "zsh"})
INTERPRETERS = {
    **{name: frozenset({"-c", "-m"}) for name in ("python", "python3", "python2", "pypy", "pypy3")},
    **{
        name: frozenset({"-e", "-p", "--eval", "--print", "-r", "--require"})
        for name in ("node", "nodejs", "bun")
    },
    **{name: frozenset({"-e", "-E", "-n", "-p", "-i"}) for name in ("perl", "ruby")},
    "php": frozenset({"-r", "-B", "-R", "-E"}),
    "lua": frozenset({"-e", "-l"}),
    "Rscript": frozenset({"-e"}),
    "R": frozenset({"-e"}),
}
"""Each with the options that take code."""

SYSTEM_FOLDERS = (
    *("/bin", "/sbin", "/usr", "/lib", "/lib32", "/lib64", "/etc", "/dev", "/proc", "/sys", "/boot", "/root"),
    *(
        "/var/log",
        "/var/www",
        "/var/lib",
        "/var/spool",
        "/srv",
        "/run",
        "/System",
        "/Library",
        "/opt/homebrew",
    ),
)
TEMPORARY = ("/private/tmp", "/private/var/folders", "/var/folders", "/dev/shm")  # noqa: S108  a Mac's

_READERS = """
    [ basename cal cat cksum cmp column comm cut date df diff dirname du echo egrep expand expr false fgrep
    fmt fold grep head hostname id join jq ls md5sum nl od paste printf pwd readlink realpath seq
    sha1sum sha256sum sha512sum sleep stat strings sum tac tail test tr true type uname unexpand uptime wc
    which whoami xxd yes
""".split()  # noqa: SIM905

_FORCE = frozenset({"-f", "--force", "--force-with-lease", "--force-if-includes"})
_GIT = {
    **dict.fromkeys(
        """
        blame cat-file describe diff grep help init log ls-files ls-tree merge-base mv name-rev rev-list
        rev-parse shortlog show status version
        """.split(),  # noqa: SIM905
        frozenset({"--output", "-c", "--exec", "--upload-pack"}),
    ),
    "add": _FORCE,
    "branch": _FORCE | {"-D", "-M", "-C", "-d", "--delete"},
    "checkout": _FORCE | {"-B", "--ours", "--theirs", ".", "--"},
    "cherry-pick": frozenset({"--quit"}),
    "clone": frozenset({"-u", "--upload-pack", "-c", "--config", "--template"}),
    "commit": frozenset({"--amend"}),
    "fetch": _FORCE | {"--upload-pack", "--prune", "-p"},
    "merge": frozenset({"--quit"}),
    "pull": _FORCE | {"--upload-pack"},
    "push": _FORCE | {"--mirror", "--delete", "-d", "--prune", "--receive-pack", "--exec"},
    "remote": frozenset({"remove", "rm", "prune"}),
    "revert": frozenset({"--quit"}),
    "stash": frozenset({"drop", "clear"}),
    "switch": _FORCE | {"-C", "--discard-changes"},
    "tag": _FORCE | {"-d", "--delete"},
    "worktree": _FORCE | {"remove", "prune"},
    "reset": frozenset({"--hard", "--merge", "--keep"}),
    "rm": _FORCE | {"-r"},
}
_PACKAGES = {
    name: frozenset(_FORCE | {"-r", "-R", "--recursive"}) for name in ("check", "freeze", "list", "show")
}
_RUNNING = {
    "refused": frozenset({"-exec", "-execdir", "-ok", "-okdir", "-delete", "-fprint", "-fprintf", "-fls"})
}
_CODE = r"system\s*\(|\bgetline\b|\|\s*[\"']|print[^}]*>|\bpopen\b"

PROGRAMS: dict[str, dict[str, Any]] = {
    **{name: {} for name in _READERS},
    **{name: {"wraps": True} for name in ("nice", "nohup", "stdbuf", "timeout")},
    "env": {"wraps": True, "refused": {"-S", "--split-string", "-C", "--chdir"}},
    "time": {"wraps": True, "refused": {"-o", "--output", "-a", "--append"}},
    "file": {"refused": {"-C", "--compile", "-m", "--magic-file"}},
    "rg": {"refused": {"--pre", "--hostname-bin", "-z"}},
    "tree": {"output": {"-o"}},
    "xxd": {"writes": "last"},
    **{name: {"scripts": True} for name in (*SHELLS, *INTERPRETERS)},
    "awk": {"words": _CODE, "refused": {"-f", "-i", "--file", "--include", "-l", "-E", "--exec"}},
    "base64": {},
    "bzip2": {"writes": "all"},
    "chmod": {"refused": {"-R", "--recursive"}, "writes": "all"},
    "cp": {"refused": {"-a", "-t", "--target-directory"}, "writes": "last"},
    "dd": {"writes": "all"},
    "find": _RUNNING,
    "gawk": {"words": _CODE, "refused": {"-f", "-i", "--file", "--include", "-l", "-E", "--exec"}},
    "git": {"subcommands": _GIT, "refused": {"-c", "-C", "--exec-path", "--git-dir", "--work-tree"}},
    "gunzip": {"writes": "all"},
    "gzip": {"writes": "all"},
    "install": {"refused": {"-t", "--target-directory"}, "writes": "last"},
    "ln": {"refused": {"-t", "--target-directory"}, "writes": "last"},
    "mkdir": {"writes": "all"},
    "mv": {"refused": {"-t", "--target-directory"}, "writes": "all"},
    "patch": {"writes": "all", "output": {"-o", "--output", "-r", "--reject-file", "-d", "--directory"}},
    "pip": {"subcommands": _PACKAGES},
    "pip3": {"subcommands": _PACKAGES},
    "pytest": {},
    "rm": {"refused": {"-r", "-R", "--recursive", "--no-preserve-root"}, "writes": "all"},
    "rmdir": {"writes": "all"},
    "sed": {
"words": r"(^|[;{}\d$/])\s*[wWrR]\s+\S|(^|[;{}\d$])\s*e(\s|$)|/[gpiIm\d]*(e[gpiIm\d]*$|w\s)",
        "refused": {"-i", "--in-place", "-f", "--file", "-s"},
    },
    "shuf": {"output": {"-o", "--output"}},
    "sort": {"output": {"-o", "--output", "-T"}, "refused": {"--compress-program"}},
    "split": {"refused": {"--filter"}, "writes": "last"},
    "tar": {
        "allowed": frozenset(
            {"-t", "-c", "-f", "-v", "-z", "-j", "-J", "--list", "--create", "--file", "--gzip", "--verbose"}
        ),
        "output": {"-f", "--file"},
    },
    "tee": {"writes": "all"},
    "touch": {"writes": "all"},
    "truncate": {"writes": "all"},
    "uniq": {"writes": "last"},
    "unzip": {"allowed": frozenset({"-l", "-t", "-v", "-Z"})},
    "xz": {"writes": "all"},
    "yq": {"refused": {"-i", "--inplace"}},
}  # fmt: skip
