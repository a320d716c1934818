"""The system calls that a program in a sandbox may make: what Python and ordinary programs need, no more.

It is a list of what is allowed, so that a call that a later kernel brings is refused. Files are not its
matter, but Landlock's: opening is allowed here, and refused there. Left out on purpose, beside what only
administrators do: tracing and reading other processes, memory that no limit counts (``memfd_create``, message
queues and shared memory), ``io_uring`` (which opens sockets by itself), watching files, handles of files,
keys, performance counters, and namespaces.
"""

from __future__ import annotations

__all__ = ["ALLOWED", "NETWORK", "SILENT", "STARTING"]

ALLOWED = frozenset(
    """
    access alarm arch_prctl brk capget chdir clock_getres clock_gettime clock_nanosleep close close_range
    copy_file_range creat dup dup2 dup3 epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2
    epoll_wait eventfd eventfd2 exit exit_group faccessat faccessat2 fadvise64 fallocate fchdir fcntl
    fdatasync fgetxattr flistxattr flock fstat fstatfs fsync ftruncate futex futex_requeue futex_wait
    futex_waitv futex_wake get_mempolicy get_robust_list getcpu getcwd getdents getdents64 getegid
    geteuid getgid getgroups getitimer getpgid getpgrp getpid getppid getpriority getrandom getresgid
    getresuid getrlimit getrusage getsid gettid gettimeofday getuid getxattr kill lgetxattr link linkat
    listxattr llistxattr lseek lstat madvise membarrier mincore mkdir mkdirat mlock mlock2 mmap mprotect
    mremap mseal msync munlock munmap nanosleep newfstatat open openat openat2 pause pipe pipe2 poll ppoll
    pread64 preadv preadv2 pselect6 pwrite64 pwritev pwritev2 read readahead readlink readlinkat
    readv rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask
    rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max
    sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
    sched_rr_get_interval sched_yield select sendfile set_robust_list set_tid_address
    setitimer setpgid setrlimit setsid sigaltstack splice stat statfs statx symlink symlinkat
    sync_file_range sysinfo tgkill time timer_create timer_delete timer_getoverrun timer_gettime
    timer_settime timerfd_create timerfd_gettime timerfd_settime times tkill truncate umask uname unlink
    unlinkat wait4 waitid write writev
    getpeername getsockname getsockopt recvfrom recvmmsg recvmsg sendmmsg sendmsg sendto setsockopt shutdown
    """.split()  # noqa: SIM905  one word a line would fill a page
)
"""With those on sockets: they do nothing without one, and pairs of connected ones are allowed."""

NETWORK = frozenset({"accept", "accept4", "bind", "connect", "listen", "socket"})
"""What makes and connects sockets."""

STARTING = frozenset({"clone", "execve", "execveat", "fork", "vfork"})
"""What starts processes and programs; ``clone`` is allowed to make threads, where there may be several."""

SILENT = frozenset(
    """
    chmod chown fchmod fchmodat fchmodat2 fchown fchownat lchown fremovexattr fsetxattr lremovexattr
    lsetxattr removexattr setxattr sync futimesat utime utimensat utimes
    """.split()  # noqa: SIM905  one word a line would fill a page
)
"""What changes a file's mode, owner, times and attributes: it reports success, and does nothing.

Landlock does not rule over these, and a program could change what lies outside its folder. Copying a file
asks for them, and should not fail.
"""
