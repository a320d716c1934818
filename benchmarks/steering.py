"""What steering wins: tasks with rules on a real llama.cpp server, free and steered, by ``instruct``.

Every way gets the same instruction with the same requirements. *Strict* is a text that keeps every rule by
the tasks' own checkers. *Clean* is one of 20 words or more, mostly letters, with few pairs of words that come
again, few words nobody knows, and a last sentence that does not break off.
"""

from __future__ import annotations

import math
import re
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from attrs import frozen

from benchmarks.measure import Plan
from benchmarks.table import Row
from benchmarks.tasks import TASKS, Rule, Task
from mellea import CBlock, MelleaSession, start_session
from mellea.core import Attempt, MelleaError, ModelOption, Requirement, SamplingResult
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
    Title,
    Words,
    steer,
)
from mellea.core.text_pattern import TextPattern
from mellea.stdlib.requirements import simple_validate
from mellea.stdlib.sampling import RejectionSamplingStrategy, RepairTemplateStrategy, SamplingStrategy

__all__ = ["FORMS", "clean", "requirements_of", "rows"]

CALLS = 4
FREE: Mapping[str, Any] = {
    ModelOption.TEMPERATURE: 0.4,
    ModelOption.MAX_NEW_TOKENS: 450,
    "repeat_penalty": 1.1,
    "repeat_last_n": 256,
}
"""Options of free calls; with these a text is clean more often than with the server's own."""

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


def requirements_of(rules: Sequence[Rule]) -> list[Requirement]:
    """Return rules as requirements: the words of the rule, its forms, and their own checks."""
    return [_requirement(rule, FORMS[rule.kind](*rule.values)) for rule in rules]


def _requirement(rule: Rule, forms: Sequence[Form]) -> Requirement:
    check = simple_validate(lambda text: all(form.check(text)[0] for form in forms))
    return Requirement(rule.text, check, form=forms)


@frozen
class Outcome:
    """What a way made of a task."""

    strict: bool
    clean: bool
    steered: bool
    """Whether all rules of the task have a place in its plan."""
    calls: int
    tokens: int
    seconds: float
    decoding: float
    """Seconds between the first token and the last, as the server counts them."""


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
    """Carries out tasks in a session."""

    def __init__(self, session: MelleaSession) -> None:
        self.session = session
        self.planning: list[float] = []
        self.compiling: list[float] = []
        self.refused = 0

    def instruct(
        self, task: Task, number: int, strategy: SamplingStrategy, *, steered: bool, draw: int = 0
    ) -> SamplingResult[Any]:
        """Return what an instruction gives. All ways begin with the same seed."""
        options = {ModelOption.SEED: 1000 * number + 1 + draw} | ({} if steered else FREE)
        return self.session.clone().instruct(
            task.ask,
            requirements=requirements_of(task.rules),
            strategy=strategy,
            model_options=options,
            steer=steered,
            return_sampling_results=True,
        )

    def ways(self, task: Task, number: int) -> Iterator[tuple[str, Outcome]]:
        """Yield what each way makes of a task."""
        self.time_pattern(task)  # first, since a plan that was made is kept
        once = RejectionSamplingStrategy(loop_budget=1)
        drawn = [self.instruct(task, number, once, steered=False, draw=draw).chosen for draw in range(CALLS)]
        best = max(drawn, key=lambda attempt: attempt.rank)
        met = next((at for at, attempt in enumerate(drawn) if attempt.success), None)
        yield FREE_ONCE, _outcome(task, drawn[:1], drawn[0])
        yield f"free, best of {CALLS}", _outcome(task, drawn, best)
        yield (
            f"free, rejection, up to {CALLS} calls",
            _outcome(task, drawn if met is None else drawn[: met + 1], best if met is None else drawn[met]),
        )
        repaired = self.instruct(task, number, RepairTemplateStrategy(loop_budget=CALLS), steered=False)
        yield f"free, repair, up to {CALLS} calls", _outcome(task, repaired.attempts, repaired.chosen)
        yield from self.steered(task, number)

    def once(self, task: Task, number: int) -> Iterator[tuple[str, Outcome]]:
        """Yield what a free call and the steered ways make of a task."""
        self.time_pattern(task)  # first, since a plan that was made is kept
        free = self.instruct(task, number, RejectionSamplingStrategy(loop_budget=1), steered=False)
        yield FREE_ONCE, _outcome(task, free.attempts, free.attempts[0])
        yield from self.steered(task, number)

    def steered(self, task: Task, number: int) -> Iterator[tuple[str, Outcome]]:
        """Yield what the steered ways make of a task."""
        try:
            steered = self.instruct(task, number, RejectionSamplingStrategy(loop_budget=CALLS), steered=True)
        except MelleaError:
            self.refused += 1
            return
        yield STEERED_ONCE, _outcome(task, steered.attempts[:1], steered.attempts[0])
        yield GUARDED, _outcome(task, steered.attempts, steered.chosen)

    def time_pattern(self, task: Task) -> None:
        """Note the seconds that planning takes, and those that a server needs more for the first token.

        The prompt has been read by then, so that its seconds hide neither.
        """
        start = time.perf_counter()
        plan = _plan_of(task)
        self.planning.append(time.perf_counter() - start)
        pattern = TextPattern(plan.pattern or ".*", 1)
        self._first_token(task, None)
        free, steered = (min(self._first_token(task, each) for _ in range(3)) for each in (None, pattern))
        self.compiling.append(steered - free)

    def _first_token(self, task: Task, pattern: TextPattern | None) -> float:
        start = time.perf_counter()
        self.session.clone().act(
            CBlock(task.prompt),
            strategy=None,
            format=pattern,
            model_options={ModelOption.MAX_NEW_TOKENS: 1, ModelOption.SEED: 1, "cache_prompt": True},
        )
        return time.perf_counter() - start


