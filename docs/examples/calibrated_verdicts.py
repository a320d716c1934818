"""What a model's verdicts are worth, found by checks that decide themselves."""

from itertools import product

from mellea import Requirement, req, simple_validate, start_session
from mellea.core import PoorJudgeError
from mellea.evaluation import Labelled, calibrate

STARTS = ("The river", "She", "A dog", "The old ship", "My friend", "The letter")
ENDS = (
    *("was late.", "comes home in May.", "slept in the garden.", "made me laugh."),
    *("is here.", "likes the rain.", "turned to the left.", "waits for spring."),
)
PLAIN = [f"{start} {end}" for start, end in product(STARTS, ENDS)]
TEXTS = [*PLAIN, *map(str.upper, PLAIN)]
CAPITALS = req(
    "The answer is written in capital letters.", simple_validate(str.isupper)
)
EVEN = req(
    "The number of its letters is even.",
    simple_validate(lambda text: sum(map(str.isalpha, text)) % 2 == 0),
)


def cases(requirement: Requirement, texts: list[str]) -> list[Labelled]:
    """Return known cases: the requirement's own check says which texts meet it."""
    return [Labelled(text, requirement, asked="Write a sentence.") for text in texts]


with start_session(backend="hf") as m:
    calibration = calibrate("score", cases(CAPITALS, TEXTS), backend=m.backend)
    for name, one in (("before", calibration.before), ("after", calibration.after)):
        print(
            f"{name:7} right in {one.accuracy:.0%}, kappa {one.kappa:.2f}, "
            f"calibration error {one.calibration_error:.2f}, {one.cases} cases"
        )
    trusted = calibration.accept(error=0.2)
    print(f"It decides {trusted.coverage:.0%}, and errs in at most 20% of those.\n")

    capitals = req(CAPITALS.description, judge=trusted)
    for text in ("THE TRAIN WAS LATE.", "The train was late."):
        [verdict] = m.validate([capitals], input="Write a sentence.", output=text)
        print(f"{text} {verdict.probability:.2f}, {verdict.trust}: {verdict.reason}")

    try:
        calibrate("score", cases(EVEN, PLAIN), backend=m.backend)
    except PoorJudgeError as error:
        print(f"\nRefused: {error.message}")
