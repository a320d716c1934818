"""The scores of the whole vocabulary: the model's own, and those that tokens are drawn by."""

import numpy as np
import pytest

from mellea.core import CBlock, CompletionRequest, ModelOption, UsageError
from tests.hf.conftest import Conversation, on_engine

BOTH = {ModelOption.LOGITS: True, ModelOption.RAW_LOGITS: True, ModelOption.MAX_NEW_TOKENS: 3}


async def ask(backend, text, *, format=None, **options):
    thunk, _ = await backend.generate_from_context(
        CBlock(text), Conversation(), format=format, model_options={**BOTH, **options}
    )
    return (await thunk.result()).generation


async def test_raw_scores_are_what_transformers_computes(backend, loaded):
    import torch

    tokenizer, model, _ = loaded
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Name a colour."}], add_generation_prompt=True, return_dict=False
    )

    def expected():
        with torch.inference_mode():
            return model.generate(
                torch.tensor([prompt]),
                max_new_tokens=3,
                do_sample=False,
                output_logits=True,
                return_dict_in_generate=True,
            ).logits

    said = await ask(backend, "Name a colour.", **{ModelOption.TEMPERATURE: 0.0})
    assert said.raw_logits.dtype == np.float32
    assert said.raw_logits == pytest.approx(torch.cat(on_engine(expected)).numpy(), abs=1e-2)
    assert said.logits == pytest.approx(said.raw_logits)


async def test_processed_scores_have_the_temperature_and_what_is_ruled_out(backend):
    said = await ask(backend, "Name a colour.", temperature=0.5, top_k=4, seed=3)
    kept = np.isfinite(said.logits)

    assert kept.sum(axis=1).tolist() == [4, 4, 4]
    assert said.logits[kept] == pytest.approx(said.raw_logits[kept] / 0.5, rel=1e-4)


async def test_every_token_of_a_schema_has_scores(backend):
    said = await ask(backend, "Name a colour.", format={"enum": ["red"]}, **{ModelOption.MAX_NEW_TOKENS: 9})

    assert len(said.logits) == len(said.raw_logits) == said.usage.completion_tokens
    assert np.isfinite(said.logits).sum() < np.isfinite(said.raw_logits).sum()


async def test_only_what_is_asked_for_is_kept(backend):
    said = await ask(backend, "Hi.", **{ModelOption.LOGITS: False})
    nothing = await ask(backend, "Hi.", **{ModelOption.LOGITS: False, ModelOption.RAW_LOGITS: None})

    assert said.logits is None
    assert len(said.raw_logits) == said.usage.completion_tokens
    assert nothing.raw_logits is None


async def test_completions_have_theirs(backend):
    request = CompletionRequest("m", ("One, two,", "The sea"), {"max_new_tokens": 2, "logits": True})
    for completion in await backend.complete(request):
        assert len(completion.logits) == completion.usage.completion_tokens
        assert completion.raw_logits is None


async def test_scores_are_refused_where_they_cannot_be_kept(backend):
    with pytest.raises(UsageError, match="guidance_scale needs transformers' generate"):
        await ask(backend, "Hi.", guidance_scale=1.5)
    with pytest.raises(UsageError, match="logits is True or False, not 3"):
        await ask(backend, "Hi.", **{ModelOption.LOGITS: 3})
