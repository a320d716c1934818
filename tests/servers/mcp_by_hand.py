"""An MCP server written by hand, which starts at once and is odd in several ways.

It prints what is no message, knows no UTF-8, and its list of tools has no end with ``endless``. With ``odd``
one of its tools announces another result than it gives, one floods the error stream, and one answers with
more than anybody reads.
"""

import json
import os
import sys

PLAIN = {"inputSchema": {"type": "object"}}
NUMBER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
ODD = [
    {"name": "server_lie", **PLAIN, "outputSchema": NUMBER},
    {"name": "server_flood", **PLAIN},
    {"name": "server_long", **PLAIN},
]
LISTED = {"tools": ODD if "odd" in sys.argv else [{"name": "pid", **PLAIN}]}
ANSWERS = {
    "initialize": {
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "by hand", "version": "1"},
    },
    "tools/list": {**LISTED, "nextCursor": "more"} if "endless" in sys.argv else LISTED,
}

for line in sys.stdin:
    asked = json.loads(line)
    called = asked.get("params", {}).get("name")
    text = str(os.getpid()) if called == "pid" else "caf@"
    if called == "server_long":
        text = "x" * (17 << 20)
    if called == "server_flood":
        sys.stderr.write("e" * (8 << 20))
    said = ANSWERS.get(asked["method"], {"content": [{"type": "text", "text": text}]} if called else None)
    answer = {"result": said} if said else {"error": {"code": -32601, "message": "no"}}
    if "id" in asked:
        message = json.dumps({"jsonrpc": "2.0", "id": asked["id"], **answer})
        sys.stdout.buffer.write(b"ready!\n" + message.encode().replace(b"@", b"\xe9") + b"\n")
        sys.stdout.buffer.flush()
