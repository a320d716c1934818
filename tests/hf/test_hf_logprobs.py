"""Log-probabilities of the local backend: those of the model's own scores."""

import pytest

from mellea.core import CBlock, ModelOption, UsageError
from tests.hf.conftest import Conversation, on_engine

SHORT = {ModelOption.MAX_NEW_TOKENS: 6, ModelOption.TEMPERATURE: 0.0}


async def ask(backend, text, **options):
    thunk, _ = await backend.generate_from_context(
        CBlock(text), Conversation(), model_options={**SHORT, **options}
    )
    return await thunk.result()


async def test_they_are_what_transformers_computes(backend, loaded):
    import torch

    tokenizer, model, _ = loaded
    thunk = await ask(backend, "Name a colour.", **{ModelOption.LOGPROBS: 3})
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Name a colour."}], add_generation_prompt=True, return_dict=False
    )

    def expected():
        with torch.inference_mode():
            ids = torch.tensor([prompt])
            done = model.generate(ids, max_new_tokens=6, do_sample=False)[0, len(prompt) :]
            scores = model(torch.cat([ids[0], done])[None]).logits[0, len(prompt) - 1 : -1]
            known = torch.log_softmax(scores.float(), -1)
            return [known[place, token].item() for place, token in enumerate(done)]

    said = thunk.generation.logprobs
    assert [one.logprob for one in said] == pytest.approx(on_engine(expected), abs=1e-3)
    assert b"".join(one.bytes for one in said).decode() == thunk.value
    assert all(one.alternatives[0].token == one.token for one in said)
    assert all(len(one.alternatives) == 3 for one in said)


async def test_streamed_answer_has_the_same(backend):
    whole = await ask(backend, "Name a colour.", **{ModelOption.LOGPROBS: True})
    streamed = await ask(backend, "Name a colour.", **{ModelOption.LOGPROBS: True, ModelOption.STREAM: True})

    said, same = streamed.generation.logprobs, whole.generation.logprobs
    assert [one.token for one in said] == [one.token for one in same]
    assert [one.logprob for one in said] == pytest.approx([one.logprob for one in same], abs=1e-4)
    assert not any(one.alternatives for one in whole.generation.logprobs)


async def test_temperature_and_schema_do_not_change_them(backend):
    """What a schema rules out was likely to the model all the same."""
    thunk, _ = await backend.generate_from_context(
        CBlock("Name a colour."),
        Conversation(),
        format={"enum": ["red"]},
        model_options={**SHORT, ModelOption.TEMPERATURE: 0.7, ModelOption.SEED: 1, ModelOption.LOGPROBS: 1},
    )
    said = (await thunk.result()).generation.logprobs

    assert "".join(one.token for one in said) == '"red"'
    assert said[0].alternatives[0].token != '"'
    assert said[0].logprob < said[0].alternatives[0].logprob


async def test_token_that_ends_the_answer_is_left_out(backend):
    thunk = await ask(backend, "Say hi.", **{ModelOption.LOGPROBS: True, ModelOption.MAX_NEW_TOKENS: 200})

    assert thunk.generation.finish_reasons == ("stop",)
    assert "".join(one.token for one in thunk.generation.logprobs) == thunk.value


async def test_part_of_a_letter_has_its_bytes(backend):
    thunk, _ = await backend.generate_from_context(
        CBlock("Say it."),
        Conversation(),
        format={"const": "日"},
        model_options={**SHORT, ModelOption.MAX_NEW_TOKENS: 20, ModelOption.LOGPROBS: True},
    )
    said = (await thunk.result()).generation.logprobs

    assert b"".join(one.bytes for one in said).decode() == '"日"'
    assert any("\N{REPLACEMENT CHARACTER}" in one.token for one in said)


async def test_each_completion_of_a_batch_has_its_own(backend):
    thunks = await backend.generate_from_raw(
        [CBlock("One, two,"), CBlock("The capital of France is")],
        model_options={**SHORT, ModelOption.LOGPROBS: 1},
    )

    for thunk in thunks:
        assert b"".join(one.bytes for one in thunk.generation.logprobs).decode() == thunk.value


async def test_only_true_or_a_number_asks_for_them(backend):
    with pytest.raises(UsageError, match="LOGPROBS"):
        await ask(backend, "Hi.", logprobs="all")
