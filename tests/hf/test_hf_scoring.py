"""Scores of the local backend: those of the model's own passes."""

import asyncio
import itertools

import pytest

from mellea.core import (
    CapabilityError,
    ChatRequest,
    ClosedError,
    CompletionRequest,
    ContextWindowError,
    Message,
    RequestRejectedError,
    UsageError,
    score,
)
from mellea.testing import ScriptedBackend
from mellea_hf import LocalHFBackend
from tests.hf import tiny
from tests.hf.conftest import on_engine


def plain(model, prefix, continuation):
    import torch

    ids = torch.tensor([[*prefix, *continuation]])
    with torch.inference_mode():
        known = torch.log_softmax(model(ids).logits[0, len(prefix) - 1 : -1].float(), dim=-1)
    return [float(known[place, token]) for place, token in enumerate(continuation)]


@pytest.mark.parametrize("knobs", [{}, {"cache_bytes": 0}, {"max_batch": 2}])
async def test_scores_are_those_of_the_models_own_passes(tiny_parts, knobs):
    tokenizer, model, _ = tiny_parts
    prefix, texts = "once upon a time there was", ["yes", "no, never", "x", "yes"]
    with LocalHFBackend("tiny", custom_config=tiny_parts, **knobs) as backend:
        first = await score(backend, prefix, texts)
        again = await score(backend, prefix, texts[:1])

    expected = on_engine(
        lambda: [plain(model, tokenizer(prefix).input_ids, tokenizer(text).input_ids) for text in texts]
    )
    assert [one.text for one in first] == texts
    for said, right in zip(first, expected, strict=True):
        assert said.logprobs == pytest.approx(right, abs=1e-4)
        assert said.logprob == pytest.approx(sum(right), abs=1e-4)
    assert again[0].logprob == pytest.approx(first[0].logprob, abs=1e-4)


async def test_conversation_is_scored_as_the_model_would_go_on(tiny_parts):
    tokenizer, model, _ = tiny_parts
    turns = [Message("user", "hello")]
    with LocalHFBackend("tiny", custom_config=tiny_parts) as backend:
        [said] = await score(backend, turns, ["hi"])
        assert backend.stats().cached_tokens

    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "hello"}], add_generation_prompt=True, return_dict=False
    )
    right = on_engine(lambda: plain(model, prompt, tokenizer("hi").input_ids))
    assert said.logprobs == pytest.approx(right, abs=1e-4)


async def test_backend_that_cannot_score_is_refused():
    with pytest.raises(CapabilityError, match="cannot score: ScriptedBackend is no ScoringAPI"):
        await score(ScriptedBackend(["x"]), "prefix", ["a"])


async def test_model_that_the_engine_cannot_run_is_refused():
    parts = on_engine(lambda: (tiny.tokenizer(), tiny.model(), "cpu"))
    parts[1].set_attn_implementation("eager")
    with (
        LocalHFBackend("tiny", custom_config=parts) as backend,
        pytest.raises(CapabilityError, match="its attention is eager, not sdpa"),
    ):
        await score(backend, "prefix", ["a"])


async def test_empty_and_too_long_texts_are_errors(tiny_backend):
    with pytest.raises(UsageError, match="continues nothing"):
        await score(tiny_backend, "prefix", ["a", ""])
    with pytest.raises(ContextWindowError):
        await score(tiny_backend, "prefix", ["a" * 200])
    assert await score(tiny_backend, "prefix", []) == []


class Watched(list):
    """The tokens that each pass of a model computes; with a token in it that fails, it fails."""

    def __init__(self, model):
        super().__init__()
        self.fatal = -1
        model.register_forward_pre_hook(self.note, with_kwargs=True)

    def note(self, _module, _args, named):
        self.append(named["input_ids"].shape[1])
        if (named["input_ids"] == self.fatal).any():
            raise RuntimeError("can't allocate memory")


@pytest.fixture
def wide():
    """The parts of a tiny model with a large window, and its passes."""
    tokenizer, model = on_engine(lambda: (tiny.tokenizer(), tiny.model(window=8192)))
    return (tokenizer, model, "cpu"), Watched(model)


ENDLESS = ChatRequest(
    "m", (Message("user", "x"),), {"min_new_tokens": 8000, "max_new_tokens": 8000}, stream=True
)


