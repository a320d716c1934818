"""A request that was answered is found again by its key, and gives the same output."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from mellea import MelleaSession, start_session
from mellea.core import Capability, CBlock, ModelOption, TokenLogprob
from mellea.core.event_loop import run_sync
from mellea.core.request import ChatRequest, CompletionRequest
from mellea.core.request_key import request_key
from mellea.core.response import Chunk, Completion, Usage
from mellea.history import History
from mellea.stdlib.requirements import contains, word_count
from mellea.stdlib.sampling import BestOfNSamplingStrategy
from mellea.testing import Reply, ScriptedBackend

CAN = [*Capability]
PIXEL = b"\x89PNG\r\n\x1a\n"


class Played(ScriptedBackend):
    """Answers from a history alone."""

    def __init__(self, history: History, **settings: Any) -> None:
        super().__init__([], **settings)
        self.history = history
        self.given: dict[str, int] = {}

    def answers(self, request: ChatRequest | CompletionRequest, count: int) -> list[Any]:
        key = request_key(self, request)
        first = self.given.get(key, 0)
        self.given[key] = first + count
        kept = [self.history.answer(key, first + place) for place in range(count)]
        return [answer for each in kept if each is not None and each.answer for answer in each.answer]

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        for chunk in self.answers(request, request.n):
            yield chunk

    async def complete(self, request: CompletionRequest) -> Sequence[Completion]:
        return self.answers(request, 1)


class Person(BaseModel):
    name: str


def add(x: int, y: int) -> int:
    """Add two numbers."""
    return x + y


def thinking(m: MelleaSession) -> Any:
    output = m.instruct("Think.", model_options={ModelOption.THINKING: True})
    return str(output), output.thinking, output.generation.usage


def typed(m: MelleaSession) -> Any:
    return m.instruct("Who?", format=Person).parsed


def with_tools(m: MelleaSession) -> Any:
    output = m.instruct("Add.", tools=[add])
    return str(output), [call.tool_output for call in output.sampling.attempts[0].tool_results]


def with_logprobs(m: MelleaSession) -> Any:
    return m.instruct("Sure?", model_options={ModelOption.LOGPROBS: True}).generation.logprobs


def again(m: MelleaSession) -> Any:
    return [str(m.instruct("Again.")) for _ in range(3)]


def steered(m: MelleaSession) -> Any:
    return str(m.instruct("Sea.", requirements=[contains("sea"), word_count(at_most=5)]))


def several(m: MelleaSession) -> Any:
    strategy = BestOfNSamplingStrategy(3, reward=len)
    result = m.instruct("Several.", strategy=strategy, return_sampling_results=True)
    return sorted(output.text for output in result.sample_generations)


def raw(m: MelleaSession) -> Any:
    return [str(one) for one in run_sync(m.backend.generate_from_raw([CBlock("a"), CBlock("b")]))]


@pytest.mark.parametrize(
    ("program", "answers"),
    [
        (thinking, Reply("So.", thinking="Hm. Well.", usage=Usage(5, 7, 2, 3))),
        (typed, '{"name": "Ada"}'),
        (with_tools, [Reply(tool_calls=[("add", {"x": 1, "y": 2})]), "3."]),
        (with_logprobs, Reply("Yes.", logprobs=[TokenLogprob("Yes.", -0.5)])),
        (again, ["one", "two", "three"]),
        (steered, '"The \\"sea\\"."'),
        (several, ["a", "bb", "ccc"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_output_from_the_history_is_the_same(tmp_path: Path, program, answers):
    path = tmp_path / "runs.db"
    with start_session(ScriptedBackend(answers, capabilities=CAN), history=path) as m:
        first = program(m)
    played = Played(History(path), capabilities=CAN)

    assert program(MelleaSession(played)) == first


def test_plain_completions_are_found_again(tmp_path: Path):
    path = tmp_path / "runs.db"
    with History(path) as history:
        first = raw(MelleaSession(ScriptedBackend(["x", "y"])))

        assert raw(MelleaSession(Played(history))) == first == ["x", "y"]


def test_request_that_draws_the_same_each_time_has_one_answer(tmp_path: Path):
    backend = ScriptedBackend(["one", "two"])
    with start_session(backend, history=tmp_path / "runs.db", model_options={ModelOption.SEED: 1}) as m:
        m.instruct("Hi.")
        m.instruct("Hi.")

    history = History(tmp_path / "runs.db")
    assert [each.sample for call in (1, 2) for each in history.requests(call)] == [0, 0]
    assert history.answer(history.requests(1)[0].key).answer[0].text == "one"
    assert history.answer("nothing of the kind") is None
