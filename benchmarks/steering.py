"""What steering wins: tasks with rules on a real llama.cpp server, free and steered, by plain HTTP.

Every way gets the same prompt. *Strict* is a text that keeps every rule by the tasks' own checkers. *Clean*
is one of 20 words or more, mostly letters, with few pairs of words that come again, few words nobody knows,
and a last sentence that does not break off.
"""

from __future__ import annotations

import json
import math
import re
import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from typing import Any

from attrs import frozen

from benchmarks.measure import Plan
from benchmarks.table import Row
from benchmarks.tasks import TASKS, Rule, Task
from mellea.core.steering import (
    Avoids,
    AvoidsCharacters,
    BeginsWith,
    Bullets,
    Case,
    Characters,
    Contains,
    EndsWith,
    Form,
    Guards,
    Headings,
    Highlights,
    Numbered,
    Numbers,
    Paragraphs,
    Placeholders,
    Postscript,
    Quoted,
    Sentences,
    Steering,
    TextDecoder,
    Title,
    Words,
    steer,
)

__all__ = ["FORMS", "clean", "forms_of", "rows"]

CALLS = 4
OPTIONS = {"temperature": 0.4, "repeat_penalty": 1.1, "repeat_last_n": 256}
"""Options of free calls; with these a text is clean more often than with the server's own."""

_FREE_LIMIT = 450
_QUICK = 12

FORMS: dict[str, Callable[..., Sequence[Form]]] = {
    "words at least": lambda number: [Words(at_least=number)],
    "words at most": lambda number: [Words(at_most=number)],
    "words between": lambda low, high: [Words(low, high)],
    "sentences": lambda number: [Sentences(number, number)],
    "sentences at least": lambda number: [Sentences(at_least=number)],
    "sentences at most": lambda number: [Sentences(at_most=number)],
    "paragraphs": lambda number: [Paragraphs(number, number)],
    "mention": lambda *words: [Contains(word) for word in words],
    "mention often": lambda word, number: [Contains(word, number)],
    "mention exactly": lambda word, number: [Contains(word, number, number)],
    "avoid": lambda *words: [Avoids(words)],
    "avoid letter": lambda letter: [AvoidsCharacters(letter)],
    "begin": lambda phrase: [BeginsWith(phrase)],
    "end": lambda phrase: [EndsWith(phrase)],
    "small letters": lambda: [Case("lower")],
    "capital letters": lambda: [Case("upper")],
    "capitalized words": lambda: [Case("title")],
    "bullets": lambda number: [Bullets(number)],
    "numbered": lambda number: [Numbered(number)],
    "headings": lambda *names: [Headings(names)],
    "title": lambda: [Title()],
    "postscript": lambda: [Postscript()],
    "quoted": lambda: [Quoted()],
    "placeholders": lambda number: [Placeholders(number)],
    "highlights": lambda number: [Highlights(number)],
    "no commas": lambda: [AvoidsCharacters(",")],
    "no figures": lambda: [Numbers(0)],
    "figures": lambda number: [Numbers(number)],
    "no exclamation": lambda: [AvoidsCharacters("!")],
    "end with question": lambda: [EndsWith("?")],
    "words exactly": lambda number: [Words(number, number)],
    "sentences between": lambda low, high: [Sentences(low, high)],
    "characters at most": lambda number: [Characters(at_most=number)],
    "characters between": lambda low, high: [Characters(low, high)],
    "paragraphs at least": lambda number: [Paragraphs(at_least=number)],
    "one paragraph": lambda: [Paragraphs(1, 1)],
    "phrase": lambda phrase: [Contains(phrase)],
    "avoid letters": lambda *letters: [AvoidsCharacters("".join(letters))],
    "no questions": lambda: [AvoidsCharacters("?")],
    "three headings": lambda *names: [Headings(names)],
}


def forms_of(rules: Sequence[Rule]) -> list[Form]:
    """Return the forms of some rules."""
    return [form for rule in rules for form in FORMS[rule.kind](*rule.values)]


@frozen
class Answer:
    """One call's text, tokens and seconds; the tokens a second are those of the server while it wrote."""

    text: str
    tokens: int
    seconds: float
    rate: float
    cut: bool


@frozen
class Outcome:
    """What a way made of a task."""

    strict: bool
    clean: bool
    calls: int
    tokens: int
    seconds: float
    rate: float


