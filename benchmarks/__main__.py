"""Run the benchmarks: ``python -m benchmarks [part ...] [--quick] [--json FILE]``."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import time
from pathlib import Path

from benchmarks.measure import Plan
from benchmarks.table import Row, as_json, as_text

PARTS = {
    "starting": "imports, and the way to the first request",
    "calls": "chat calls through mellea-openai against the bare SDK",
    "streaming": "streams through mellea-openai against the bare SDK and a bare HTTP client",
    "conversation": "long conversations, and what the framework adds to a call",
    "sampling": "instructions with requirements: judges, lanes, repeated attempts",
    "history": "what keeping a history adds to a call",
    "mapping": "many rows through a program, with their journal, against a bare HTTP client and the SDK",
    "tools": "rounds of tools, calls of MCP servers, schemas of functions, checks of arguments",
    "hooks": "hook points that nobody, and that somebody listens to",
    "telemetry": "what traces, metrics and costs add to a call",
    "sandboxes": "code in the sandboxes against a plain subprocess",
    "verdicts": "judges with a number, and votes that stop when they are settled",
    "steering": "tasks with rules on a real server, free and steered",
    "pairs": "free and steered texts of the same tasks, compared blind",
    "forms": "tasks with rules on the embedded model, free and steered",
    "guarantees": "the local engine: output that is never cut, quotes word for word",
    "engine": "the local engine against bare model.generate: batches, prefixes, schemas, verdicts, memory",
    "peers": "local engines beside each other: the plugin for llama.cpp, and hf",
    "serving": "a served program with 500 clients, some of which do not behave",
    "local": "streaming on the embedded model against bare model.generate",
}


def main() -> int:
    """Measure the parts asked for, print the table, and return the exit status: 1 when a bound is missed."""
    parts = "\n".join(f"  {name:14}{what}" for name, what in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure what Mellea costs, as ratios against doing the same without it.",
        epilog=f"parts:\n{parts}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="part", help="what to measure; everything by default")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, for a first look")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    arguments = parser.parse_args()
    unknown = [part for part in arguments.parts if part not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; choose from {', '.join(PARTS)}")

    busy = os.getloadavg()[0]
    if busy > 0.5:
        print(
            f"The load average is {busy:.1f}: other programs disturb differences in ms and the local model.",
            file=sys.stderr,
        )
    rows: list[Row] = []
    for part in arguments.parts or PARTS:
        start = time.perf_counter()
        rows += importlib.import_module(f"benchmarks.{part}").rows(Plan(quick=arguments.quick))
        print(f"{part}: {time.perf_counter() - start:.0f} s", file=sys.stderr)
    print(as_text(rows))
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(as_json(rows), indent=2) + "\n", encoding="utf-8")
    over = [row.name for row in rows if not row.ok]
    if over:
        print(f"over the bound: {'; '.join(over)}", file=sys.stderr)
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
