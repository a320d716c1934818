"""Ways out of a sandbox, by name. Each is a program that prints ``OUT`` when it got somewhere it should not be.

Before each stand the variables that say where that is: ``FILE`` and ``FOLDER`` outside, what the file holds,
servers of this machine, this process, and what may be taken.
"""

CALL = """
import ctypes, os
LIBC = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    return LIBC.syscall(number, *arguments)
"""

READING = {
    "open a file": "print('OUT' if SECRET in open(FILE).read() else '')",
    "open by pathlib": "from pathlib import Path\nprint('OUT' if SECRET in Path(FILE).read_text() else '')",
    "list a folder": "import os\nprint('OUT', os.listdir(FOLDER))",
    "scan a folder": "import os\nprint('OUT', [entry.name for entry in os.scandir(FOLDER)])",
    "glob": "import glob\nprint('OUT' if glob.glob(FOLDER + '/*') else '')",
    "a symbolic link": "import os\nos.symlink(FILE, 'link')\nprint('OUT', open('link').read())",
    "a hard link": "import os\nos.link(FILE, 'link')\nprint('OUT', open('link').read())",
    "a chain of links": (
        "import os\nos.symlink('/', 'a')\nos.symlink('a' + FOLDER, 'b')\nprint('OUT', os.listdir('b'))"
    ),
    "the root of /proc": "print('OUT', open('/proc/self/root' + FILE).read())",
    "the folder of /proc": "print('OUT', open('/proc/self/cwd/../..' + FILE).read())",
    "dots": "print('OUT', open('../../../../../..' + FILE).read())",
    "a descriptor of the root": (
        "import os\nroot = os.open('/', os.O_PATH)\n"
        "print('OUT', os.read(os.open(FILE[1:], os.O_RDONLY, dir_fd=root), 99))"
    ),
    "changing the folder": "import os\nos.chdir(FOLDER)\nprint('OUT', open(os.path.basename(FILE)).read())",
    "the system call open": CALL + "print('OUT' if call(2, FILE.encode(), 0) >= 0 else '')",
    "the system call openat2": CALL
    + "how = (ctypes.c_uint64 * 3)()\nprint('OUT' if call(437, -100, FILE.encode(), how, 24) >= 0 else '')",
    "a handle of a file": CALL
    + """
handle = ctypes.create_string_buffer(128 + 8)
ctypes.cast(handle, ctypes.POINTER(ctypes.c_uint))[0] = 128
mount = ctypes.c_int()
named = call(303, -100, FILE.encode(), handle, ctypes.byref(mount), 0)
print('OUT' if call(304, os.open('/', os.O_PATH), handle, 0) >= 0 else '')
""",
    "mapping a file": (
        "import mmap, os\nprint('OUT', mmap.mmap(os.open(FILE, os.O_RDONLY), 0, prot=mmap.PROT_READ)[:9])"
    ),
    "passwords": "print('OUT', open('/etc/shadow').read())",
    "the home folder": "import os\nprint('OUT', os.listdir(os.path.expanduser('~root')))",
    "shared memory": "import os\nprint('OUT', os.listdir('/dev/shm'))",
    "the memory of the machine": "print('OUT', open('/dev/mem', 'rb').read(1))",
    "the messages of the kernel": "print('OUT', open('/dev/kmsg').readline())",
    "the settings of the kernel": "print('OUT', open('/proc/sys/kernel/hostname').read())",
    "sqlite": (
        "import sqlite3\nhere = sqlite3.connect(':memory:')\nhere.execute('attach ? as x', (FOLDER + '/x.db',))\n"
        "here.execute('create table x.y (z)')\nprint('OUT')"
    ),
}

