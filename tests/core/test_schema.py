"""How structured output is read."""

import pytest
from pydantic import BaseModel, RootModel, field_validator

from mellea import MelleaSession, generative
from mellea.core import Capability, SchemaDialect
from mellea.core.errors import OutputParseError, UsageError
from mellea.core.schema import OutputSchema
from mellea.core.schema_check import misfit
from mellea.testing import ScriptedBackend


class Order(BaseModel):
    item: str
    pieces: int


class SilentError(Exception):
    def __str__(self):
        raise RuntimeError("no words")


RAISED = {
    "key": KeyError("wheel"),
    "type": TypeError("no wheel"),
    "silent": SilentError(),
    "name": NameError(),
}


class Checked(BaseModel):
    how: str

    @field_validator("how")
    @classmethod
    def raises(cls, how):
        raise {
            "key": KeyError("wheel"),
            "type": TypeError("no wheel"),
            "silent": SilentError(),
            "name": NameError(),
        }[how]


ORDER = {
    "title": "order",
    "type": "object",
    "properties": {"pieces": {"type": "integer"}},
    "required": ["pieces"],
}


@pytest.mark.parametrize(
    "text",
    [
        '{"item": "lamp", "pieces": 3}',
        '```json\n{"item": "lamp", "pieces": 3}\n```',
        'As [1] says: {"item": "lamp", "pieces": 3} Anything else?',
        '\ufeff{"item": "lamp", "pieces": 3}',
        '<think>{"item": "chair"}</think>{"item": "lamp", "pieces": 3}',
    ],
)
def test_the_one_value_in_a_text_is_read(text):
    assert OutputSchema.of(Order).parse(text) == Order(item="lamp", pieces=3)


def test_an_array_is_read_where_one_is_wanted():
    assert OutputSchema.of(RootModel[list[int]]).parse("{} says [1, 2]").root == [1, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The output is no Order. The answer is empty where JSON was asked for."),
        ("No.", "The output is no Order. The answer holds no JSON; it begins with 'No.'."),
        (
            '{"item": 3',
            "The output is no Order. The JSON in the answer ends before it is complete, with '{\"item\": 3'.",
        ),
    ],
)
def test_what_cannot_be_read_is_said_in_sentences(text, message):
    with pytest.raises(OutputParseError) as caught:
        OutputSchema.of(Order).parse(text)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("key", "KeyError: 'wheel'"),
        ("type", "TypeError: no wheel"),
        ("silent", "SilentError"),
    ],
)
def test_whatever_a_validator_raises_is_an_answer_that_does_not_fit(how, reason):
    with pytest.raises(OutputParseError) as caught:
        OutputSchema.of(Checked).parse(f'{{"how": "{how}"}}')
    assert caught.value.message == f"The output is no Checked: {reason}."


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"thing": "lamp"}', "$: 'pieces' is a required property"),
        ('{"pieces": "three"}', "$.pieces: 'three' is not of type 'integer'"),
        ("[3]", "$: [3] is not of type 'object'"),
    ],
)
def test_a_schema_given_as_a_mapping_is_checked(text, reason):
    with pytest.raises(OutputParseError) as caught:
        OutputSchema.of(ORDER).parse(text)
    assert caught.value.message == f"The output is no order: {reason}."


def test_a_long_misfit_is_told_in_short():
    assert len(misfit("x" * 5000, {"type": "integer"})) < 400


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "nonsense"}, "It is no JSON schema"),
        ({"$ref": "http://127.0.0.1:9/schema.json"}, "http://127.0.0.1:9/schema.json"),
        ({"$ref": "#/$defs/Missing"}, "Missing"),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}, "needs itself"),
    ],
)
def test_a_schema_that_cannot_be_checked_is_the_callers_fault(schema, words):
    with pytest.raises(UsageError, match=words):
        OutputSchema.of(schema).parse("{}")


def scripted(*answers, can=()):
    return MelleaSession(ScriptedBackend(list(answers), capabilities={*ScriptedBackend.capabilities, *can}))


def test_a_misfit_is_repaired():
    with scripted('{"thing": "lamp"}', '{"pieces": 3}') as m:
        assert m.instruct("Read the order.", format=ORDER).parsed == {"pieces": 3}


def test_an_error_of_a_validator_is_repaired():
    class Even(BaseModel):
        number: int

        @field_validator("number")
        @classmethod
        def is_even(cls, number):
            return {4: 4}[number]

    with scripted('{"number": 3}', '{"number": 4}') as m:
        assert m.instruct("Count.", format=Even).parsed.number == 4


def test_a_typed_function_reads_what_stands_after_a_sentence():
    @generative
    def lamps(mail: str) -> int:
        """Return how many lamps the mail orders."""

    with scripted('Here it is:\n```json\n{"result": 3}\n```\nAnything else?') as m:
        assert lamps(m, mail="x") == 3


@pytest.mark.parametrize(
    ("verdict", "met"),
    [
        ('```json\n{"reason": "It is.", "met": true}\n```', True),
        ('My verdict: {"reason": "It is.", "met": true}', True),
        ('{"reason": "It is not.", "met": false}', False),
        ('{"reason": "It is.", "met": 1}', False),
        ('{"reason": "It is.", "met": "yes"}', False),
        ('{"met": true} {"met": false}', False),
    ],
)
def test_a_judges_verdict_is_read_or_does_not_count(verdict, met):
    with scripted(verdict, can=[Capability.JSON_SCHEMA]) as m:
        assert bool(m.validate("It is polite.", output="Would you mind?")[0]) is met


def test_a_schema_that_is_no_json_is_the_callers_fault():
    with pytest.raises(UsageError, match="holds what is no JSON"):
        OutputSchema.of({"type": {1}}).in_dialect(SchemaDialect.LLAMA_CPP)
