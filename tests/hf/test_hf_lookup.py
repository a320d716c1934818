"""Guesses of how a row goes on: they save steps, and change nothing."""

import asyncio

import pytest

from mellea_hf import LocalHFBackend
from mellea_hf.prompt_lookup import PromptLookup
from tests.hf import tiny
from tests.hf.conftest import Client, on_engine

FABLE = "abba cab a bac, abba cab a bac; "


@pytest.mark.parametrize(
    ("tokens", "most", "alone", "guessed"),
    [
        ([1, 2, 3, 4, 5, 1, 2], 9, False, [3, 4, 5, 1]),
        ([1, 2, 3, 4, 5, 1, 2], 2, False, [3, 4]),
        ([1, 2, 3, 4, 5, 1, 2], 0, False, []),
        ([1, 2, 3, 4, 5, 1, 2], 9, True, []),
        ([1, 2, 3, 4, 5, 1, 2, 3, 4], 2, True, [5, 1]),
        ([1, 2, 3, 9, 1, 2, 4, 9, 2, 1, 2], 1, False, [4]),
        ([7, 1, 2, 3, 1, 2, 4, 7, 1, 2], 1, False, [3]),
        ([5, 6, 5, 6], 4, False, [5, 6, 5, 6]),
        ([5, 5, 5], 3, False, [5, 5, 5]),
        ([1, 2, 3], 4, False, []),
        ([1], 4, False, []),
        ([], 4, False, []),
    ],
)
def test_what_followed_the_longest_and_latest_same_run_is_guessed(tokens, most, alone, guessed):
    assert list(PromptLookup(tokens).guess(most, alone=alone)) == guessed


def test_guesses_go_further_where_they_are_right_and_stop_where_they_are_wrong():
    lookup = PromptLookup([*range(40), 0, 1])

    first = lookup.guess(99)
    lookup.learn(4, 4)
    longer = lookup.guess(99)
    lookup.learn(8, 0)

    assert (len(first), len(longer), len(lookup.guess(99))) == (4, 8, 0)
    lookup.add([2])
    assert list(lookup.guess(99)) == [3]


@pytest.fixture(scope="module")
def both():
    parts = on_engine(lambda: (tiny.tokenizer(), tiny.model(window=4096), "cpu"))
    with (
        LocalHFBackend("tiny", custom_config=parts) as guessing,
        LocalHFBackend("tiny", custom_config=parts, max_batch=2, reproducible=True) as plain,
    ):
        yield Client(guessing), Client(plain)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0},
        {"seed": 3, "temperature": 0.05},
        {"seed": 3, "temperature": 0.3, "top_k": 5, "repetition_penalty": 1.1},
        {"temperature": 0, "logprobs": 1},
        {"temperature": 0, "schema": {"enum": [FABLE * 2, FABLE + "no"]}},
        {"temperature": 0, "schema": {"type": "array", "items": {"enum": ["ab", "ac"]}, "minItems": 8}},
        {"temperature": 0, "stop_strings": ["ba"]},
    ],
    ids=["greedy", "cool", "warm", "logprobs", "constant", "list", "stop"],
)
async def test_guesses_change_no_token(both, options):
    guessing, plain = both
    prompts = [FABLE, FABLE + "abba", FABLE[5:] + "[" + FABLE + "]", "0"]
    expected = [(await plain.complete(prompt, max_new_tokens=40, **options))[0] for prompt in prompts]

    said = await asyncio.gather(
        *(guessing.complete(prompt, max_new_tokens=40, **options) for prompt in prompts)
    )

    assert [(one.text, one.finish_reason, one.usage.completion_tokens) for [one] in said] == [
        (one.text, one.finish_reason, one.usage.completion_tokens) for one in expected
    ]
    assert [len(one.logprobs or ()) for [one] in said] == [len(one.logprobs or ()) for one in expected]


async def test_what_repeats_takes_fewer_steps_than_tokens(both):
    schema = {"type": "array", "items": {"enum": ["ab", "ac"]}, "minItems": 24, "maxItems": 24}
    took = []

    for client in both:
        before = client.backend.stats()
        await client.complete('["ab","ab","ab","ab"', schema=schema, temperature=0, max_new_tokens=400)
        after = client.backend.stats()
        took.append((after.written_tokens - before.written_tokens, after.steps - before.steps))

    (written, steps), (same, more) = took
    assert written == same
    assert steps < more
    guessing, plain = (client.backend.stats() for client in both)
    assert 0 < guessing.right_tokens <= guessing.guessed_tokens
    assert plain.guessed_tokens == 0
