"""Seeds, sampling options, and what becomes of options that nobody knows."""

from __future__ import annotations

import asyncio

import pytest

from mellea.core import UsageError
from mellea_hf import LocalHFBackend
from tests.hf.conftest import Client, on_engine


async def test_without_a_seed_draws_differ(tiny_client):
    first = await tiny_client.complete("x", max_new_tokens=50, temperature=2.0)
    second = await tiny_client.complete("x", max_new_tokens=50, temperature=2.0)

    assert first != second


async def test_a_seed_alone_asks_for_draws(tiny_client):
    texts = {(await tiny_client.complete("x", max_new_tokens=50, seed=seed))[0].text for seed in range(3)}

    assert len(texts) == 3


async def test_draw_depends_on_the_seed_and_not_on_the_batch(tiny_client):
    [alone] = await tiny_client.complete("abc", max_new_tokens=20, seed=1)
    _, together = await tiny_client.complete("abcdef", "abc", max_new_tokens=20, seed=1)

    assert together.text == alone.text


async def test_process_wide_random_state_is_untouched(tiny_client):
    import torch

    before = torch.random.get_rng_state()

    await tiny_client.chunks("hello", max_new_tokens=5, seed=1, temperature=1.0)
    await tiny_client.chunks("hello", max_new_tokens=5, temperature=1.0)

    assert torch.equal(torch.random.get_rng_state(), before)


async def test_seeds_of_concurrent_calls_do_not_mix(tiny_client):
    alone = [await tiny_client.text("hello", max_new_tokens=20, seed=seed) for seed in range(4)]

    together = await asyncio.gather(
        *(tiny_client.text("hello", max_new_tokens=20, seed=seed) for seed in range(4))
    )

    assert together == alone


async def test_top_k_one_is_greedy(tiny_client):
    greedy = await tiny_client.text("hello", max_new_tokens=20, temperature=0)

    assert await tiny_client.text("hello", max_new_tokens=20, top_k=1, temperature=1.5, seed=3) == greedy


@pytest.mark.parametrize(
    "options",
    [
        {"top_p": 0.5},
        {"min_p": 0.99},
        {"typical_p": 0.5},
        {"epsilon_cutoff": 0.9},
        {"eta_cutoff": 0.9},
        {"top_h": 0.5},
    ],
)
async def test_sampling_options_of_transformers_are_honoured(tiny_client, options):
    plain = await tiny_client.text("hello", max_new_tokens=40, seed=3)

    assert await tiny_client.text("hello", max_new_tokens=40, seed=3, **options) != plain


async def test_models_own_generation_config_decides_when_the_call_says_nothing(tiny_parts):
    tiny_parts[1].generation_config.update(do_sample=True, temperature=1.7, max_new_tokens=30)
    client = Client(LocalHFBackend("tiny", custom_config=tiny_parts))

    first = await client.chunks("hello", min_new_tokens=30)
    second = await client.chunks("hello", min_new_tokens=30)

    assert first[-1].usage.completion_tokens == 30
    assert first != second


async def test_repetition_penalty_reaches_transformers(tiny_client):
    plain = await tiny_client.text("hello", max_new_tokens=20)

    assert await tiny_client.text("hello", max_new_tokens=20, repetition_penalty=5.0) != plain


async def test_end_tokens_of_the_call_end_the_answer(tiny_client):
    [ended] = await tiny_client.complete("hello", max_new_tokens=4, eos_token_id=list(range(261)))

    assert (ended.text, ended.finish_reason, ended.usage.completion_tokens) == ("", "stop", 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_tokens": 5}, "max_new_tokens"),
        ({"temprature": 1.0}, "temperature"),
        ({"num_beams": 4}, "beam"),
        ({"num_return_sequences": 2}, "num_return_sequences"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 7}, "top_p"),
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"seed": "x"}, "seed"),
        ({"stop_strings": [""]}, "none of them empty"),
        ({"stop_strings": 5}, "Stop sequences"),
        ({"seed": 2**64}, "seed lies between -9.223372037e.18 and 1.844674407e.19; 18446744073709551616"),
        ({"seed": -(2**63) - 1}, "seed lies between"),
        ({"temperature": 1e-300}, "temperature is 0 or lies between 1e-06 and 1000000; 1e-300 does not"),
        ({"temperature": float("inf")}, "temperature is 0 or lies between"),
        ({"temperature": True}, "temperature is 0 or lies between"),
        ({"typical_p": 0}, "typical_p lies between 1e-06 and 1"),
        ({"max_new_tokens": 10**30}, "max_new_tokens lies between 1 and 2147483647"),
        ({"do_sample": "no"}, "do_sample is True or False, not 'no'"),
        ({"repetition_penalty": 0}, "repetition_penalty lies between 1e-06 and 1000000; 0 does not"),
        ({"repetition_penalty": float("nan")}, "repetition_penalty lies between"),
        ({"encoder_repetition_penalty": "x"}, "encoder_repetition_penalty lies between"),
        ({"no_repeat_ngram_size": -1}, "no_repeat_ngram_size lies between 0 and 2147483647"),
        ({"min_new_tokens": 1.5}, "min_new_tokens is a whole number"),
        ({"min_length": "x"}, "min_length is a whole number"),
        ({"guidance_scale": "x"}, "guidance_scale lies between"),
        ({"max_time": "x"}, "max_time lies between"),
        ({"eos_token_id": -1}, "eos_token_id is a token id or a list of them, each from 0 to 260, not -1"),
        ({"forced_eos_token_id": 10**9}, "forced_eos_token_id is a token id"),
        ({"bos_token_id": "x"}, "bos_token_id is a token id"),
        ({"suppress_tokens": "x"}, "suppress_tokens is a list of token ids"),
        ({"bad_words_ids": [[]]}, "bad_words_ids is a list of words, each a list of token ids"),
        ({"exponential_decay_length_penalty": (1, "x")}, "factor of exponential_decay_length_penalty lies"),
        ({"exponential_decay_length_penalty": (1,)}, "such as"),
        ({"sequence_bias": {}}, "transformers refuses an option, sequence_bias: .*non-empty dictionary"),
        ({"cache_implementation": "quantized"}, "transformers refuses an option, cache_implementation"),
    ],
)
async def test_wrong_option_is_named(tiny_client, options, words):
    with pytest.raises(UsageError, match=words):
        await tiny_client.chunks("x", **options)


