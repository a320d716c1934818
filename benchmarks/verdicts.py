"""What verdicts with a number are worth: the embedded model judges rules that plain code checks.

The texts are free ones of the tasks for development; each is judged by the rules of its own task and of the
next ones, by the probability of yes from one forward pass. The rest is simulated: judges of a known worth,
and votes.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import Iterator, Sequence

from benchmarks.measure import Plan
from benchmarks.table import Row
from benchmarks.tasks import TASKS
from mellea import CBlock, ModelOption, start_session
from mellea.core import Backend, PoorJudgeError, Requirement, ScoringJudge
from mellea.core.stopping import StoppingRule
from mellea.evaluation import Calibration, Labelled
from mellea.evaluation.agreement import measure, ranking
from mellea.stdlib.requirements import validate_all

__all__ = ["rows"]

_RUNS, _RESAMPLES, _CASES = 1000, 200, 400
_ERROR = 0.05
_SHARES = (0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""How many of the votes are for the first answer."""
_OPTIONS = {ModelOption.TEMPERATURE: 0.7, ModelOption.MAX_NEW_TOKENS: 64}


def rows(plan: Plan) -> Iterator[Row]:
    """Measure the judge, the bound and the early stop."""
    yield from _judged(plan.rounds(40))
    yield from _bounded()
    yield from _stopped()


def _judged(texts: int) -> Iterator[Row]:
    """Yield what the embedded model's verdicts on rules are worth, and what four of them cost."""
    tasks = [task for task in TASKS if not task.held_out]
    with start_session(backend="hf") as m:
        cases = []
        for number, task in enumerate(tasks[:texts]):
            options = {**_OPTIONS, ModelOption.SEED: number}
            text = str(m.clone().act(CBlock(task.prompt), strategy=None, model_options=options))
            near = itertools.chain.from_iterable(other.rules for other in tasks[number : number + 3])
            cases += [Labelled(text, rule.text, rule.holds(text), task.ask) for rule in near]
        known = asyncio.run(_probabilities(m.backend, cases))
        yield from _shown(known)
        yield asyncio.run(_four(m.backend, cases[:4]))


async def _probabilities(backend: Backend, cases: Sequence[Labelled]) -> list[tuple[float, bool]]:
    judge = ScoringJudge(backend)
    said = [(await judge.verdicts([case.requirement], backend, case.context))[0] for case in cases]
    return [
        (verdict.probability, bool(case.met))
        for verdict, case in zip(said, cases, strict=True)
        if verdict.probability is not None
    ]


def _shown(known: Sequence[tuple[float, bool]]) -> Iterator[Row]:
    before = measure(known)
    area, chance = ranking(known)
    try:
        calibration = Calibration.of(known)
    except PoorJudgeError:
        refused = f"{before.cases} cases, {before.met} met: refused, p = {chance:.2g}"
        yield Row("judge by score: ranks met above not met", 100 * area, 50.0, "%", note=refused)
        yield Row("judge by score: calibration error", before.calibration_error, None, "", note=refused)
        yield Row("judge by score: kappa", before.kappa, None, "", note=refused)
        return
    was, now = calibration.before, calibration.after
    note = f"{before.cases} cases, {before.met} met, p = {chance:.2g}"
    yield Row("judge by score: ranks met above not met", 100 * area, 50.0, "%", note=note)
    errors = now.calibration_error, was.calibration_error
    yield Row("judge by score: calibration error, against uncalibrated", *errors, "", bound=1.0)
    yield Row("judge by score: kappa, less uncalibrated", now.kappa, was.kappa, "", by="difference")
    trusted = calibration.accept(_ERROR)
    yield Row("judge by score: decided at an error of 5%", 100 * trusted.coverage, None, "%")


async def _four(backend: Backend, cases: Sequence[Labelled]) -> Row:
    """Return what four verdicts by scoring cost, against four written ones."""
    spent = []
    for judge in ("score", None):
        best = 1e9
        for text in ("The sea is wide.", "A ship is on its way home.", "Fish live in the sea."):
            context = Labelled(text, "It is about the sea.", asked="Write.").context
            wanted = [Requirement(case.requirement.description, judge=judge) for case in cases]
            start = time.perf_counter()
            await validate_all(wanted, context, backend)
            best = min(best, time.perf_counter() - start)
        spent.append(best)
    return Row("four verdicts by score, against four written ones", *spent, "s", bound=0.5)


def _bounded() -> Iterator[Row]:
    """Yield in how many resamples of the known cases a stated error is exceeded."""
    rng = random.Random(1)

    def drawn(number: int) -> list[tuple[float, bool]]:
        truths = [min(max(rng.betavariate(0.25, 0.25), 1e-6), 1 - 1e-6) for _ in range(number)]
        return [(truth, rng.random() < truth) for truth in truths]

    fresh, exceeded, decided = drawn(4000), 0, 0
    for _ in range(_RESAMPLES):
        calibration = Calibration.of(drawn(_CASES))
        trusted = calibration.accept(_ERROR)
        accepted = [met for p, met in fresh if trusted.decide(calibration.probability(p))]
        exceeded += accepted.count(False) > _ERROR * len(accepted)
        decided += len(accepted)
    note = f"{_CASES} cases each; accepts {decided / len(fresh) / _RESAMPLES:.0%}"
    yield Row(
        "resamples whose accepted error is above 5%",
        100 * exceeded / _RESAMPLES,
        0.0,
        "%",
        by="difference",
        bound=5.0,
        note=note,
    )


def _stopped() -> Iterator[Row]:
    """Yield how often votes that stop end at another answer, and how many they take of eight."""
    for answers in ("ab", "abcd"):
        found = [_runs(share, answers) for share in _SHARES]
        wrong, drawn = (sum(each) / len(found) for each in zip(*found, strict=True))
        each = ", ".join(
            f"{share:.0%} {number:.1f}%" for share, (number, _) in zip(_SHARES, found, strict=True)
        )
        name = f"votes on {len(answers)} answers that stop"
        bound = 100 * _ERROR
        yield Row(f"{name}: end elsewhere", wrong, 0.0, "%", by="difference", bound=bound, note=each)
        each = ", ".join(
            f"{share:.0%} {number:.1f}" for share, (_, number) in zip(_SHARES, found, strict=True)
        )
        yield Row(f"{name}: answers, against eight", drawn, 8.0, "", bound=0.5, note=each)


def _runs(share: float, answers: str) -> tuple[float, float]:
    """Return how many percent of many votes end at another answer than all eight elect, and their length."""
    rule, rng, wrong, drawn = StoppingRule(8, _ERROR), random.Random(2), 0, 0
    others = len(answers) - 1
    for _ in range(_RUNS):
        votes = rng.choices(answers, (share, *[(1 - share) / others] * others), k=8)
        until = 1
        while not rule.is_settled([votes[:until].count(each) for each in dict.fromkeys(votes[:until])]):
            until += 1
        drawn += until
        wrong += _winner(votes[:until]) != _winner(votes)
    return 100 * wrong / _RUNS, drawn / _RUNS


def _winner(votes: Sequence[str]) -> str:
    return max(dict.fromkeys(votes), key=votes.count)
