"""Rows over two processes of Ray, of which one dies on the way; no model is asked.

For a cluster of your own set ``RAY_ADDRESS``, and name a backend its machines reach.
"""

import asyncio
import os
import signal
import tempfile
from pathlib import Path

import mellea


def backend():
    """Open what answers, in each worker."""
    from mellea.testing import ScriptedBackend

    return ScriptedBackend("It is a lamp.")


async def describe(session, row):
    """Describe an article, and say which process did it."""
    await asyncio.sleep(0.1)  # a model would take longer
    text = await session.ainstruct(f"Describe article {row['article']} in four words.")
    return {"text": str(text), "process": os.getpid()}


articles = [{"article": number} for number in range(40)]
with tempfile.TemporaryDirectory() as folder:
    chosen = {"backend": backend, "journal": Path(folder, "runs.db"), "progress": False}
    processes, killed = set(), None
    results = mellea.map(
        describe,
        articles,
        engine="ray",
        workers=2,
        concurrency=2,
        resources={"num_cpus": 0.5},
        **chosen,
    )
    for result in results:
        process = result.value["process"]
        processes.add(process)
        if killed is None:
            killed = process
            os.kill(killed, signal.SIGKILL)
            print("A worker was killed after the first row.")

    print(f"{results.progress.done} rows are done, {results.progress.failed} failed.")
    print(f"It took {len(processes)} processes: one took the place of the other.")

    again = mellea.map(describe, articles, **chosen)
    print(f"In one process, with the same journal: {sum(1 for _ in again)} rows.")
    print(f"{again.progress.paid.requests} requests were paid for again.")
