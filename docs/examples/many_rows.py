"""A program over the rows of a file: estimated, interrupted, run to its end; no model.

On the command line: ``mellea map many_rows.py:sentiment --input reviews.csv -b hf``.
"""

import tempfile
from pathlib import Path
from typing import Literal

import mellea
from mellea import generative
from mellea.core import Price, Usage
from mellea.mapping import estimate
from mellea.testing import Reply, ScriptedBackend


@generative
def sentiment(review: str) -> Literal["positive", "negative"]:
    """Classify the sentiment of a review."""


def answer(request):
    """Stand for a model at a price."""
    liked = "I love" in request.messages[-1].content
    found = "positive" if liked else "negative"
    return Reply(f'{{"result": "{found}"}}', usage=Usage(120, 8))


backend = ScriptedBackend(answer)
backend.price = Price(input=0.15, output=0.60)
with tempfile.TemporaryDirectory() as folder:
    table = Path(folder, "reviews.csv")
    reviews = [f"{n},I {'love' if n % 3 else 'hate'} lamp {n}." for n in range(200)]
    table.write_text("\n".join(["number,review", *reviews]), "utf-8")
    chosen = {"backend": backend, "journal": Path(folder, "runs.db")}

    print(estimate(sentiment, table, **chosen))

    with mellea.map(sentiment, table, ordered=True, **chosen) as results:
        for result in results:
            print(result.row["review"], "->", result.value)
            if result.place == 3:
                break  # as an interruption would

    again = mellea.map(sentiment, table, **chosen)
    liked = sum(result.value == "positive" for result in again)
    print(f"{liked} of {again.progress.done} are positive.")
    print(f"All of it took {again.progress.spent}.")
    print(f"{again.progress.from_journal} of these rows were done before.")
