"""Checked streams on llama-server, with a real model."""

import pytest
from pydantic import BaseModel, Field

from mellea import start_session
from mellea.core import ModelOption
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements import word_count
from mellea.stdlib.streaming import CompletedEvent, RetryEvent, stream

STORY = "Write a long story about a fisherman and the sea."
OPTIONS = {ModelOption.MAX_NEW_TOKENS: 200, ModelOption.TEMPERATURE: 0.0, ModelOption.SEED: 1}


class City(BaseModel, extra="forbid"):
    name: str = Field(max_length=12)
    country: str = Field(max_length=12)


@pytest.fixture
def backend(llama_server):
    with start_session("openai", model_id=llama_server.model_id, base_url=llama_server.base_url) as session:
        yield session.backend


async def test_failing_check_really_stops_the_server(backend, llama_server):
    streamer = await stream(
        STORY,
        backend,
        SimpleContext(),
        chunking="word",
        requirements=[word_count(at_most=5).unsteered()],
        model_options=OPTIONS,
        steer=False,
    )

    words = [chunk async for chunk in streamer]

    assert len(words) == 5
    assert (streamer.failed_early, streamer.mot.cancelled) == (True, True)
    assert llama_server.wait_until_idle()


async def test_failed_attempt_is_started_again_and_told(backend):
    streamer = await stream(
        STORY,
        backend,
        SimpleContext(),
        requirements=[word_count(at_most=5).unsteered()],
        model_options=OPTIONS,
        steer=False,
        loop_budget=2,
    )

    told = [event async for event in streamer.events() if isinstance(event, RetryEvent | CompletedEvent)]

    assert [type(event) for event in told] == [RetryEvent, CompletedEvent]
    assert streamer.attempt == 2


async def test_object_grows_while_the_server_writes(backend):
    streamer = await stream("Name a city.", backend, SimpleContext(), format=City, model_options=OPTIONS)

    cities = [city async for city in streamer.partials()]

    assert len(cities) > 2
    assert cities[-1] == streamer.parsed
    assert streamer.success
