"""Chat and completion with real weights."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, Field

from mellea.core import (
    CBlock,
    ChatRequest,
    ContextWindowError,
    Message,
    ModelOption,
    RequestRejectedError,
    UsageError,
)
from tests.hf.conftest import Client, Conversation, on_engine


async def test_first_piece_comes_before_the_generation_ends(client):
    pieces = client.backend.stream_chat(client.request("Tell me a story.", max_new_tokens=500))

    first = await anext(pieces)
    await pieces.aclose()

    assert first.text
    assert first.finish_reason is None


async def test_thunk_is_filled_through_the_core(backend):
    options = {
        ModelOption.MAX_NEW_TOKENS: 8,
        ModelOption.STREAM: True,
        ModelOption.SYSTEM_PROMPT: "Be brief.",
    }

    thunk, _ = await backend.generate_from_context(
        CBlock("Say hello."), Conversation(), model_options=options
    )
    pieces = [piece async for piece in thunk]

    assert "".join(pieces) == thunk.value
    assert thunk.generation.usage.completion_tokens <= 8
    assert thunk.generation.provider == "hf"


async def test_temperature_zero_is_what_transformers_generates(client, loaded):
    import torch

    tokenizer, model, _ = loaded
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Name a colour."}], add_generation_prompt=True, return_dict=False
    )
    ids = torch.tensor([prompt])
    options = {"max_new_tokens": 12, "do_sample": False}
    whole = on_engine(lambda: model.generate(ids, attention_mask=torch.ones_like(ids), **options))
    expected = whole[0][len(prompt) :].tolist()

    chunks = await client.chunks("Name a colour.", max_new_tokens=12, temperature=0)

    assert "".join(chunk.text for chunk in chunks) == tokenizer.decode(expected, skip_special_tokens=True)
    assert chunks[-1].usage.completion_tokens == len(expected)
    assert chunks[-1].usage.prompt_tokens == len(prompt)


async def test_end_of_turn_ends_with_stop(client):
    chunks = await client.chunks(
        "Answer with the single word yes.", max_new_tokens=40, schema={"const": "yes"}
    )

    assert chunks[-1].finish_reason == "stop"


async def test_token_count_is_what_the_prompt_costs(client):
    messages = (
        Message("user", "How many tokens is <|im_end|> this?"),
        Message("assistant", "Many."),
        Message("user", "Sure?"),
    )

    counted = await client.backend.count_tokens(messages)
    chunks = [
        chunk async for chunk in client.backend.stream_chat(ChatRequest("m", messages, {"max_new_tokens": 1}))
    ]

    assert counted == chunks[-1].usage.prompt_tokens


async def test_completion_stops_each_row_by_itself(client):
    stopped, full = await client.complete(
        "1, 2, 3, 4, 5,", "The capital of France is", max_new_tokens=8, stop_strings=["7"]
    )

    assert (stopped.text.strip(), stopped.finish_reason) == ("6,", "stop")
    assert (full.usage.completion_tokens, full.finish_reason) == (8, "length")


async def test_no_prompts_give_no_completions(client):
    assert await client.complete() == []


class Person(BaseModel):
    name: str = Field(max_length=10)
    age: int = Field(ge=0, le=120)


async def test_pydantic_class_constrains_the_output(backend):
    action = CBlock("Describe a person as JSON.")

    thunk, _ = await backend.generate_from_context(
        action,
        Conversation(),
        format=Person,
        model_options={ModelOption.MAX_NEW_TOKENS: 40, ModelOption.SEED: 3},
    )
    await thunk.avalue()

    assert isinstance(thunk.parsed, Person)
    assert thunk.generation.finish_reasons == ("stop",)


async def test_schema_constrains_each_row_of_a_batch(client):
    schema = {
        "type": "object",
        "properties": {"sea": {"type": "boolean"}},
        "required": ["sea"],
        "additionalProperties": False,
    }

    completions = await client.complete(
        "Is it wet?", "Well, is the desert dry? I", schema=schema, max_new_tokens=20
    )

    assert [completion.text in ('{"sea":true}', '{"sea":false}') for completion in completions] == [
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "nonsense"}, "nonsense"),
        ({"type": "integer", "minimum": 5, "maximum": 3}, "minimum"),
    ],
)
async def test_refused_schema_is_an_error_in_the_words_of_llguidance(tiny_client, schema, words):
    with pytest.raises(RequestRejectedError, match=words):
        await tiny_client.chunks("x", schema=schema)


async def test_too_long_prompt_is_an_error_with_the_numbers(tiny_client):
    with pytest.raises(ContextWindowError, match=r"prompt of 2\d\d tokens .* 128 tokens"):
        await tiny_client.chunks("x" * 200)


async def test_too_long_answer_is_an_error_before_any_token(tiny_client):
    with pytest.raises(ContextWindowError, match="answer of 128"):
        await tiny_client.complete("hello", max_new_tokens=128)


async def test_default_length_ends_with_the_window(tiny_client):
    chunks = await tiny_client.chunks("hello", min_new_tokens=120)

    assert chunks[-1].finish_reason == "length"
    assert chunks[-1].usage.total_tokens == 128


async def test_empty_prompt_without_a_beginning_token_is_an_error(tiny_client):
    with pytest.raises(RequestRejectedError, match="nothing to complete"):
        await tiny_client.complete("")


async def test_tokenizer_without_chat_template_completes_but_does_not_chat(tiny_parts):
    from mellea_hf import LocalHFBackend

    tokenizer, model, device = tiny_parts
    tokenizer.chat_template = None
    client = Client(LocalHFBackend("base", custom_config=(tokenizer, model, device)))

    [completion] = await client.complete("hello", max_new_tokens=3)

    assert completion.usage.completion_tokens == 3
    with pytest.raises(UsageError, match="no chat template"):
        await client.chunks("hello")
