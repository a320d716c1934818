"""Quotes: passages word for word, with their places, read and checked on any backend."""

import json
import pickle

import pytest
from pydantic import BaseModel, ValidationError

from mellea import Document, MelleaSession, Quote, generative
from mellea.core import OutputSchema, SchemaDialect, UsageError
from mellea.core.quote import QUOTE_OF, bind_quotes, quoted_texts
from mellea.stdlib.sampling import RejectionSamplingStrategy
from mellea.testing import ScriptedBackend

DOCUMENT = Document("Ada wrote the\nfirst program. Ada was born in 1815. Babbage built no engine.")


class Answer(BaseModel):
    quote: Quote[DOCUMENT]


class Open(BaseModel):
    quotes: list[Quote]


def test_quote_knows_where_it_stands():
    quote = Answer.model_validate_json('{"quote": "born in 1815"}').quote

    assert (quote, quote.start, quote.end) == ("born in 1815", 37, 49)
    assert DOCUMENT.text[quote.start : quote.end] == quote
    assert quote.document is DOCUMENT
    assert not quote.is_ambiguous


def test_ambiguous_quote_has_every_place():
    quote = Quote.locate("Ada", DOCUMENT)

    assert quote.is_ambiguous
    assert quote.occurrences == ((0, 3), (29, 32))


def test_places_may_overlap():
    assert Quote.locate("aa", "aaa").occurrences == ((0, 2), (1, 3))


def test_white_space_is_the_documents():
    assert Quote.locate("wrote the first  program", DOCUMENT) == "wrote the\nfirst program"


@pytest.mark.parametrize("text", ["Ada built", "", "ada"])
def test_what_is_no_passage_is_refused(text):
    with pytest.raises(ValidationError):
        Answer(quote=text)


def test_quote_dumps_as_text_and_pickles_with_its_places():
    answer = Answer(quote="no engine")

    assert json.loads(answer.model_dump_json()) == {"quote": "no engine"}
    again = pickle.loads(pickle.dumps(answer.quote))
    assert (again, again.occurrences, again.document) == ("no engine", ((65, 74),), DOCUMENT)


def test_schema_names_the_documents_and_lists_their_sentences():
    said = Answer.model_json_schema()["properties"]["quote"]

    assert quoted_texts(said[QUOTE_OF]) == (DOCUMENT.text,)
    assert said["enum"] == [
        "Ada wrote the\nfirst program.",
        "Ada was born in 1815.",
        "Babbage built no engine.",
    ]
    assert (
        "enum"
        not in OutputSchema.of(model_of(Quote.of("A word. " * 2000))).json_schema["properties"]["quote"]
    )


def model_of(kind):
    from pydantic import create_model

    return create_model("Answer", quote=(kind, ...))


@pytest.mark.parametrize("dialect", SchemaDialect)
def test_schema_is_said_in_every_dialect(dialect):
    said = OutputSchema.of(Answer).in_dialect(dialect).schema["properties"]["quote"]

    assert said["type"] == "string"
    assert (QUOTE_OF in said) == (dialect in {SchemaDialect.LLGUIDANCE, SchemaDialect.PLAIN})


@pytest.mark.parametrize("documents", [(), ("",), (3,)])
def test_quotes_need_a_text(documents):
    with pytest.raises(UsageError):
        Quote.of(*documents)


async def test_answer_that_is_no_quote_is_a_failed_attempt():
    backend = ScriptedBackend(['{"quote": "Ada built it"}', '{"quote": "Ada wrote"}'])

    result = await MelleaSession(backend).ainstruct("Who?", format=Answer, return_sampling_results=True)

    assert "does not stand in the document word for word" in result.attempts[0].error
    assert result.parsed.quote.start == 0


async def test_open_quotes_are_from_the_grounding_of_the_call():
    backend = ScriptedBackend(['{"quotes": ["Ada built it"]}', '{"quotes": ["Ada was born", "no engine"]}'])

    result = await MelleaSession(backend).ainstruct(
        "Who?",
        format=Open,
        grounding_context={"text": DOCUMENT},
        strategy=RejectionSamplingStrategy(loop_budget=2),
        return_sampling_results=True,
    )

    assert [quote.start for quote in result.parsed.quotes] == [29, 65]
    assert result.parsed.quotes[0].document is DOCUMENT


async def test_open_quotes_without_a_document_are_refused_before_anything_is_sent():
    backend = ScriptedBackend([])

    with pytest.raises(UsageError, match="no document that they could be from"):
        await MelleaSession(backend).ainstruct("Who?", format=Open)


async def test_typed_function_quotes_its_argument():
    @generative
    async def evidence(claim: str, text: Document) -> list[Quote]: ...

    backend = ScriptedBackend(['{"result": ["no such words"]}', '{"result": ["1815"]}'])

    [quote] = await evidence(MelleaSession(backend), claim="x", text=DOCUMENT)

    assert DOCUMENT.text[quote.start : quote.end] == "1815"
    assert quote.document is DOCUMENT


def test_schema_without_open_quotes_stays_as_it_is():
    schema = OutputSchema.of(Answer)

    assert bind_quotes(schema, []) is schema
