"""Downloads from a hub on this machine, and how they end when something is in the way."""

from __future__ import annotations

import http.server
import json
import os
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

SHA = "a" * 40
SIZE = 30_000_000
FILES = [
    {"type": "file", "path": "config.json", "size": 2, "oid": "b" * 40},
    {"type": "file", "path": "model.safetensors", "size": SIZE, "oid": "c" * 40},
]
INFO = {"id": "x/y", "sha": SHA, "siblings": [], "private": False, "tags": [], "downloads": 1, "likes": 1}


class Hub(http.server.BaseHTTPRequestHandler):
    """Has one model, or talks nonsense."""

    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.server.nonsense:
            self.answer(b'{"sha": 5}')
        elif self.path.startswith("/api/"):
            self.answer(json.dumps(FILES if "/tree/" in self.path else INFO).encode())
        else:
            self.answer(b"{}" if self.path.endswith("config.json") else bytes(SIZE))

    def do_HEAD(self):
        self.do_GET()

    def answer(self, content):
        self.send_response(200)
        self.send_header("x-repo-commit", SHA)
        self.send_header("etag", f'"{len(content)}"')
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            with suppress(OSError):  # the reader may go away
                self.wfile.write(content)


@pytest.fixture
def hub():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.nonsense = False
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


LOCATE = """
import resource
from mellea.core import MelleaError
from mellea_hf.interrupt import Interrupt
from mellea_hf.weights import locate
interrupt = Interrupt()
{before}
try:
    print(locate("x/y", interrupt))
except MelleaError as error:
    print(type(error).__name__, error)
"""


def located(hub, home, before=""):
    host, port = hub.server_address
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    kept |= {"HF_ENDPOINT": f"http://{host}:{port}", "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    code = LOCATE.format(before=before)
    done = subprocess.run([sys.executable, "-c", code], env=kept, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_model_is_downloaded(hub, tmp_path):
    assert located(hub, tmp_path).endswith(f"models--x--y/snapshots/{SHA}")


def test_hub_that_talks_nonsense_is_an_error(hub, tmp_path):
    hub.nonsense = True

    assert located(hub, tmp_path).startswith("ProviderError The hub's answer for x/y cannot be read")


def test_disk_that_is_full_while_downloading_asks_for_room(hub, tmp_path):
    said = located(hub, tmp_path, "resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_000, 10_000_000))")

    assert said.startswith(f"ProviderError x/y could not be downloaded into {tmp_path}/hub: File too large.")
    assert said.endswith("Make room there, or set HF_HOME to another folder.")


def test_download_that_nobody_waits_for_ends(hub, tmp_path):
    assert located(hub, tmp_path, "interrupt.set()").startswith("GenerationCancelledError")
