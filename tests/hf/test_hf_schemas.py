"""What the engine that constrains local models makes of schemas: all types of the table compile."""

import pydantic
import pytest

from mellea.core import OutputSchema, SchemaDialect, UsageError
from mellea.core.schema_dialects import in_dialect
from mellea_hf.constraint import GrammarAutomaton
from tests.core.schema_types import TYPES


@pytest.fixture(scope="module")
def constraints():
    from mellea_hf.model import LoadedModel
    from tests.hf import tiny

    return LoadedModel.of(tiny.tokenizer(), tiny.model(), "tiny").constraints()


def schema_of(kind):
    return pydantic.create_model("Response", result=(kind, ...)).model_json_schema()


@pytest.mark.parametrize("name", TYPES)
@pytest.mark.parametrize("dialect", [SchemaDialect.LLGUIDANCE, SchemaDialect.LLAMA_CPP])
def test_every_type_can_be_constrained(constraints, name, dialect):
    """llama.cpp's words are few, so that servers of either engine read them."""
    said = in_dialect(schema_of(TYPES[name][0]), dialect)

    assert constraints.matchers(OutputSchema("said", said.schema), SchemaDialect.PLAIN, 1)


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"enum": ["able", "abort", "no"]}, '"abo'),
        ({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}, '{"n":12}'),
        ({"type": "string", "maxLength": 3}, '"ab\u00e9"'),
    ],
)
def test_token_alone_is_allowed_where_the_mask_allows_it(constraints, schema, text):
    [matcher] = constraints.matchers(OutputSchema("said", schema), SchemaDialect.PLAIN, 1)
    vocabulary, automaton = constraints.vocabulary, GrammarAutomaton(matcher)

    for token in [*vocabulary.tokenize_str(text), None]:
        alone = [automaton.allows(each, 9) for each in range(vocabulary.vocab_size)]
        assert alone == [bool(each) for each in automaton.mask(9)[: vocabulary.vocab_size]]
        if token is not None:
            automaton.advance(token)


ENDLESS = {
    "$ref": "#/$defs/N",
    "$defs": {"N": {"type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}, "required": ["n"]}},
}


def deep(levels):
    schema = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize(("schema", "words"), [(ENDLESS, "needs itself"), (deep(20_000), "levels deep")])
async def test_schema_without_an_end_is_refused_before_generation(tiny_client, schema, words):
    with pytest.raises(UsageError, match=words):
        await tiny_client.chunks("x", schema=schema)


async def test_what_is_not_enforced_is_known(tiny_backend):
    from mellea import MelleaSession, ModelOption

    m = MelleaSession(tiny_backend)
    schema = {"type": "object", "properties": {"tags": {"type": "array", "uniqueItems": True}}}

    thunk = await m.aact("x", format=schema, strategy=None, model_options={ModelOption.MAX_NEW_TOKENS: 1})

    assert thunk.generation.unenforced == ("$.tags: uniqueItems true",)