class Client:
    """Asks a llama.cpp server."""

    def __init__(self, base_url: str) -> None:
        self._url = f"{base_url}/chat/completions"
        self.refused = 0

    def ask(self, messages: list[dict[str, str]], seed: int, steering: Steering | None = None) -> Answer:
        """Return an answer, steered or free."""
        body: dict[str, Any] = {"messages": messages, "seed": seed, **OPTIONS, "max_tokens": _FREE_LIMIT}
        if steering is not None and steering.pattern is not None:
            schema = {"name": "text", "schema": {"type": "string", "pattern": steering.pattern}}
            body |= {
                "response_format": {"type": "json_schema", "json_schema": schema},
                "max_tokens": steering.longest,
            }
            body |= {"temperature": steering.temperature, "repeat_penalty": steering.repetition_penalty}
        request = urllib.request.Request(
            self._url, json.dumps(body).encode(), {"content-type": "application/json"}
        )
        start = time.perf_counter()
        try:
            with urllib.request.urlopen(request, timeout=300) as response:
                answer = json.load(response)
        except urllib.error.HTTPError:
            self.refused += 1
            return Answer("", 0, time.perf_counter() - start, 0.0, cut=False)
        text = answer["choices"][0]["message"]["content"]
        if "response_format" in body:
            text = TextDecoder().feed(text)
        return Answer(
            text,
            answer["usage"]["completion_tokens"],
            time.perf_counter() - start,
            answer["timings"]["predicted_per_second"],
            cut=answer["choices"][0]["finish_reason"] == "length",
        )


@cache
def known_words() -> frozenset[str]:
    """Return the words that the model's tokenizer has as a whole, in small letters."""
    from gguf import GGUFReader

    from tests.servers.llama import smollm2_file

    tokens = GGUFReader(smollm2_file()).fields["tokenizer.ggml.tokens"]
    texts = (bytes(tokens.parts[index]).decode() for index in tokens.data)
    return frozenset(text[1:].lower() for text in texts if text[:1] == "\u0120" and text[1:].isalpha())


def clean(text: str, prompt: str) -> bool:
    """Return whether a text is in order as a text."""
    words = re.findall(r"[a-z]+(?:'[a-z]+)?", text.lower())
    marks = re.sub(r"\s", "", text)
    if len(words) < 20 or sum(map(str.isalpha, marks)) < 0.7 * len(marks):
        return False
    pairs = list(pairwise(words))
    known = known_words() | set(re.findall(r"[a-z]+", prompt.lower()))
    strange = [word for word in words if word.split("'")[0] not in known]
    last = words[-1]
    return (
        len(set(pairs)) >= 0.8 * len(pairs)
        and len(strange) <= 0.06 * len(words)
        and text.rstrip().rstrip('"*)]')[-1:] in set(".!?:")
        and last
        not in {
            "the",
            "a",
            "an",
            "and",
            "or",
            "of",
            "to",
            "with",
            "in",
            "for",
            "that",
            "is",
            "are",
            "about",
            "as",
        }
    )


class Bench:
    """Carries out tasks on a server, in several ways. What two ways have in common is asked once."""

    def __init__(self, client: Client, tasks: Sequence[Task]) -> None:
        self.client = client
        self.tasks = tasks
        self.planned: list[float] = []

    def free(self, task: Task, number: int) -> list[Answer]:
        """Draw freely, as often as there are calls."""
        asked = [{"role": "user", "content": task.prompt}]
        return [self.client.ask(asked, 100 * number + draw) for draw in range(CALLS)]

    def repair(self, task: Task, number: int, first: Answer) -> list[Answer]:
        """Say which rules the first answer broke, and ask again, until all are kept."""
        messages = [{"role": "user", "content": task.prompt}]
        answers = [first]
        while len(answers) < CALLS and not task.strict(answers[-1].text):
            broken = [rule.text for rule in task.rules if not rule.holds(answers[-1].text)]
            said = "\n".join(
                [
                    "The answer does not meet these requirements:",
                    *(f"- {text}" for text in broken),
                    "Write it again.",
                ]
            )
            messages += [
                {"role": "assistant", "content": answers[-1].text},
                {"role": "user", "content": said},
            ]
            answers.append(self.client.ask(messages, 100 * number + len(answers)))
        return answers

    def steered(self, task: Task, number: int, calls: int = CALLS) -> list[Answer]:
        """Draw steered, until the forms and the guards are content."""
        start = time.perf_counter()
        forms = forms_of(task.rules)
        steering = steer(forms, task.ask)
        self.planned.append(time.perf_counter() - start)
        asked = [{"role": "user", "content": f"{task.prompt}\n{steering.describe()}".strip()}]
        answers: list[Answer] = []
        while len(answers) < calls and not (answers and _content(answers[-1], forms, task)):
            answers.append(self.client.ask(asked, 100 * number + len(answers), steering))
        return answers


def judged(task: Task, answers: Sequence[Answer], best: Answer) -> Outcome:
    """Return what a way made of a task, with its answers and the one that it returns."""
    return Outcome(
        task.strict(best.text) and not best.cut,
        clean(best.text, task.prompt),
        len(answers),
        sum(answer.tokens for answer in answers),
        sum(answer.seconds for answer in answers),
        statistics.median(answer.rate for answer in answers),
    )


def until_strict(task: Task, answers: Sequence[Answer]) -> list[Answer]:
    """Return the answers up to the first that keeps all rules."""
    first = next(
        (index for index, answer in enumerate(answers) if task.strict(answer.text)), len(answers) - 1
    )
    return list(answers[: first + 1])


