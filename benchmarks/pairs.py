"""Blind pairs: the free and the steered text of one call each, compared without saying which is which.

The judge is the embedded model: the text is preferred whose tokens are likelier to it, in the mean, behind
the task without its rules. So there are no positions to swap. Asked which of two texts is better, A or B,
that model named the same letter whichever text stood there, in all of 18 texts against the same texts with
their words shuffled: it is no judge. That the judge here is one is measured beside it, with a bound. What it
says of the pairs has none: a free text is by construction what the model finds likely, so it wins most of
them however the texts read. The goal for the pairs is held by people who read them.

``python -m benchmarks.pairs FILE`` writes the pairs in random order for a person to judge, and to
``FILE.key`` which text is the steered one.
"""

from __future__ import annotations

import asyncio
import random
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from attrs import frozen

from benchmarks.measure import Plan
from benchmarks.rules import clean, interval, plan_of
from benchmarks.steering import Bench
from benchmarks.table import Row
from benchmarks.tasks import TASKS, Task
from mellea import start_session
from mellea.core import Backend, MelleaError, Message
from mellea.core.scoring import score
from mellea.core.steering.layout import layout
from mellea.core.steering.pattern import Choice, Letters, Literal, Node, Repeat
from mellea.core.steering.pattern import Sequence as Parts
from mellea.stdlib.sampling import RejectionSamplingStrategy

__all__ = ["measured", "rows"]

_LINKS = {"the", "and", "for", "with", "from"}


@frozen
class Pair:
    """What a free and a steered call made of a task."""

    task: Task
    free: str
    steered: str


def rows(plan: Plan) -> Iterator[Row]:
    """Compare on the tasks that are for the result; a quick plan takes every fourth of them."""
    yield from measured([task for task in TASKS if task.held_out][1 :: 4 if plan.quick else 1])


def measured(tasks: Sequence[Task]) -> Iterator[Row]:
    """Compare on some tasks."""
    pairs = _drawn(tasks)
    yield from _named(pairs)
    yield from _constant(tasks, pairs)
    with start_session(backend="hf") as session:
        yield from asyncio.run(_judged(session.backend, pairs))


def _drawn(tasks: Sequence[Task]) -> list[Pair]:
    """Return the pairs of tasks, drawn on a real server; a task that is refused has none."""
    from tests.servers.llama import running_llama_server

    once, pairs = RejectionSamplingStrategy(loop_budget=1), []
    with (
        running_llama_server() as server,
        start_session("openai", server.model_id, base_url=server.base_url, api_key="none") as session,
    ):
        bench = Bench(session)
        for number, task in enumerate(tasks):
            try:
                texts = [bench.instruct(task, number, once, steered=way).value for way in (False, True)]
            except MelleaError:
                continue
            pairs.append(Pair(task, *texts))
    return pairs


def _names_subject(task: Task, text: str) -> bool:
    """Return whether a text has a word of what its task is about: one of the last two, but for its ending."""
    words = [word for word in re.findall(r"[a-z]{3,}", task.ask.lower()) if word not in _LINKS]
    return any(re.search(rf"\b{word[:5]}", text.lower()) for word in words[-2:])


def _named(pairs: Sequence[Pair]) -> Iterator[Row]:
    free, steered = (
        sum(_names_subject(each.task, text) for each, text in zip(pairs, texts, strict=True))
        for texts in ([pair.free for pair in pairs], [pair.steered for pair in pairs])
    )
    shares = (100 * hits / len(pairs) for hits in (steered, free))
    note = f"{steered} against {free} of {len(pairs)}"
    name = "subject named, steered against free"
    yield Row(name, *shares, "%", by="difference", bound=0.0, at_least=True, note=note)


def _constant(tasks: Sequence[Task], pairs: Sequence[Pair]) -> Iterator[Row]:
    """Yield how many tasks the shortest text of their plan passes, and how many one text passes at most."""

    def passes(task: Task, text: str) -> bool:
        return task.strict(text) and clean(text, task.prompt) and _names_subject(task, text)

    plans = [plan_of(task).plan for task in tasks]
    shortest = [plan.cased(_shortest(layout(plan))) for plan in plans]
    passed = sum(map(passes, tasks, shortest))
    name = "tasks that the shortest text of the plan passes"
    yield Row(name, passed, 0.0, "tasks", by="difference", bound=0.0)
    others = [[task for task in tasks if task.ask != pair.task.ask] for pair in pairs]
    most = max(
        sum(passes(task, pair.steered) for task in some) for pair, some in zip(pairs, others, strict=True)
    )
    name = "other tasks that one text passes, at most"
    yield Row(name, most, 0.0, "tasks", by="difference", note=f"of {len(tasks)}")


def _shortest(node: Node) -> str:
    """Return a text of a pattern that has as few characters as any."""
    match node:
        case Literal(text):
            return text
        case Letters(ranges):
            return ranges[0][0]
        case Parts(parts):
            return "".join(map(_shortest, parts))
        case Choice(options):
            return min(map(_shortest, options), key=len)
        case Repeat(inner, least, _):
            return _shortest(inner) * least


async def _judged(backend: Backend, pairs: Sequence[Pair]) -> list[Row]:
    """Return whether the judge prefers whole texts to shuffled ones, and what it says of the pairs."""
    dice = random.Random(1)
    known = [
        await _won(backend, pair.task, text, " ".join(dice.sample(text.split(), len(text.split()))))
        for pair in pairs
        for text in (pair.free, pair.steered)
    ]
    compared = [await _won(backend, pair.task, pair.steered, pair.free) for pair in pairs]
    return [
        _row("judge: whole texts against shuffled ones", known, bound=95.0),
        _row("blind pairs: steered against free", compared),
    ]


def _row(name: str, won: Sequence[float], *, bound: float | None = None) -> Row:
    """Return the share of pairs that the first text wins, where a half is a tie."""
    hits = sum(won)
    note = f"{hits:g} of {len(won)}, {won.count(0.5)} ties, {interval(round(hits), len(won))}"
    return Row(name, 100 * hits / len(won), 0.0, "%", by="difference", bound=bound, at_least=True, note=note)


async def _won(backend: Backend, task: Task, text: str, other: str) -> float:
    """Return whether a text is preferred to another: 1, 0, or a half for a tie."""
    one, two = await score(backend, [Message("user", task.ask)], [text, other])
    means = [each.logprob / len(each.logprobs) for each in (one, two)]
    return 0.5 if means[0] == means[1] else float(means[0] > means[1])


def _write(path: Path) -> None:
    """Write pairs of the tasks that are for the result to a file, and which text is steered to another."""
    dice, lines, key = random.Random(2), [], []
    pairs = _drawn([task for task in TASKS if task.held_out])
    dice.shuffle(pairs)
    for number, pair in enumerate(pairs, 1):
        texts = [("free", pair.free), ("steered", pair.steered)]
        dice.shuffle(texts)
        lines.append(f"## {number}. {pair.task.prompt}\n\n### A\n\n{texts[0][1]}\n\n### B\n\n{texts[1][1]}\n")
        key.append(f"{number} {'A' if texts[0][0] == 'steered' else 'B'}")
    path.write_text("\n".join(lines), encoding="utf-8")
    path.with_name(f"{path.name}.key").write_text("\n".join(key) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _write(Path(sys.argv[1]))
