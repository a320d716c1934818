"""What a judge's probabilities are worth: the curve, the bound, the refusal, and what a program sees."""

import math
import random

import pytest

from mellea import ValidationResult, req
from mellea.core import Judge, PoorJudgeError, UsageError
from mellea.evaluation import Calibration, Labelled, acalibrate, most_errors
from mellea.stdlib.requirements import validate_all
from mellea.testing import ScriptedBackend


def cases(rng, number, strength=3.0, bias=1.5):
    """Return what a judge says of cases: it knows something, and is far too sure of yes."""
    known = []
    for _ in range(number):
        truth = rng.random()
        said = 1 / (1 + math.exp(-(math.log(truth / (1 - truth)) / strength + bias)))
        known.append((said, rng.random() < truth))
    return known


def sharp(rng, number):
    """Return what a good judge says, with a rate of errors that rises as it becomes less sure."""
    known = []
    for _ in range(number):
        truth = rng.betavariate(0.25, 0.25)
        known.append((min(max(truth, 1e-6), 1 - 1e-6), rng.random() < truth))
    return known


class Known(Judge):
    """Says yes to a text as sure as the text says."""

    async def verdicts(self, criteria, backend, ctx, model_options=None):
        p = float(str(ctx.last_output()))
        return [ValidationResult(p >= 0.5, probability=p, score=p, basis="scored") for _ in criteria]


def test_calibrated_probabilities_are_shares():
    calibration = Calibration.of(cases(random.Random(1), 2000))

    assert calibration.before.calibration_error > 0.15
    assert calibration.after.calibration_error < 0.05
    assert calibration.after.kappa > calibration.before.kappa + 0.1
    assert calibration.after.area == pytest.approx(calibration.before.area)
    assert calibration.slope == pytest.approx(3.0, rel=0.15)


def test_bound_holds_in_at_least_95_of_100_resamples():
    rng, broken, decided = random.Random(7), 0, 0.0
    fresh = sharp(rng, 2000)
    for _ in range(200):
        calibration = Calibration.of(sharp(rng, 300))
        trusted = calibration.accept(0.1)
        accepted = [met for p, met in fresh if trusted.decide(calibration.probability(p))]
        broken += accepted.count(False) > 0.1 * len(accepted)
        decided += len(accepted) / len(fresh) / 200

    assert broken <= 0.05 * 200
    assert decided > 0.2  # it does not hold by saying nothing


@pytest.mark.parametrize("says", [lambda rng: rng.random(), lambda rng: 0.7])
def test_judge_that_is_no_better_than_a_constant_is_refused_with_the_figures(says):
    rng = random.Random(3)
    known = [(says(rng), rng.random() < 0.7) for _ in range(300)]

    with pytest.raises(
        PoorJudgeError, match=r"of 300 known cases, \d+ met, it ranks .* kappa .* always saying yes"
    ):
        Calibration.of(known)


def test_judge_that_says_the_opposite_is_refused_too():
    known = [(1 - p, met) for p, met in sharp(random.Random(4), 200)]

    with pytest.raises(PoorJudgeError):
        Calibration.of(known)


@pytest.mark.parametrize("known", [[(0.5, True)] * 5, [(0.5, True)] * 50])
def test_too_few_cases_or_one_verdict_are_refused(known):
    with pytest.raises(UsageError, match="calibrate no judge"):
        Calibration.of(known)


async def test_verdicts_are_calibrated_or_abstained():
    texts = sharp(random.Random(5), 600)
    calibration = await acalibrate(
        Known(),
        [Labelled(str(p), "It is true.", met) for p, met in texts],
        backend=ScriptedBackend(),
    )
    trusted = calibration.accept(error=0.1)

    async def asked(judge, text):
        from mellea.core import ModelOutputThunk
        from mellea.stdlib.context import SimpleContext

        ctx = SimpleContext().add(ModelOutputThunk(text))
        return (await validate_all([req("It is true.", judge=judge)], ctx, ScriptedBackend()))[0]

    plain, yes, no, unsure = [
        await asked(*pair)
        for pair in ((calibration, "0.5"), (trusted, "0.9999"), (trusted, "0.0001"), (trusted, "0.5"))
    ]
    assert (plain.trust, plain.basis) == ("calibrated", "scored")
    assert (yes.result, yes.trust, yes.undecided) == (True, "calibrated", False)
    assert (no.result, no.trust, no.undecided) == (False, "calibrated", False)
    assert (unsure.result, unsure.trust, unsure.undecided) == (False, "abstained", True)
    assert unsure.reason.startswith("The judge abstains: a probability of 0.")
    assert 0.2 < trusted.coverage < 1


async def test_checks_decide_the_cases_themselves():
    rng = random.Random(6)
    texts = [
        f"{rng.uniform(0.55, 0.95):.3f}" if rng.random() < 0.5 else f"{rng.uniform(0.1, 0.4):.3f} "
        for _ in range(60)
    ]

    with pytest.raises(UsageError, match="Nobody says whether"):
        await acalibrate(Known(), [Labelled("0.5", "It is true.")], backend=ScriptedBackend())
    calibration = await acalibrate(
        Known(),
        [Labelled(text, req("High.", lambda ctx: float(str(ctx.last_output())) > 0.5)) for text in texts],
        backend=ScriptedBackend(),
    )
    assert calibration.after.accuracy == 1


async def test_few_probabilities_and_no_backend_are_refused():
    labelled = [Labelled("text", "It is true.", bool(n % 2)) for n in range(40)]

    with pytest.raises(UsageError, match="gave a probability in 0 of 40 cases"):
        await acalibrate("score", labelled, backend=ScriptedBackend("yes"))
    with pytest.raises(UsageError, match="no backend to ask"):
        await acalibrate("score", labelled)


def test_calibration_is_kept_in_a_file(tmp_path):
    calibration = Calibration.of(sharp(random.Random(8), 100))
    calibration.save(tmp_path / "judge.json")

    again = Calibration.load(tmp_path / "judge.json")

    assert again == calibration
    assert again.accept(0.2).coverage == calibration.accept(0.2).coverage
    (tmp_path / "none.json").write_text('{"slope": 1}')
    with pytest.raises(UsageError, match="holds no calibration"):
        Calibration.load(tmp_path / "none.json")


@pytest.mark.parametrize("wrong", [{"error": 0}, {"error": True}, {"confidence": 1.0}])
def test_error_and_confidence_are_probabilities(wrong):
    with pytest.raises(UsageError, match="between 0 and 1"):
        Calibration.of(sharp(random.Random(9), 100)).accept(**wrong)


@pytest.mark.parametrize(
    ("errors", "total", "bound"), [(0, 59, 0.0495), (1, 93, 0.0500), (5, 100, 0.1023), (4, 4, 1.0)]
)
def test_most_errors_are_those_of_clopper_and_pearson(errors, total, bound):
    assert most_errors(errors, total) == pytest.approx(bound, abs=2e-4)
