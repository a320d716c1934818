"""A session with a real model is recorded once, and played again without it.

The answers are the same, judges and seeds included.
"""

import tempfile
import time
from pathlib import Path

from mellea import MelleaSession, ModelOption, start_backend
from mellea.core import Backend
from mellea.stdlib.sampling import BestOfNSamplingStrategy
from mellea.testing import RecordingBackend, ReplayBackend

OPTIONS = {
    ModelOption.TEMPERATURE: 0.8,
    ModelOption.SEED: 2,
    ModelOption.MAX_NEW_TOKENS: 12,
}


def program(backend: Backend) -> list[str]:
    """Draw three answers; the shortest is the best."""
    with MelleaSession(backend, model_options=OPTIONS) as m:
        strategy = BestOfNSamplingStrategy(3, reward=lambda text: -len(text))
        result = m.instruct(
            "Name an animal of the sea.",
            strategy=strategy,
            return_sampling_results=True,
        )
    return [str(result), *sorted(str(output) for output in result.sample_generations)]


with tempfile.TemporaryDirectory() as folder:
    cassette = Path(folder, "animals.json")

    _, real = start_backend("hf")
    with RecordingBackend(real, cassette) as recording:
        recorded = program(recording)
    print(
        f"Recorded {len(recorded) - 1} answers in {cassette.name}: "
        f"{recorded[0]!r} is the best."
    )

    started = time.perf_counter()
    with ReplayBackend(cassette) as replay:
        replayed = program(replay)
        print(
            f"Replayed, with {replay.remaining} calls left over, "
            f"in {time.perf_counter() - started:.1f} s."
        )
    print("The same answers:", replayed == recorded)
