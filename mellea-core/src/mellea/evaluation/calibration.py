"""Calibrating a judge: what its probabilities are worth, on cases whose verdict is known.

The known cases are split by chance. Three tenths fit the curve that makes probabilities of what the judge
says (Platt 1999, with the targets of Lin, Lin and Weng 2007) and order the places from which verdicts could
be trusted; the others test them in that order, by the exact binomial test, until one fails. That is
fixed-sequence testing as in "Learn then test" (Angelopoulos, Bates, Candes, Jordan and Lei 2021): the
chance that a place passes whose error is above the bound is at most one less the confidence, for any judge
and any number of cases. It speaks of cases like the known ones, drawn as they were.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from attrs import asdict, evolve, field, frozen

from mellea.core.backend import Backend
from mellea.core.context import Context
from mellea.core.errors import PoorJudgeError, UsageError
from mellea.core.event_loop import gather_or_cancel, synchronous
from mellea.core.judges import Judge
from mellea.core.message import Message
from mellea.core.requirement import Requirement, reqify
from mellea.core.scoring_judge import ScoringJudge
from mellea.core.thunk import ModelOutputThunk
from mellea.core.trace import write_text
from mellea.core.validation import ValidationResult
from mellea.evaluation.agreement import Agreement, measure, ranking
from mellea.evaluation.logistic import apply, fit, trusted_from
from mellea.stdlib.context import SimpleContext

if TYPE_CHECKING:
    from mellea.core.judge import Criterion

__all__ = ["Calibration", "Labelled", "TrustedJudge", "acalibrate", "calibrate"]

_FEWEST = 20
_FITTED = 0.3
"""The share of the known cases that the curve is fitted to: two numbers take few, the bound takes many."""
_CHANCE = 0.05
"""How often a judge that tells nothing may pass for one that does."""


@frozen
class Labelled:
    """A text, a requirement, and whether the text meets it.

    Args:
        text: The output to judge.
        requirement: What it must respect: words, or a requirement.
        met: Whether it does. None where the requirement has a check, which then says it.
        asked: What the text answers.
    """

    text: str
    requirement: Requirement = field(converter=reqify)
    met: bool | None = None
    asked: str = ""

    @property
    def context(self) -> Context:
        """The conversation to judge."""
        return SimpleContext().add(Message("user", self.asked)).add(ModelOutputThunk(self.text))

    async def known(self) -> bool:
        """Return whether the text meets the requirement.

        Raises:
            UsageError: Nobody says.
        """
        if self.met is not None:
            return self.met
        if self.requirement.validation_fn is None:
            raise UsageError(
                f"Nobody says whether {self.text[:40]!r} meets {self.requirement.name!r}.",
                hint="Pass met=True or met=False, or a requirement with a check of its own.",
            )
        return bool(await self.requirement.validate(Backend("none"), self.context))


@frozen
class Calibration(Judge):
    """What a judge's probabilities are worth; a judge itself, whose probabilities are calibrated.

    Args:
        slope: How steeply the calibrated log-odds follow the judge's own.
        shift: What is added to them.
        before: How well the judge agrees with the known cases as it is.
        after: How well it does once calibrated, on cases that the curve was not fitted to.
        fitted: The cases that the curve was fitted to: calibrated probabilities, and whether it was met.
        tested: The other cases.
        judge: Whose probabilities they are.
    """

    slope: float
    shift: float
    before: Agreement
    after: Agreement
    fitted: tuple[tuple[float, bool], ...] = field(repr=False)
    tested: tuple[tuple[float, bool], ...] = field(repr=False)
    judge: Judge = field(factory=ScoringJudge, eq=False, repr=False)

    @classmethod
    def of(cls, pairs: Iterable[tuple[float, bool]], *, judge: Judge | None = None, seed: int = 0) -> Self:
        """Return the calibration that known cases give.

        Args:
            pairs: The judge's probability of each case, and whether the requirement was met.
            judge: Whose probabilities they are; by default those of a ``ScoringJudge``.
            seed: Splits the cases.

        Raises:
            UsageError: There are too few cases, or all have one verdict.
            PoorJudgeError: The judge is no better than a constant answer; the message has the figures.
        """
        known = [(min(max(float(p), 1e-9), 1 - 1e-9), bool(met)) for p, met in pairs]
        _check_known(known)
        _refuse_poor(known)
        random.Random(seed).shuffle(known)  # noqa: S311  it splits cases
        part = round(len(known) * _FITTED)
        slope, shift = fit(known[:part])
        fitted, tested = (
            tuple((apply(slope, shift, p), met) for p, met in some) for some in (known[:part], known[part:])
        )
        before, after = measure(known[part:]), measure(tested)
        return cls(slope, shift, before, after, fitted, tested, judge or ScoringJudge())

    @property
    def backend(self) -> Backend | None:  # type: ignore[override]  # it is the judge's
        """The backend that is asked."""
        return self.judge.backend

    def probability(self, said: float) -> float:
        """Return the calibrated probability for one that the judge said."""
        return apply(self.slope, self.shift, min(max(said, 1e-9), 1 - 1e-9))

    def accept(self, error: float = 0.05, *, confidence: float = 0.95) -> TrustedJudge:
        """Return the judge that says yes or no only where it errs in at most ``error`` of the cases.

        Args:
            error: How often, at most, what it accepts is not met; and how often what it refuses is.
            confidence: How often each of both holds, over all that the known cases could have been.

        Raises:
            UsageError: A number is not between 0 and 1.
        """
        for name, value in (("error", error), ("confidence", confidence)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
                raise UsageError(f"{name} is {value!r}.", hint="Pass a number between 0 and 1.")
        chance = 1 - confidence
        accepts = trusted_from(self.fitted, self.tested, error, chance)
        turned = [[(1 - p, not met) for p, met in part] for part in (self.fitted, self.tested)]
        refuses = trusted_from(turned[0], turned[1], error, chance)
        return TrustedJudge(self, error, confidence, accepts, None if refuses is None else 1 - refuses)

    async def verdicts(
        self,
        criteria: Sequence[Criterion],
        backend: Backend,
        ctx: Context,
        model_options: Mapping[str, Any] | None = None,
    ) -> list[ValidationResult]:
        """Return the verdict on each requirement: yes where the calibrated probability is 0.5 or more."""
        said = await self.judge.verdicts(criteria, backend, ctx, model_options)
        return [
            verdict if verdict.probability is None else self._calibrated(verdict, verdict.probability)
            for verdict in said
        ]

    def _calibrated(self, verdict: ValidationResult, probability: float) -> ValidationResult:
        p = self.probability(probability)
        reason = f"The judge says yes with a calibrated probability of {p:.2f}."
        return evolve(verdict, result=p >= 0.5, reason=reason, score=p, probability=p, trust="calibrated")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the calibration to a JSON file.

        Raises:
            UsageError: The file cannot be written.
        """
        own = asdict(self, filter=lambda attribute, _: attribute.name != "judge")
        write_text(path, f"{json.dumps(own)}\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, judge: Judge | None = None) -> Self:
        """Return the calibration in a JSON file.

        Args:
            path: The file.
            judge: Whose probabilities they are; by default those of a ``ScoringJudge``.

        Raises:
            UsageError: The file cannot be read, or holds no calibration.
        """
        try:
            own = json.loads(Path(path).read_text(encoding="utf-8"))
            before, after = Agreement(**own["before"]), Agreement(**own["after"])
            fitted, tested = (
                tuple((float(p), bool(met)) for p, met in own[name]) for name in ("fitted", "tested")
            )
            slope, shift = float(own["slope"]), float(own["shift"])
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise UsageError(
                f"{os.fspath(path)} holds no calibration: {error}.",
                hint="Write it with calibration.save(path).",
            ) from error
        return cls(slope, shift, before, after, fitted, tested, judge or ScoringJudge())


@frozen
class TrustedJudge(Judge):
    """Says yes or no where that errs in at most a stated share of cases, and abstains elsewhere.

    An abstention is no verdict: its result is False, ``undecided``, and its ``trust`` is ``abstained``.

    Args:
        calibration: What the judge's probabilities are worth.
        error: How often, at most, what it accepts is not met; and how often what it refuses is.
        confidence: How often each of both holds, over all that the known cases could have been.
        accepts_from: The least calibrated probability that is accepted; None where none can be.
        refuses_to: The largest one that is refused; None where none can be.
    """

    calibration: Calibration
    error: float
    confidence: float
    accepts_from: float | None
    refuses_to: float | None

    @property
    def backend(self) -> Backend | None:  # type: ignore[override]  # it is the judge's
        """The backend that is asked."""
        return self.calibration.backend

    @property
    def coverage(self) -> float:
        """The share of the tested cases in which it does not abstain."""
        cases = self.calibration.tested
        return sum(self.decide(p) is not None for p, _ in cases) / len(cases)

    def decide(self, probability: float) -> bool | None:
        """Return the verdict on a calibrated probability; None where the judge abstains."""
        if self.accepts_from is not None and probability >= self.accepts_from:
            return True
        return False if self.refuses_to is not None and probability <= self.refuses_to else None

    async def verdicts(
        self,
        criteria: Sequence[Criterion],
        backend: Backend,
        ctx: Context,
        model_options: Mapping[str, Any] | None = None,
    ) -> list[ValidationResult]:
        """Return the verdict on each requirement, or that the judge abstains."""
        said = await self.calibration.verdicts(criteria, backend, ctx, model_options)
        return [self._trusted(verdict) for verdict in said]

    def _trusted(self, verdict: ValidationResult) -> ValidationResult:
        p = verdict.probability
        decided = None if p is None else self.decide(p)
        if decided is not None:
            share = f"errs in at most {self.error:.3g} of such cases"
            reason = f"The judge says {'yes' if decided else 'no'}, and {share}."
            return evolve(verdict, result=decided, reason=reason)
        why = "it gave no probability" if p is None else f"a probability of {p:.2f} decides nothing"
        reason = f"The judge abstains: {why} at an error of {self.error:.3g}."
        return evolve(verdict, result=False, reason=reason, undecided=True, trust="abstained")


async def acalibrate(
    judge: Judge | str | Backend,
    labelled: Iterable[Labelled],
    *,
    backend: Backend | None = None,
    model_options: Mapping[str, Any] | None = None,
    seed: int = 0,
) -> Calibration:
    """Return what a judge's probabilities are worth, from cases whose verdict is known.

    Args:
        judge: The judge; ``score`` or a backend for a ``ScoringJudge``.
        labelled: The known cases; some hundreds, drawn like those that will be judged.
        backend: What is asked where the judge names no backend.
        model_options: Options of the judging calls.
        seed: Splits the cases into those that are fitted to and those that test.

    Raises:
        UsageError: There are too few cases, all have one verdict, or nothing can be asked.
        PoorJudgeError: The judge is no better than a constant answer; the message has the figures.
        ProviderError: The judge could not be asked.
    """
    cases = list(labelled)
    known = [await case.known() for case in cases]
    asked = judge if isinstance(judge, Judge) else ScoringJudge(None if judge == "score" else judge)  # type: ignore[arg-type]  # it is a backend then, or told to be none
    if (own := asked.backend or backend) is None:
        raise UsageError("There is no backend to ask.", hint="Pass backend=m.backend.")
    verdicts = await gather_or_cancel(
        asked.verdicts([case.requirement], own, case.context, model_options) for case in cases
    )
    said = [(verdict.probability, met) for [verdict], met in zip(verdicts, known, strict=True)]
    pairs = [(p, met) for p, met in said if p is not None]
    if len(pairs) < len(said) / 2:
        raise UsageError(
            f"The judge gave a probability in {len(pairs)} of {len(said)} cases.",
            hint="Choose a backend that scores or gives log-probabilities, or a VotingJudge.",
        )
    return Calibration.of(pairs, judge=asked, seed=seed)


calibrate: Callable[..., Calibration] = synchronous(acalibrate)


def _check_known(known: Sequence[tuple[float, bool]]) -> None:
    """Refuse cases that calibrate nothing.

    Raises:
        UsageError: They are too few, or all have one verdict.
    """
    met = sum(met for _, met in known)
    if len(known) < _FEWEST or not 0 < met < len(known):
        raise UsageError(
            f"{len(known)} known cases, of which {met} are met, calibrate no judge.",
            hint=f"Label {_FEWEST} cases at least, some met and some not; some hundreds are better.",
        )


def _refuse_poor(known: Sequence[tuple[float, bool]]) -> None:
    """Refuse a judge that is no better than a constant answer.

    Raises:
        PoorJudgeError: It does not rank cases that are met above cases that are not.
    """
    area, chance = ranking(known)
    if chance > _CHANCE:
        met, as_it_is = sum(met for _, met in known), measure(known)
        constant = max(met, len(known) - met) / len(known)
        raise PoorJudgeError(
            f"The judge is no better than a constant answer: of {len(known)} known cases, {met} met, it "
            f"ranks a case that is met above one that is not in {area:.0%} of the pairs (p = {chance:.2g}) "
            f"and is right in {as_it_is.accuracy:.0%}, kappa {as_it_is.kappa:.2f}; always saying "
            f"{'yes' if 2 * met >= len(known) else 'no'} is right in {constant:.0%}.",
            hint="Ask a stronger judge, or write a check.",
        )
