"""Rules of the tasks as requirements with forms, whether a text is a clean one, and shares of good texts.

*Strict* is a text that keeps every rule by the tasks' own checkers. *Clean* is one of 20 words or more,
mostly letters, with few pairs of words that come again, few words nobody knows, and a last sentence that does
not break off.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

from attrs import frozen

from benchmarks.table import Row
from benchmarks.tasks import Rule, Task
from mellea.core import Attempt, Requirement
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
from mellea.core.steering.subjects import subject_words
from mellea.evaluation import wilson_interval
from mellea.stdlib.requirements import simple_validate

__all__ = ["FORMS", "Outcome", "clean", "interval", "plan_of", "requirements_of", "shares"]

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


def plan_of(task: Task) -> Steering:
    """Return how the rules of a task steer it."""
    forms = [form for rule in task.rules for form in FORMS[rule.kind](*rule.values)]
    return steer(forms, task.ask, about=subject_words(task.ask))


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
    """Seconds between the first token and the last."""

    @classmethod
    def of(
        cls, task: Task, attempts: Sequence[Attempt[Any]], chosen: Attempt[Any], decoding: float
    ) -> Outcome:
        """Return what came of a task by some attempts, of which one was chosen."""
        text = str(chosen.output)
        return cls(
            task.strict(text),
            clean(text, task.prompt),
            all(outcome.steered for outcome in plan_of(task).outcomes),
            len(attempts),
            sum(attempt.usage.completion_tokens for attempt in attempts if attempt.usage is not None),
            sum(attempt.seconds or 0.0 for attempt in attempts),
            decoding,
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


def interval(hits: int, total: int) -> str:
    """Return the 95% interval of a share (Wilson, 1927), in per cent."""
    if not total:
        return ""
    low, high = wilson_interval(hits, total)
    return f"{100 * low:.0f} to {100 * high:.0f}%"


def shares(
    name: str, outcomes: list[Outcome], *, strict: float | None = None, both: float | None = None
) -> Iterator[Row]:
    """Yield the shares of strict, of clean, and of strict and clean texts, with bounds in per cent."""
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
        note = f"{hits} of {total}, {interval(hits, total)}" + (f"; {spent}" if what == "both" else "")
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
