"""What only the OpenAI backend does on llama-server."""

from pydantic import BaseModel, Field

from mellea.core import CBlock


class City(BaseModel, extra="forbid"):
    name: str = Field(max_length=12)
    country: str = Field(max_length=12)


async def test_raw_completion_is_constrained_by_a_schema(open_session):
    backend = open_session().backend

    (thunk,) = await backend.generate_from_raw(
        [CBlock("The city of Paris:")], format=City, model_options={"max_tokens": 250}
    )

    assert isinstance(thunk.parsed, City)
    await backend.aclose()


async def test_server_tells_the_words_that_its_model_has_whole(open_session):
    backend = open_session().backend
    words = {"river", "lisbon", "andcommunity", "ofurbanlife", "été"}

    assert await backend.whole_words(words) == {"river", "lisbon"}
    assert await backend.whole_words(set()) == set()
    await backend.aclose()


async def test_server_judges_by_the_probabilities_of_its_first_token(open_session):
    m = open_session(judge="score")

    verdicts = await m.avalidate(
        ["The tone is polite.", "It is about a door."], output="Would you mind closing the door?"
    )

    assert [verdict.basis for verdict in verdicts] == ["log-probabilities"] * 2
    assert all(0 < verdict.probability < 1 for verdict in verdicts)
    assert [verdict.usage.completion_tokens for verdict in verdicts] == [1, 1]