def _plan_of(task: Task) -> Steering:
    return steer([form for rule in task.rules for form in FORMS[rule.kind](*rule.values)], task.ask)


def _outcome(task: Task, attempts: Sequence[Attempt[Any]], chosen: Attempt[Any]) -> Outcome:
    text = str(chosen.output)
    return Outcome(
        task.strict(text),
        clean(text, task.prompt),
        all(outcome.steered for outcome in _plan_of(task).outcomes),
        len(attempts),
        sum(attempt.usage.completion_tokens for attempt in attempts if attempt.usage is not None),
        sum(attempt.seconds or 0.0 for attempt in attempts),
        sum(attempt.output.raw.response["timings"]["predicted_ms"] for attempt in attempts) / 1e3,
    )


def _interval(hits: int, total: int) -> str:
    """Return the 95% interval of a share (Wilson, 1927), in per cent."""
    if not total:
        return ""
    share, z = hits / total, 1.96
    middle = (share + z * z / (2 * total)) / (1 + z * z / total)
    half = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    return f"{100 * (middle - half):.0f} to {100 * (middle + half):.0f}%"


def rows(plan: Plan) -> Iterator[Row]:
    """Measure every way on the tasks that are for the result.

    A quick plan takes every other of them, and leaves out the ways that draw or repair free texts.
    """
    from tests.servers.llama import running_llama_server

    tasks = [task for task in TASKS if task.held_out][1 if plan.quick else 0 :: 2 if plan.quick else 1]
    ways: dict[str, list[Outcome]] = {}
    with (
        running_llama_server() as server,
        start_session("openai", server.model_id, base_url=server.base_url, api_key="none") as session,
    ):
        bench = Bench(session)
        for number, task in enumerate(tasks):
            for name, outcome in (bench.once if plan.quick else bench.ways)(task, number):
                ways.setdefault(name, []).append(outcome)
    for name, outcomes in ways.items():
        yield from _shares(name, outcomes)
    for name, bounds in _BOUNDS.items():
        yield from _shares(f"{name}, where all rules steer", [o for o in ways[name] if o.steered], **bounds)
    yield from _rates(ways[FREE_ONCE], ways[STEERED_ONCE])
    made = [sum(pair) for pair in zip(bench.planning, bench.compiling, strict=True)]
    for what, seconds, bound in (
        ("making a pattern", bench.planning, None),
        ("and its acceptance", made, 50.0),
    ):
        middle, slow = statistics.median(seconds) * 1e3, statistics.quantiles(seconds, n=20)[-1] * 1e3
        note = f"median {middle:.1f} ms"
        yield Row(f"{what}, 95th percentile", slow, 0.0, "ms", by="difference", bound=bound, note=note)
    yield Row("requests that the server refused", bench.refused, 0.0, "", by="difference", bound=0.0)


def _rates(free: Sequence[Outcome], steered: Sequence[Outcome]) -> Iterator[Row]:
    """Yield the tokens a second: of whole calls, and of what follows the first token of each."""
    calls = [
        sum(each.tokens for each in ways) / sum(each.seconds for each in ways) for ways in (steered, free)
    ]
    yield Row("steered tokens a second of whole calls, against free", *calls, "tokens/s")
    after = [
        sum(each.tokens - each.calls for each in ways) / sum(each.decoding for each in ways)
        for ways in (steered, free)
    ]
    name = "steered tokens a second after the first, against free"
    yield Row(name, *after, "tokens/s", bound=0.9, at_least=True)


FREE_ONCE = "free, one call"
STEERED_ONCE = "steered, one call"
GUARDED = f"steered, guards, up to {CALLS} calls"
_BOUNDS: Mapping[str, Mapping[str, float]] = {STEERED_ONCE: {"strict": 97, "both": 80}, GUARDED: {"both": 97}}


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