WRITING = {
    "open for writing": "open(FILE, 'w').write('x')\nprint('OUT')",
    "append": "open(FILE, 'a').write('x')\nprint('OUT')",
    "a new file": "open(FOLDER + '/new', 'x')\nprint('OUT')",
    "truncate": "import os\nos.truncate(FILE, 0)\nprint('OUT')",
    "rename onto it": "import os\nopen('x', 'w')\nos.replace('x', FILE)\nprint('OUT')",
    "rename it": "import os\nos.rename(FILE, 'x')\nprint('OUT')",
    "unlink": "import os\nos.unlink(FILE)\nprint('OUT')",
    "a new folder": "import os\nos.mkdir(FOLDER + '/new')\nprint('OUT')",
    "a link in a folder": "import os\nos.symlink('x', FOLDER + '/new')\nprint('OUT')",
    "a hard link in a folder": "import os\nopen('x', 'w')\nos.link('x', FOLDER + '/new')\nprint('OUT')",
    "writing through a link": "import os\nos.symlink(FILE, 'x')\nopen('x', 'w').write('x')\nprint('OUT')",
    "its mode": "import os\nos.chmod(FILE, 0o777)",
    "its mode, by a descriptor": "import os\nos.fchmod(os.open(FILE, os.O_PATH), 0o777)",
    "its owner": "import os\nos.chown(FILE, 1, 1)",
    "its times": "import os\nos.utime(FILE, (1, 1))",
    "its attributes": "import os\nos.setxattr(FILE, 'user.x', b'x')",
    "a pipe in a folder": "import os\nos.mkfifo(FOLDER + '/new')\nprint('OUT')",
    "a socket in a folder": (
        "import socket\nsocket.socket(socket.AF_UNIX).bind(FOLDER + '/new')\nprint('OUT')"
    ),
    "a device": "import os, stat\nos.mknod('device', stat.S_IFCHR | 0o666, os.makedev(1, 1))\nprint('OUT')",
    "temporary files": "open('/tmp/mellea-way-out', 'w')\nprint('OUT')",
    "shared memory": "open('/dev/shm/mellea-way-out', 'w')\nprint('OUT')",
    "a mount": CALL + "print('OUT' if LIBC.mount(b'x', b'/', b'tmpfs', 0, None) == 0 else '')",
    "another root": "import os\nos.chroot('.')\nprint('OUT')",
    "its own program": "import sys\nopen(sys.executable, 'r+b')\nprint('OUT')",
    "its own packages": "import os\nopen(os.path.join(os.path.dirname(os.__file__), 'new.py'), 'w')\nprint('OUT')",
}

NETWORK = {
    "tcp": "import socket\nsocket.create_connection(SERVER, 1)\nprint('OUT')",
    "tcp, without a wait": (
        "import socket\ncaller = socket.socket()\ncaller.setblocking(False)\ncaller.connect_ex(SERVER)\n"
        "import time\ntime.sleep(0.1)"
    ),
    "udp": "import socket\nsocket.socket(type=socket.SOCK_DGRAM).sendto(b'x', DATAGRAMS)",
    "udp with a lite checksum": (
        "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136).sendto(b'x', DATAGRAMS)\n"
        "print('OUT')"
    ),
    "tcp over IPv6": "import socket\nsocket.socket(socket.AF_INET6)\nprint('OUT')",
    "raw packets": "import socket\nsocket.socket(socket.AF_INET, socket.SOCK_RAW, 1)\nprint('OUT')",
    "packets of the link": "import socket\nsocket.socket(17, socket.SOCK_RAW)\nprint('OUT')",
    "netlink": "import socket\nsocket.socket(16, socket.SOCK_RAW)\nprint('OUT')",
    "sockets of a virtual machine": "import socket\nsocket.socket(40)\nprint('OUT')",
    "bluetooth": "import socket\nsocket.socket(31, socket.SOCK_STREAM, 3)\nprint('OUT')",
    "ciphers of the kernel": "import socket\nsocket.socket(38, socket.SOCK_SEQPACKET)\nprint('OUT')",
    "every family": (
        "import socket\n"
        "for family in range(46):\n"
        "    for kind in (1, 2, 3, 4, 5):\n"
        "        try:\n"
        "            socket.socket(family, kind)\n"
        "            print('OUT', family)\n"
        "        except OSError:\n"
        "            pass"
    ),
    "a listening server": "import socket\nsocket.create_server(('127.0.0.1', 0))\nprint('OUT')",
    "a socket in the files": "import socket\nsocket.socket(socket.AF_UNIX).connect(UNIX)\nprint('OUT')",
    "a socket without a file": "import socket\nsocket.socket(socket.AF_UNIX).connect(ABSTRACT)\nprint('OUT')",
    "a pair that sends elsewhere": (
        "import socket\none, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "one.sendto(b'x', MAILBOX)\nprint('OUT')"
    ),
    "a connected pair that sends elsewhere": (
        "import socket\none, two = socket.socketpair()\none.sendto(b'x', MAILBOX)\nprint('OUT')"
    ),
    "http": "import urllib.request\nprint('OUT', urllib.request.urlopen(f'http://{SERVER[0]}:{SERVER[1]}/'))",
    "io_uring": CALL + "print('OUT' if call(425, 8, ctypes.create_string_buffer(120)) >= 0 else '')",
}