@pytest.mark.parametrize(
    "options", [{"repetition_penalty": 2}, {"seed": 2**64 - 1}, {"temperature": 1e-6}, {"temperature": 10**6}]
)
async def test_value_at_the_end_of_a_range_is_an_option(tiny_client, options):
    chunks = await tiny_client.chunks("x", max_new_tokens=2, min_new_tokens=2, **options)
    assert chunks[-1].usage.completion_tokens == 2


async def test_error_of_the_model_is_not_blamed_on_an_option(tiny_parts):
    def failing(*_):
        raise ValueError("the model is broken")

    client = Client(LocalHFBackend("tiny", custom_config=tiny_parts))
    tiny_parts[1].register_forward_pre_hook(failing)

    with pytest.raises(ValueError, match="^the model is broken$"):
        await client.chunks("x", max_new_tokens=2)


async def test_variable_of_the_chat_template_is_an_option(tiny_parts):
    tiny_parts[0].chat_template += "{% if shout %}!!!!{% endif %}"
    client = Client(LocalHFBackend("tiny", custom_config=tiny_parts))

    plain = await client.chunks("x", max_new_tokens=1)
    shouted = await client.chunks("x", max_new_tokens=1, shout=True)

    assert shouted[-1].usage.prompt_tokens == plain[-1].usage.prompt_tokens + 4


def test_draws_follow_the_distribution():
    import torch

    from mellea_hf.sampling import DrawProcessor

    scores = torch.log(torch.tensor([[0.7, 0.3, 0.0]]).repeat(2000, 1))

    drawn = on_engine(lambda: DrawProcessor(2000, None, "cpu")(None, scores).argmax(dim=-1))

    assert 0.65 < (drawn == 0).float().mean() < 0.75
    assert not (drawn == 2).any()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("kept", [1, 40, 3000])
def test_seed_draws_what_torch_draws(dtype, kept):
    import torch

    from mellea_hf.sampling import DrawProcessor

    shuffled, torchs = torch.Generator(), torch.Generator()
    shuffled.manual_seed(0)
    draw = DrawProcessor(1, 7, "cpu")
    torchs.manual_seed(7)

    for _ in range(50):
        scores = 4 * torch.randn(3000, generator=shuffled)
        scores[torch.randperm(3000, generator=shuffled)[kept:]] = float("-inf")
        scores = scores.to(getattr(torch, dtype))
        drawn = int(draw(None, scores[None]).argmax())

        assert drawn == int(torch.multinomial(torch.softmax(scores, -1), 1, generator=torchs))


@pytest.mark.parametrize("allowed", [1, 40, 2000, 3000])
@pytest.mark.parametrize("sharpness", [0.1, 4, 60])
@pytest.mark.parametrize("cut", [{}, {"top_k": 0}, {"min_p": 0.05}, {"temperature": 0.4, "top_k": 20}])
def test_token_drawn_is_the_same_whether_others_are_ruled_out_before_or_after(allowed, sharpness, cut):
    import torch

    from mellea_hf.options import read_options
    from mellea_hf.sampling import drawn, race_of, sampling_processors, shaped

    shuffled = torch.Generator().manual_seed(0)

    for seed in range(40):
        scores = sharpness * torch.randn(1, 3000, generator=shuffled)
        mask = torch.ones(1, 3000, dtype=torch.bool)
        mask[0, torch.randperm(3000, generator=shuffled)[:allowed]] = False
        left = scores.masked_fill(mask, float("-inf"))
        settings = read_options({"seed": seed, **cut}, {}, ())
        before = drawn(sampling_processors(settings, 1, "cpu"), None, left)
        draw = sampling_processors(settings, 1, "cpu")
        race = race_of(draw, None, scores)
        while (after := race.first()) is not None and mask[0, after]:
            race.without(after)
        if after is None:
            after = race.among(shaped(draw[:-1], None, left)[0])

        assert after == before


def test_scores_that_are_not_numbers_are_an_error():
    import torch

    from mellea_hf.sampling import DrawProcessor

    with pytest.raises(RuntimeError, match="are not numbers"):
        DrawProcessor(1, 1, "cpu")(None, torch.full((1, 9), float("nan")))
