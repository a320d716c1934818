"""What a session did is kept in a file, and read from it afterwards."""

import tempfile
from pathlib import Path

from mellea import RejectionSamplingStrategy, start_session
from mellea.core.trace import print_tree
from mellea.history import History
from mellea.stdlib.requirements import contains, word_count

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "runs.db")

    with start_session(backend="hf", history=path) as m:
        m.instruct(
            "Write one sentence that welcomes Kenji to the design team.",
            requirements=[contains("Kenji"), word_count(at_most=20)],
            strategy=RejectionSamplingStrategy(loop_budget=3),
        )
        m.chat("Name an animal of the sea.")

    history = History(path)
    for call in history.calls():
        print(f"{call.number}. {call.outcome}, {call.requests} requests: {call.asked}")

    found = history.search("Kenji", limit=1)
    print(f"Kenji is in call {found[0].call}.")
    print_tree(history.trace(1))
    for request in history.requests(1):
        print(f"{request.usage.total_tokens} tokens under the key {request.key[:12]}")
