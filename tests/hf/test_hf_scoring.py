"""Scores of the local backend: those of the model's own passes."""

import pytest

from mellea.core import CapabilityError, ContextWindowError, Message, UsageError, score
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