async def test_those_who_write_go_on_while_others_score(wide):
    parts, passes = wide
    with LocalHFBackend("tiny", custom_config=parts) as backend:
        writing = backend.stream_chat(ENDLESS)
        await anext(writing)
        passes.clear()

        scores = await score(backend, "long " * 100, ["yes", "no" * 150, "never"])

        between = passes.copy()
        await writing.aclose()

    assert [len(one.logprobs) for one in scores] == [3, 300, 5]
    assert max(between) <= 64
    assert all(1 in pair for pair in itertools.pairwise(between))


JUDGED = "what was said, and what was answered, is the same for all of them. "


async def test_scorings_that_arrive_together_are_computed_together_behind_one_prefix(wide):
    parts, passes = wide
    asked = [f"{JUDGED}Is it {word}?" for word in ("short", "polite", "right", "new")]
    with LocalHFBackend("tiny", custom_config=parts, cache_bytes=0) as alone:
        expected = [await score(alone, prefix, ["yes", "n", "no"]) for prefix in asked]
    with LocalHFBackend("tiny", custom_config=parts) as backend:
        passes.clear()

        scores = await asyncio.gather(*(score(backend, prefix, ["yes", "n", "no"]) for prefix in asked))

    tails = sum(len(prefix) - len(f"{JUDGED}Is it ") for prefix in asked[1:])
    assert passes == [len(asked[0]), len("ye" + "n") + tails, 3 * len("ye" + "n")]
    for said, right in zip(scores, expected, strict=True):
        for one, same in zip(said, right, strict=True):
            assert one.logprobs == pytest.approx(same.logprobs, abs=1e-4)


async def test_memory_that_does_not_suffice_for_a_scoring_harms_nobody_else(wide):
    parts, passes = wide
    with LocalHFBackend("tiny", custom_config=parts) as backend:
        before = await score(backend, "prefix", ["a"])
        passes.fatal = parts[0]("?").input_ids[0]
        asked = CompletionRequest("m", ("hello",), {"min_new_tokens": 9, "max_new_tokens": 9})

        failed, written, after = await asyncio.gather(
            score(backend, "prefix", ["a", "?b"]),
            backend.complete(asked),
            score(backend, "prefix", ["a"]),
            return_exceptions=True,
        )

    assert isinstance(failed, RequestRejectedError)
    assert written[0].usage.completion_tokens == 9
    assert after[0].logprobs == pytest.approx(before[0].logprobs)


async def test_scoring_that_is_given_up_leaves_those_of_its_passes_alone(wide):
    parts, passes = wide
    with LocalHFBackend("tiny", custom_config=parts, max_batch=2) as backend:
        expected = await score(backend, "so " * 20, ["yes", "no"])
        passes.clear()
        given_up = asyncio.ensure_future(score(backend, "one " * 1000, ["a"]))
        kept = asyncio.ensure_future(score(backend, "so " * 20, ["yes", "no"]))
        while not passes:
            await asyncio.sleep(0)

        given_up.cancel()
        [said, other] = await kept

    assert given_up.cancelled()
    assert said.logprobs == pytest.approx(expected[0].logprobs, abs=1e-4)
    assert other.logprobs == pytest.approx(expected[1].logprobs, abs=1e-4)


async def test_scoring_ends_when_nobody_waits_for_it(wide):
    parts, passes = wide
    backend = LocalHFBackend("tiny", custom_config=parts)
    passes.clear()
    given_up, closed, waiting = (
        asyncio.ensure_future(score(backend, f"{name} " * 1000, ["a"])) for name in ("one", "two", "six")
    )
    while not passes:
        await asyncio.sleep(0)

    given_up.cancel()
    waiting.cancel()
    await backend.aclose()
    await asyncio.wait([given_up, waiting])

    with pytest.raises(ClosedError):
        await closed
    assert sum(passes) < 4000


async def test_reproducible_scores_depend_on_nothing_else(wide):
    parts, _ = wide
    with LocalHFBackend("tiny", custom_config=parts, reproducible=True, max_batch=4) as backend:
        alone = await score(backend, "prefix " * 20, ["yes", "no " * 30])
        writing = backend.stream_chat(ENDLESS)
        await anext(writing)

        among = await score(backend, "prefix " * 20, ["yes", "no " * 30])

        await writing.aclose()

    assert among == alone
