"""Forms of the texts within a structured output steer too, through its schema."""

import json
import re
from typing import Annotated

import pydantic
import pytest

from mellea import MelleaSession, generative
from mellea.core import Capability, ModelOption, SchemaDialect
from mellea.core.errors import OutputParseError
from mellea.stdlib.requirements import contains, word_count
from mellea.stdlib.requirements.forms import BeginsWith, Bullets, Case, Words, of_form
from mellea.testing import ScriptedBackend

STEERABLE = [Capability.JSON_SCHEMA, Capability.REGEX]
TEXT = (
    "Once we walked along the water to the old bridge and looked at the boats that came home slowly "
    "while evening fell."
)


class Note(pydantic.BaseModel):
    text: Annotated[str, Words(at_most=30), BeginsWith("Once")]
    number: int


def session(*answers, capabilities=STEERABLE, **options):
    return MelleaSession(ScriptedBackend(list(answers), capabilities=capabilities), **options)


def sent(session):
    return session.backend.requests[-1].schema.json_schema["properties"]


def test_forms_that_a_field_is_annotated_with_become_its_pattern():
    answer = json.dumps({"text": TEXT, "number": 3})
    with session(answer) as m:
        result = m.instruct("Write.", format=Note, return_sampling_results=True)

        assert sent(m)["text"]["pattern"].startswith("^Once")
        assert re.fullmatch(sent(m)["text"]["pattern"], TEXT)
        assert "pattern" not in sent(m)["number"]
    assert (result.parsed, set(result.steering.values())) == (Note(text=TEXT, number=3), {"steered"})
    assert list(result.steering) == ["text: Write at most 30 words.", "text: Begin with: Once"]


class Label(pydantic.BaseModel):
    name: Annotated[str, Words(at_most=20), Case("upper")]
    place: Annotated[str, Case("title")]
    text: str


@pytest.mark.parametrize("streamed", [False, True])
def test_texts_of_fields_are_put_in_the_case_that_is_asked_for(streamed):
    written = '{"name": "We came \\u00e0 pied\\nto it.", "place": "At o\'neill\'s.", "text": "As it is."}'
    put = {"name": "WE CAME À PIED\nTO IT.", "place": "At O'neill's.", "text": "As it is."}
    with session(list(written), capabilities=[*STEERABLE, Capability.STREAMING]) as m:
        options = {ModelOption.STREAM: streamed}
        result = m.instruct("Write.", format=Label, model_options=options, return_sampling_results=True)

        assert "a-z" in sent(m)["name"]["pattern"]
    assert (result.success, result.parsed.model_dump()) == (True, put)
    assert json.loads(result.value) == put
    assert set(result.steering.values()) == {"steered"}


def test_pydantic_checks_the_forms_where_nothing_steers():
    with session('{"text": "Then.", "number": 3}', capabilities=[Capability.JSON_SCHEMA]) as m:
        output = m.instruct("Write.", format=Note, strategy=None)

        assert "pattern" not in sent(m)["text"]
        with pytest.raises(OutputParseError, match="Begin with: Once"):
            output.parsed  # noqa: B018  reading it parses


@generative
def tell() -> str:
    """Tell a story."""


@generative
def count() -> int:
    """Count."""


def test_value_of_a_typed_function_is_put_in_the_case_that_is_asked_for():
    with session(json.dumps({"result": TEXT})) as m:
        assert tell(m, requirements=[of_form(Case("upper"))]) == TEXT.upper()


def test_requirements_on_the_value_of_a_typed_function_steer_it():
    with session(json.dumps({"result": TEXT})) as m:
        assert tell(m, requirements=[word_count(at_most=30), contains("bridge")]) == TEXT

        pattern = sent(m)["result"]["pattern"]
    assert "ridge" in pattern
    assert not re.fullmatch(pattern, TEXT.replace("bridge", "river"))


def test_steering_is_switched_off_for_them_too():
    with session(json.dumps({"result": TEXT}), steer=False) as m:
        tell(m, requirements=[contains("bridge")])

        assert "pattern" not in sent(m)["result"]


def test_value_that_is_no_text_is_left_to_checking():
    with session(json.dumps({"result": 3})) as m:
        assert count(m, requirements=[contains("3")]) == 3

        assert "pattern" not in sent(m)["result"]


class Listed(pydantic.BaseModel):
    text: Annotated[str, Bullets(2)]


@pytest.mark.parametrize(("dialect", "steers"), [("llguidance", True), ("llama-cpp", False)])
def test_line_breaks_are_left_to_checking_where_the_grammar_cannot_write_them(dialect, steers):
    item = "* Tea is a warm drink that people have made for a very long time."
    with session(json.dumps({"text": f"{item}\n{item}"})) as m:
        m.backend.schema_dialect = SchemaDialect(dialect)
        result = m.instruct("Write.", format=Listed, return_sampling_results=True)

        assert ("pattern" in sent(m)["text"]) is steers
    assert result.success
    assert [fate == "steered" for fate in result.steering.values()] == [steers]
