"""Serve until interrupted: ``python -m tests.servers.ollama [PORT]``, from the top of the repository."""

import sys

from tests.servers.llama import serve_by_hand
from tests.servers.ollama import running_ollama_server

serve_by_hand(
    running_ollama_server(int(sys.argv[1]) if len(sys.argv) > 1 else 0),
    lambda server: f"{server.base_url} serves {', '.join(server.models)}",
)