STARTING = {
    "fork": "import os\nif os.fork() == 0:\n    print('OUT', flush=True)",
    "spawn": (
        "import os, sys\nos.posix_spawn(sys.executable, ['python', '-c', 'print(\"OUT\")'], {})\nos.wait()"
    ),
    "subprocess": "import subprocess\nprint('OUT', subprocess.run(['true']))",
    "a shell": "import os\nprint('OUT' if os.system('true') == 0 else '')",
    "becoming another": "import os\nos.execv('/bin/echo', ['echo', 'OUT'])",
    "becoming a file in memory": (
        "import os\nfile = os.memfd_create('x')\nos.write(file, open('/bin/echo', 'rb').read())\n"
        "os.execve(file, ['echo', 'OUT'], {})"
    ),
    "becoming a file of its own": (
        "import os, shutil\nshutil.copyfile('/bin/echo', 'x')\nos.chmod('x', 0o700)\n"
        "os.execv('./x', ['echo', 'OUT'])"
    ),
    "the loader": "import os\nos.execv('/lib64/ld-linux-x86-64.so.2', ['ld', '/bin/echo', 'OUT'])",
    "multiprocessing": (
        "import multiprocessing\nmultiprocessing.get_context('fork').Process(target=print, args=('OUT',)).start()"
    ),
    "the system call clone": CALL + "child = call(56, 17, 0, 0, 0, 0)\nprint('OUT' if child >= 0 else '')",
    "the system call clone3": CALL
    + "print('OUT' if call(435, (ctypes.c_uint64 * 8)(0, 0, 0, 0, 17), 64) >= 0 else '')",
    "the system call vfork": CALL + "print('OUT' if call(58) >= 0 else '')",
}

