"""Examples for typed functions, out of a history."""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import PathLike

from mellea.core.errors import UsageError
from mellea.core.json_text import read_json
from mellea.history import History
from mellea.history.records import RecordedCall
from mellea.stdlib._wording import Example
from mellea.stdlib.components.genstub import GenerativeStub
from mellea.stdlib.prompts import Prompts

__all__ = ["choose_examples", "most_different"]

_KIND = "GenerativeCall"
_FRAME = re.compile(r"(?:\A|\n)Arguments:\n(.*)\n\nAnswer with a JSON object of the form", re.DOTALL)
_LONGEST = 4_000
"""Characters of the longest arguments that are shown as an example."""


def choose_examples(
    function: object, history: str | PathLike[str] | History, *, most: int = 4, newest: int = 2_000
) -> Prompts:
    """Return prompts that show a typed function some of its calls that went well.

    Calls count whose answers met what the function requires, under the same head and docstring; where it
    requires nothing, calls that were answered. Those that differ most from each other are chosen.

    Args:
        function: The typed function.
        history: The history, or its file.
        most: How many examples to choose at the most.
        newest: How many calls to look at, the newest first.

    Raises:
        UsageError: It is no typed function, the file cannot be read, or it has no such call.
    """
    if not isinstance(function, GenerativeStub):
        raise UsageError(
            f"{function!r} is no typed function, and a history has examples for these alone.",
            hint="Name a function with @generative, or give tasks.",
        )
    kept = history if isinstance(history, History) else History(history)
    found: dict[str, Example] = {}
    for call in kept.calls(limit=newest):
        example = _example(kept, call, function)
        if example is not None and len(example.arguments) <= _LONGEST:
            found.setdefault(example.arguments, example)
    if not found:
        raise UsageError(
            f"{kept.path} has no call of {function.__name__} that went well, of its present form.",
            hint="Keep one with start_session(history=...), or give tasks.",
        )
    every = list(found.values())
    chosen = most_different([one.arguments for one in every], most)
    told = {"why": f"{len(chosen)} of {len(every)} calls in a history, chosen to differ; not compared."}
    return Prompts((), tuple(every[place] for place in chosen), found=told)


def _example(
    history: History, call: RecordedCall, function: GenerativeStub[..., object, object]
) -> Example | None:
    """Return a call as an example; None if it is of something else or did not go well."""
    if call.kind != _KIND or call.answer is None or call.outcome not in ("met", "answered"):
        return None
    trace = history.trace(call.number)
    prompts = [attempt["prompt"] for attempt in (trace or {"attempts": []})["attempts"] if attempt["prompt"]]
    if not prompts:
        return None
    asked = str(prompts[0][-1]["content"])
    shown = _FRAME.search(asked)
    if shown is None or f"\n\n{function.declaration}\n" not in asked:
        return None
    try:
        return Example(function.head, shown.group(1), read_json(call.answer)["result"])
    except (ValueError, TypeError, KeyError):
        return None


def most_different(texts: Sequence[str], most: int) -> list[int]:
    """Return the places of the texts that differ most from each other, by the words that they share.

    The first is the newest; each further one has the least in common with those before (Gonzalez 1985).
    """
    words = [frozenset(re.findall(r"\w+", text.casefold())) for text in texts]
    chosen: list[int] = []
    distances = [2.0] * len(texts)
    while len(chosen) < min(most, len(texts)):
        place = max(range(len(texts)), key=lambda each: (distances[each], -each))
        chosen.append(place)
        for each, others in enumerate(words):
            union = len(others | words[place]) or 1
            distances[each] = min(distances[each], 1 - len(others & words[place]) / union)
        distances[place] = -1.0
    return chosen
