"""A file and servers outside of every sandbox, that nothing inside may reach."""

import contextlib
import os
import secrets
import socket

import pytest

from mellea.core import Policy


class Outside:
    """What lies outside.

    The servers note who calls; the files can be compared with what they were.
    """

    def __init__(self, folder):
        self.folder = folder
        self.file = folder / "secret.txt"
        self.secret = secrets.token_hex(16)
        self.file.write_text(self.secret)
        self.file.chmod(0o600)
        self.servers = [
            self._listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            self._listen(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            self._listen(socket.AF_UNIX, socket.SOCK_STREAM, str(folder / "server")),
            self._listen(socket.AF_UNIX, socket.SOCK_STREAM, f"\0mellea-{self.secret}"),
            self._listen(socket.AF_UNIX, socket.SOCK_DGRAM, str(folder / "mailbox")),
        ]
        (folder / "server").chmod(0o777)
        (folder / "mailbox").chmod(0o777)
        self.before = self.look()

    def _listen(self, family, kind, address):
        server = socket.socket(family, kind)
        server.bind(address)
        if kind == socket.SOCK_STREAM:
            server.listen()
        server.setblocking(False)
        return server

    def look(self):
        kind = self.file.stat()
        attributes = os.listxattr(self.file)
        names = sorted(path.name for path in self.folder.iterdir())
        return (
            names,
            self.file.read_text(),
            kind.st_mode,
            kind.st_uid,
            kind.st_mtime_ns,
            kind.st_nlink,
            attributes,
        )

    def was_called(self):
        for server in self.servers:
            with contextlib.suppress(BlockingIOError):
                server.recv(9) if server.type == socket.SOCK_DGRAM else server.accept()[0].close()
                return True
        return False

    def variables(self, policy):
        """Return what stands before a way out."""
        values = {
            "FILE": str(self.file),
            "FOLDER": str(self.folder),
            "SECRET": self.secret,
            "SERVER": self.servers[0].getsockname(),
            "DATAGRAMS": self.servers[1].getsockname(),
            "UNIX": str(self.folder / "server"),
            "ABSTRACT": f"\0mellea-{self.secret}",
            "MAILBOX": str(self.folder / "mailbox"),
            "PARENT": os.getpid(),
            "MEMORY": policy.memory,
            "DISK": policy.disk,
            "PROCESSES": policy.processes,
        }
        return "".join(f"{name} = {value!r}\n" for name, value in values.items())

    def close(self):
        for server in self.servers:
            server.close()


@pytest.fixture(scope="session")
def outside(tmp_path_factory):
    outside = Outside(tmp_path_factory.mktemp("outside"))
    os.environ["MELLEA_TEST_SECRET"] = outside.secret
    yield outside
    del os.environ["MELLEA_TEST_SECRET"]
    outside.close()


@pytest.fixture(scope="session")
def small():
    """A policy with small limits, so that reaching them is quick."""
    return Policy(memory=256 << 20, seconds=20, disk=1 << 20)
