"""Quotes on a backend that is steered: word for word by construction."""

import asyncio

import pytest
from pydantic import BaseModel, Field

from mellea import MelleaSession, ModelOption
from mellea.core.document import Document
from mellea.core.quote import Quote

TEXT = """The bridge was built in 1902 by "Ada & Sons".
It fell in 1931, was rebuilt in 1935,
and stands — painted green \\ grey — to this day. Nobody knows who painted it."""


@pytest.fixture
def document():
    return Document(TEXT)


QUESTIONS = ("When was it built?", "Who built it?", "What colour is it?", "When did it fall?")


async def test_quotes_of_the_real_model_are_verbatim_with_their_places(backend, document):
    m = MelleaSession(backend)
    options = {ModelOption.MAX_NEW_TOKENS: 12, ModelOption.TEMPERATURE: 1.0}

    quotes = await asyncio.gather(
        *(
            m.ainstruct(
                f"{question} Answer with a quote.",
                grounding_context={"text": document},
                format=held(document),
                model_options={**options, ModelOption.SEED: seed},
                strategy=None,
                await_result=True,
            )
            for seed, question in enumerate(QUESTIONS)
        )
    )

    for quote in (output.parsed.quote for output in quotes):
        assert TEXT[quote.start : quote.end] == quote
        assert quote.document is document


def held(document):
    class Answer(BaseModel):
        quote: Quote[document]

    return Answer


@pytest.mark.parametrize("seed", range(6))
async def test_quotes_anywhere_in_a_format_are_passages(tiny_client, document, seed):
    class Node(BaseModel):
        quotes: list[Quote[document]] = Field(min_length=1, max_length=2)
        more: Quote[document] | None = None
        inner: "Node | None" = None

    class Finding(BaseModel):
        why: str = Field(max_length=10)
        found: Node
        sure: bool = True

    [answer] = await tiny_client.complete("x", schema=Finding, max_new_tokens=120, temperature=1.5, seed=seed)

    node = Finding.model_validate_json(answer.text).found
    assert all(TEXT[quote.start : quote.end] == quote for quote in node.quotes)
    assert all(quote.lstrip('"')[0].isalnum() for quote in node.quotes)


async def test_quotes_from_one_of_several_documents(tiny_client):
    class Answer(BaseModel):
        quote: Quote.of("cats purr", Document("Dogs bark."))

    for seed in range(4):
        [answer] = await tiny_client.complete(
            "x", schema=Answer, max_new_tokens=24, temperature=1.5, seed=seed
        )

        assert Answer.model_validate_json(answer.text).quote.occurrences


async def test_quote_is_whole_at_the_limit(tiny_client, document):
    class Answer(BaseModel):
        quote: Quote[document]

    for limit in (17, 18, 22, 31):
        [answer] = await tiny_client.complete("x", schema=Answer, max_new_tokens=limit)

        assert Answer.model_validate_json(answer.text).quote


async def test_quote_below_what_a_grammar_says_is_checked(tiny_client, document):
    class Answer(BaseModel):
        quotes: dict[str, Quote[document]]

    [answer] = await tiny_client.complete("x", schema=Answer, max_new_tokens=30)

    assert answer.text.startswith('{"quotes":{')