def _guards(task: Task) -> Guards:
    return Guards(known_words(), task.prompt, shortest=22, distinct=0.82, unknown=0.05)


def _content(answer: Answer, forms: Sequence[Form], task: Task) -> bool:
    return (
        not answer.cut
        and all(form.check(answer.text)[0] for form in forms)
        and _guards(task).check(answer.text)[0]
    )


def guarded(task: Task, answers: Sequence[Answer]) -> Answer:
    """Return the best of several by forms and guards."""
    forms = forms_of(task.rules)

    def rank(answer: Answer) -> tuple[bool, int, int]:
        met = sum(form.check(answer.text)[0] for form in forms)
        return not answer.cut, met, -len(_guards(task).faults(answer.text))

    return max(answers, key=rank)


def oracle(task: Task, answers: Sequence[Answer]) -> Answer:
    """Return the best of several by the measure itself."""
    return max(answers, key=lambda answer: (task.strict(answer.text), clean(answer.text, task.prompt)))


def _interval(hits: int, total: int) -> str:
    """Return the 95% interval of a share (Wilson, 1927), in per cent."""
    if not total:
        return ""
    share, z = hits / total, 1.96
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return f"{100 * (middle - half):.0f} to {100 * (middle + half):.0f}%"


def rows(plan: Plan, base_url: str | None = None) -> Iterator[Row]:
    """Measure every way on the half of the tasks that is held out; a quick plan takes a dozen of them."""
    tasks = [task for task in TASKS if task.held_out][: _QUICK if plan.quick else None]
    ways: dict[str, list[Outcome]] = {}
    with _served(base_url) as url:
        bench = Bench(Client(url), tasks)
        for number, task in enumerate(tasks):
            for name, outcome in _ways(bench, task, number):
                ways.setdefault(name, []).append(outcome)
    bounds: dict[str, dict[str, float]] = {_STEERED: {"strict": 97, "both": 80}, _GUARDED: {"both": 97}}
    for name, outcomes in ways.items():
        yield from _shares(name, outcomes, **bounds.get(name, {}))
    steered, free = (
        statistics.median(each.rate for each in ways[name] if each.rate) for name in (_STEERED, _FREE)
    )
    yield Row("steered tokens a second, against free", steered, free, "tokens/s", bound=0.9, at_least=True)
    slow = statistics.quantiles(bench.planned, n=20)[-1] * 1e3
    yield Row("making a pattern, 95th percentile", slow, 0.0, "ms", by="difference", bound=50.0)
    yield Row("requests that the server refused", bench.client.refused, 0.0, "", by="difference", bound=0.0)


_FREE = "free, one call"
_STEERED = "steered, one call"
_GUARDED = f"steered, guards, up to {CALLS} calls"


def _ways(bench: Bench, task: Task, number: int) -> Iterator[tuple[str, Outcome]]:
    """Yield what each way makes of a task."""
    drawn = bench.free(task, number)
    yield _FREE, judged(task, drawn[:1], drawn[0])
    yield f"free, best of {CALLS}", judged(task, drawn, oracle(task, drawn))
    rejected = until_strict(task, drawn)
    yield f"free, rejection, up to {CALLS} calls", judged(task, rejected, oracle(task, rejected))
    repaired = bench.repair(task, number, drawn[0])
    yield f"free, repair, up to {CALLS} calls", judged(task, repaired, oracle(task, repaired))
    steered = bench.steered(task, number)
    yield _STEERED, judged(task, steered[:1], steered[0])
    yield _GUARDED, judged(task, steered, guarded(task, steered))


def _shares(
    name: str, outcomes: list[Outcome], *, strict: float | None = None, both: float | None = None
) -> Iterator[Row]:
    total = len(outcomes)
    tokens, seconds = (
        sum(getattr(each, what) for each in outcomes) / total for what in ("tokens", "seconds")
    )
    calls = sum(each.calls for each in outcomes) / total
    spent = f"{calls:.1f} calls, {tokens:.0f} tokens, {seconds:.1f} s a task"
    measures = (
        ("strict", strict, lambda each: each.strict),
        ("clean", None, lambda each: each.clean),
        ("both", both, lambda each: each.strict and each.clean),
    )
    for what, bound, judge in measures:
        hits = sum(map(judge, outcomes))
        note = f"{hits} of {total}, {_interval(hits, total)}" + (f"; {spent}" if what == "both" else "")
        yield Row(
            f"{name}: {what}",
            100 * hits / total,
            0.0,
            "%",
            by="difference",
            bound=bound,
            at_least=True,
            note=note,
        )


@contextmanager
def _served(base_url: str | None) -> Iterator[str]:
    if base_url is not None:
        yield base_url
        return
    from tests.servers.llama import running_llama_server

    with running_llama_server() as server:
        yield server.base_url
