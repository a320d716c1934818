"""A session on a real model, recorded and played again."""

from pydantic import BaseModel, Field

from mellea import MelleaSession, ModelOption, start_backend
from mellea.core import Usage
from mellea.stdlib.requirements import req, simple_validate
from mellea.stdlib.sampling import BestOfNSamplingStrategy
from mellea.testing import RecordingBackend, ReplayBackend

KEY = "sk-secret-of-the-test-1234"
SHORT = {ModelOption.MAX_NEW_TOKENS: 8}


class City(BaseModel, extra="forbid"):
    name: str = Field(max_length=12)


def conversation(backend):
    """Return what a session says: a random answer, pieces, a typed value, the best of two, and tokens."""
    shortest = req("Short.", simple_validate(lambda text: (len(text) < 20, f"{len(text)} characters")))
    with MelleaSession(backend, model_options=SHORT) as m:
        said = m.instruct("Say anything.", model_options={ModelOption.TEMPERATURE: 1.5})
        pieces = list(m.stream_instruct("Name three colours."))
        city = m.instruct(
            "Paris is in France. Extract the city.",
            format=City,
            model_options={ModelOption.MAX_NEW_TOKENS: 40},
        )
        best = m.instruct(
            "Say hello.",
            requirements=[shortest],
            strategy=BestOfNSamplingStrategy(n=2),
            return_sampling_results=True,
        )
        texts = sorted(str(attempt.output) for attempt in best.attempts)
        return (
            str(said),
            "".join(pieces),
            str(city),
            texts,
            best.value,
            said.generation.usage,
            said.generation.finish_reasons,
        )


def test_session_on_a_real_model_plays_again_word_for_word(llama_server, tmp_path):
    path = tmp_path / "session.json"
    with start_backend("openai", model_id=llama_server.model_id, base_url=llama_server.base_url, api_key=KEY)[
        1
    ] as inner:
        first = conversation(RecordingBackend(inner, path))

    again = conversation(ReplayBackend(path))

    assert again == first
    assert first[1]
    assert isinstance(first[5], Usage)
    assert KEY not in path.read_text(encoding="utf-8")
    assert llama_server.base_url not in path.read_text(encoding="utf-8")
