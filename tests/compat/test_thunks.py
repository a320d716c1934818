"""Outputs, as programs and backends of the 0.8 line read them, write to them and copy them."""

import copy
import pickle

import pytest

from mellea import MelleaSession
from mellea.core import (
    Backend,
    ComputedModelOutputThunk,
    GenerateLog,
    Message,
    ModelOutputThunk,
    ModelToolCall,
    RawProviderResponse,
    Usage,
)
from mellea.core.response import as_usage
from mellea.stdlib.context import ChatContext, ThresholdCompactor, WindowCompactor


def test_computed_thunk_of_a_thunk_is_that_thunk():
    class Own(ModelOutputThunk):
        pass

    thunk = Own("text")
    computed = ComputedModelOutputThunk(thunk)
    assert computed is thunk
    assert type(computed) is ComputedModelOutputThunk
    assert computed.value == "text"


def test_computed_thunk_of_one_on_its_way_is_refused_and_stays_plain():
    thunk = ModelOutputThunk(None)
    with pytest.raises(ValueError, match="not computed"):
        ComputedModelOutputThunk(thunk)
    assert type(thunk) is ModelOutputThunk


@pytest.mark.parametrize("arguments", [(), ("text",), (3,), (None,)])
def test_computed_thunk_of_no_thunk_is_refused(arguments):
    with pytest.raises(TypeError):
        ComputedModelOutputThunk(*arguments)


def test_computed_thunk_takes_another_text():
    thunk = ModelOutputThunk("text")
    assert (thunk.value, thunk.parsed_repr) == ("text", "text")
    thunk.value = "other"
    assert (thunk.value, str(thunk), thunk.parsed_repr, len(thunk)) == ("other", "other", "other", 5)


@pytest.mark.parametrize("wrong", [None, 3, b"x"])
def test_computed_thunk_keeps_its_text_when_it_is_given_none(wrong):
    thunk = ModelOutputThunk("text")
    with pytest.raises(AttributeError):
        thunk.value = wrong
    assert thunk.value == "text"


def test_plain_thunk_can_be_filled_and_is_not_computed_by_that():
    thunk = ModelOutputThunk(None)
    thunk.value = "text"
    thunk.parsed_repr = Message("assistant", "text")
    thunk.thinking = "hm"
    thunk.raw = RawProviderResponse(provider="openai", response={"id": 1})
    thunk.tool_calls = [ModelToolCall("f", None, {})]
    thunk.generation.model = "m"
    thunk.generation.usage = {"total_tokens": 5}
    assert not thunk.is_computed()
    assert (thunk.value, thunk.thinking, thunk.raw.response) == ("text", "hm", {"id": 1})
    assert isinstance(thunk.tool_calls, list)
    assert thunk.parsed_repr.role == "assistant"
    assert (thunk.generation.model, thunk.generation.usage["total_tokens"]) == ("m", 5)


def test_records_are_never_none_and_their_fields_are():
    thunk = ModelOutputThunk("text")
    assert (thunk.raw.provider, thunk.raw.response, thunk.raw.streamed_chunks) == (None, None, None)
    known = thunk.generation
    assert (known.usage, known.model, known.provider, known.ttfb_ms, known.finish_reasons) == (None,) * 5
    assert (known.logits, known.raw_logits, known.response_id, known.response_model) == (None,) * 4
    assert thunk.tool_calls is None
    assert thunk.generation is thunk.generation


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copies_keep_their_class_and_share_no_record(copied):
    class Own(ModelOutputThunk):
        def __init__(self, tag):
            super().__init__("text")
            self.tag = tag

    for thunk in (ModelOutputThunk("text", meta={"a": 1}), Own("t")):
        thunk.raw.response = {"id": 1}
        twin = copied(thunk)
        twin.generation.model = "other"
        twin.raw.provider = "other"
        twin.value = "changed"
        assert type(twin) is type(thunk)
        assert (thunk.generation.model, thunk.raw.provider, thunk.value) == (None, None, "text")
        assert getattr(twin, "tag", None) == getattr(thunk, "tag", None)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_thunk_on_its_way_is_not_copied(copied):
    with pytest.raises(RuntimeError, match="not computed"):
        copied(ModelOutputThunk(None))


def test_computed_thunk_pickles():
    thunk = ModelOutputThunk("text")
    thunk.generation.model = "m"
    twin = pickle.loads(pickle.dumps(thunk))
    assert (type(twin), twin.value, twin.generation.model) == (ComputedModelOutputThunk, "text", "m")


@pytest.mark.parametrize(
    ("said", "usage"),
    [
        (None, None),
        ({"total_tokens": 9}, Usage(9, 0)),
        ({"prompt_tokens": 4, "completion_tokens": 5}, Usage(4, 5)),
        ({"prompt_tokens": 4, "completion_tokens": 5, "total_tokens": 9}, Usage(4, 5)),
        ({}, Usage(0, 0)),
    ],
)
def test_usage_may_be_a_mapping(said, usage):
    assert as_usage(said) == usage


@pytest.mark.parametrize("usage", [{"total_tokens": 50}, {"prompt_tokens": 40, "completion_tokens": 10}])
def test_compactor_reads_the_usage_of_a_backend_that_gives_a_mapping(usage):
    ctx = ChatContext()
    for number in range(4):
        ctx = ctx.add(Message("user", str(number)))
    thunk = ModelOutputThunk("a")
    thunk.generation.usage = usage
    ctx = ctx.add(thunk)
    assert len(ThresholdCompactor(WindowCompactor(2), threshold=40).compact(ctx).as_list()) == 2
    assert ThresholdCompactor(WindowCompactor(2), threshold=60).compact(ctx) is ctx


class OfAnotherLine(Backend):
    """Makes its thunks itself, as backends of the 0.8 line do."""

    def __init__(self, log=None):
        super().__init__("theirs")
        self.log = log

    async def _generate_from_context(self, action, ctx, *, format=None, model_options, tool_calls=False):
        thunk = ModelOutputThunk(f"answer to {action}")
        thunk.generation.usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
        thunk.generate_log = self.log
        return thunk, ctx.add(action).add(thunk)


def test_log_of_a_backend_that_makes_its_own():
    log = GenerateLog()
    log.prompt = "as sent"
    session = MelleaSession(OfAnotherLine(log))
    output = session.instruct("Say it.")
    assert output.generate_log is log
    assert session.last_prompt() == "as sent"
    assert (log.date, log.backend, log.is_final_result, log.extra) == (None, None, False, None)


def test_last_prompt_is_none_where_the_backend_logs_nothing():
    session = MelleaSession(OfAnotherLine())
    session.chat("Say it.")
    assert session.last_prompt() is None