REACHING = {
    "the environment of the parent": "print('OUT', open(f'/proc/{PARENT}/environ').read())",
    "the memory of the parent": "print('OUT', open(f'/proc/{PARENT}/mem', 'rb').read(1))",
    "the files of the parent": "import os\nprint('OUT', os.listdir(f'/proc/{PARENT}/fd'))",
    "the command line of process 1": "print('OUT', open('/proc/1/cmdline').read())",
    "tracing the parent": CALL + "print('OUT' if LIBC.ptrace(16, PARENT, 0, 0) == 0 else '')",
    "being traced": CALL + "print('OUT' if LIBC.ptrace(0, 0, 0, 0) == 0 else '')",
    "reading the parent": CALL
    + """
piece = (ctypes.c_uint64 * 2)(ctypes.addressof(ctypes.create_string_buffer(8)), 8)
print('OUT' if call(310, PARENT, piece, 1, piece, 1, 0) >= 0 else '')
""",
    "a signal to the parent": "import os\nos.kill(PARENT, 0)\nprint('OUT')",
    "a signal to the launcher": "import os\nos.kill(os.getppid(), 0)\nprint('OUT')",
    "a signal with a value": CALL
    + "print('OUT' if call(129, PARENT, 0, ctypes.create_string_buffer(128)) == 0 else '')",
    "signals by a descriptor": CALL + "print('OUT' if call(434, PARENT, 0) >= 0 else '')",
    "signals of input": (
        "import fcntl, os, signal\nread, write = os.pipe()\nfcntl.fcntl(read, fcntl.F_SETOWN, PARENT)\n"
        "fcntl.fcntl(read, 10, signal.SIGKILL)\nfcntl.fcntl(read, fcntl.F_SETFL, os.O_ASYNC)\n"
        "os.write(write, b'x')"
    ),
    "limits of the parent": "import resource\nprint('OUT', resource.prlimit(PARENT, resource.RLIMIT_NOFILE))",
    "processors of the parent": "import os\nos.sched_setaffinity(PARENT, {0})\nprint('OUT')",
    "priority of the parent": "import os\nos.setpriority(os.PRIO_PROCESS, PARENT, 5)\nprint('OUT')",
    "inherited descriptors": """
import os
for number in range(3, 2048):
    try:
        os.fstat(number)
        print('OUT', number)
    except OSError:
        pass
""",
    "typing into the terminal": (
        "import fcntl, os\nfcntl.ioctl(os.open('/dev/tty', os.O_RDWR), 0x5412, b'x')\nprint('OUT')"
    ),
    "the environment": "import os\nprint('OUT' if SECRET in str(dict(os.environ)) else '')",
    "the first user": "import os\nos.setuid(0)\nprint('OUT')",
    "namespaces": CALL + "print('OUT' if LIBC.unshare(0x10000000) == 0 else '')",
    "the namespace of another": "import os\nos.open('/proc/1/ns/mnt', os.O_RDONLY)\nprint('OUT')",
    "keys of the kernel": CALL + "print('OUT' if call(250, 0, -3, 0, 0, 0) >= 0 else '')",
    "programs in the kernel": CALL
    + "print('OUT' if call(321, 0, ctypes.create_string_buffer(128), 128) >= 0 else '')",
    "performance counters": CALL
    + "print('OUT' if call(298, ctypes.create_string_buffer(128), 0, -1, -1, 0) >= 0 else '')",
    "page faults": CALL + "print('OUT' if call(323, 1) >= 0 else '')",
    "another kind of program": CALL + "print('OUT' if call(0x40000000 + 39) >= 0 else '')",
    "the clock": "import time\ntime.clock_settime(time.CLOCK_REALTIME, time.time())\nprint('OUT')",
    "the name of the machine": "import socket\nsocket.sethostname('x')\nprint('OUT')",
    "watching files": CALL
    + "watch = call(253)\nprint('OUT' if LIBC.inotify_add_watch(watch, FOLDER.encode(), 0xFFF) >= 0 else '')",
    "messages to other processes": CALL + "print('OUT' if call(68, 1234, 0o1666) >= 0 else '')",
    "classes": """
for kind in ().__class__.__base__.__subclasses__():
    builtins = getattr(getattr(kind, '__init__', None), '__globals__', {}).get('__builtins__')
    if builtins:
        opening = builtins['open'] if isinstance(builtins, dict) else builtins.open
        print('OUT', opening(FILE).read())
""",
    "frames": """
import sys
frame = sys._getframe().f_back
while frame:
    print('OUT' if 'PARENT' in frame.f_globals else '')
    frame = frame.f_back
""",
    "objects": """
import gc
for found in gc.get_objects():
    if isinstance(found, dict) and 'ruleset' in found:
        import os
        os.fstat(found['ruleset'])
        print('OUT')
""",
}

TAKING = {
    "memory": "x = bytearray(MEMORY)\nfor i in range(0, MEMORY, 4096): x[i] = 1\nprint('OUT')",
    "memory in pieces": "x = [bytearray(1 << 20) for _ in range(MEMORY >> 20)]\nprint('OUT')",
    "mapped memory": "import mmap\nx = mmap.mmap(-1, MEMORY)\nx[0] = 1\nprint('OUT')",
    "files in memory": "import os\nfor i in range(9):\n    os.memfd_create('x')\n    print('OUT')",
    "shared memory of System V": CALL + "print('OUT' if call(29, 0, 1 << 20, 0o1600) >= 0 else '')",
    "a higher limit": (
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 50, 1 << 50))\nprint('OUT')"
    ),
    "one large file": "import os\nos.truncate(open('x', 'w').fileno(), DISK + 1)\nprint('OUT')",
    "many files": """
written = 0
for number in range(40):
    with open(f'x{number}', 'wb') as file:
        written += file.write(bytes(DISK // 16))
        if written > DISK:
            print('OUT')
""",
    "more files than anybody needs": """
for number in range(10_000):
    open(f'x{number}', 'w').close()
print('OUT')
""",
    "threads": """
import threading
stop = threading.Event()
threads = [threading.Thread(target=stop.wait, daemon=True) for _ in range(PROCESSES + 1)]
for thread in threads:
    thread.start()
print('OUT')
""",
}

WAYS = {
    f"{kind}: {name}": code
    for kind, ways in {
        "read": READING,
        "write": WRITING,
        "network": NETWORK,
        "start": STARTING,
        "reach": REACHING,
        "take": TAKING,
    }.items()
    for name, code in ways.items()
}
