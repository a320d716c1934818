"""Output that is never cut: complete at any limit into which the shortest fits, and refused below that."""

import asyncio
import json
import random

import pytest

from benchmarks.formats import cases
from mellea.core import ModelOption, OutputSchema, SchemaDialect
from mellea.core.errors import LimitTooSmallError
from mellea.core.schema_check import misfit
from mellea_hf.least_text import least_match, least_texts
from mellea_hf.remainder import Remainder


async def outcome(client, case, **options):
    """Return "complete", "refused", or what is wrong with the answer."""
    try:
        [answer] = await client.complete(
            "A person:", schema=case.schema, max_new_tokens=case.limit, **options
        )
    except LimitTooSmallError as error:
        return "refused" if error.least > case.limit else f"refused, though {error.least} are enough"
    try:
        wrong = misfit(json.loads(answer.text), case.schema)
    except ValueError:
        wrong = f"cut: {answer.text}"
    if answer.usage.completion_tokens > case.limit or answer.finish_reason != "stop":
        wrong = f"{answer.usage} {answer.finish_reason}"
    return wrong or "complete"


async def test_every_answer_of_the_real_model_is_complete_or_refused(client):
    pairs = [case for case in cases(90) if case.limit <= 12][:16]

    outcomes = await asyncio.gather(
        *(outcome(client, case, temperature=1.0, seed=number) for number, case in enumerate(pairs))
    )

    assert set(outcomes) == {"complete", "refused"}
    assert outcomes.count("complete") >= 4


async def test_every_answer_of_a_model_of_bytes_is_complete_or_refused(tiny_client):
    pairs = list(cases(40, seed=1))

    outcomes = await asyncio.gather(
        *(outcome(tiny_client, case, temperature=1.0, seed=number) for number, case in enumerate(pairs))
    )

    assert set(outcomes) == {"complete", "refused"}


@pytest.mark.parametrize("options", [{}, {"do_sample": True, "seed": 3}, {"max_time": 60.0}, {"logprobs": 1}])
async def test_answer_is_complete_in_either_loop_however_it_is_drawn(tiny_client, options):
    schema = {"type": "array", "items": {"type": "string", "minLength": 2}, "minItems": 2}

    for limit in (11, 12, 15, 19, 30):
        [answer] = await tiny_client.complete("x", schema=schema, max_new_tokens=limit, **options)

        assert not misfit(json.loads(answer.text), schema)
        assert answer.finish_reason == "stop"


async def test_stream_is_complete(tiny_client):
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}

    chunks = await tiny_client.chunks("x", schema=schema, max_new_tokens=14)

    assert "a" in json.loads("".join(chunk.text for chunk in chunks))
    assert chunks[-1].finish_reason == "stop"


async def test_limit_that_is_too_small_is_refused_with_one_that_is_enough(tiny_client):
    schema = {"type": "string", "minLength": 30}

    with pytest.raises(LimitTooSmallError, match="takes 32 tokens, and the answer may have 20") as caught:
        await tiny_client.complete("x", schema=schema, max_new_tokens=20)

    [answer] = await tiny_client.complete("x", schema=schema, max_new_tokens=caught.value.least)
    assert len(json.loads(answer.text)) == 30


async def test_pattern_of_a_plain_text_is_kept_at_the_limit(tiny_client):
    import re

    pattern = "^([a-c]+ ){3}[a-z]+\\.$"
    schema = OutputSchema("text", {"type": "string", "pattern": pattern}, plain_pattern=pattern)

    for limit in (8, 9, 14):
        [answer] = await tiny_client.complete(
            "x", schema=schema, max_new_tokens=limit, do_sample=True, seed=1
        )

        assert re.fullmatch(pattern, answer.text)


@pytest.mark.parametrize("limit", [19, 25, 40, 90])
async def test_long_text_of_a_pattern_comes_to_its_end_at_the_limit(tiny_client, limit):
    import re

    pattern = "^(fish|[a-zé€]+)( [a-zé€]+){2,}(, fish){2}\\.$"
    schema = OutputSchema("text", {"type": "string", "pattern": pattern}, plain_pattern=pattern)

    for seed in range(4):
        [answer] = await tiny_client.complete(
            "x", schema=schema, max_new_tokens=limit, do_sample=True, seed=seed
        )

        assert re.fullmatch(pattern, answer.text)
        assert answer.finish_reason == "stop"


async def test_call_names_the_limit_that_would_do(tiny_backend):
    from mellea import MelleaSession

    m = MelleaSession(tiny_backend)

    with pytest.raises(LimitTooSmallError) as caught:
        await m.ainstruct(
            "x", format={"enum": ["a long answer"]}, model_options={ModelOption.MAX_NEW_TOKENS: 4}
        )

    assert caught.value.least == len('"a long answer"')


SCHEMAS = {
    "definition": ({"$ref": "#/$defs/A", "$defs": {"A": {"enum": ["long", "b"]}}}, '"b"'),
    "union": ({"anyOf": [{"type": "string", "minLength": 9}, {"type": "null"}]}, "null"),
    "bounds": ({"type": "integer", "minimum": 120}, "120"),
    "below zero": ({"type": "number", "maximum": -3}, "-3"),
    "tuple": ({"type": "array", "prefixItems": [{"const": 1}, {"const": "x"}], "minItems": 2}, '[1,"x"]'),
    "pattern": ({"type": "string", "pattern": "^[A-Z]{2}(a|bc)+$"}, '"AAa"'),
    "both": ({"allOf": [{"required": ["a"]}, {"properties": {"a": {"type": "boolean"}}}]}, '{"a":true}'),
    "recursion": (
        {
            "$ref": "#/$defs/N",
            "$defs": {
                "N": {
                    "type": "object",
                    "properties": {"n": {"anyOf": [{"$ref": "#/$defs/N"}, {"type": "null"}]}},
                    "required": ["n"],
                }
            },
        },
        '{"n":null}',
    ),
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_least_text_of_a_schema(name):
    schema, text = SCHEMAS[name]

    assert least_texts(schema)[0] == text


def test_least_match_of_an_expression():
    assert least_match("^[0-9]{2,4}-(longer|x)?y+$") == "00-y"
    assert least_match("(?=a)b") is None


PATTERNS = {
    "counts": r"^([a-c]{2,4} ){3,5}[x-z]$",
    "choices": r"^(to be|or not( to be)?|that is (the|a) (question|answer))\.$",
    "nested": r"^((a|bc){2,3}, ?){2}(d+|é{2}|€)?!$",
}


@pytest.mark.parametrize("name", PATTERNS)
def test_rest_of_an_expression_completes_what_has_begun(name):
    import re

    draw = random.Random(1)
    for _ in range(50):
        text, rest = "", Remainder.of(PATTERNS[name])
        while choices := [each for each in "abcdx tobernisqu.,!é€" if rest.after(each).rests]:
            character = draw.choice(choices)
            text, rest = text + character, rest.after(character)

            assert re.fullmatch(PATTERNS[name], text + rest.least)
            assert len(rest.least.encode()) <= rest.enough


def test_rest_of_an_expression_is_no_more_than_is_needed():
    rest = Remainder.of("^one (two|three)+( four)?$")

    assert rest.least == "one two"
    assert rest.enough == len("one two")
    assert rest.after("one three").least == ""
    assert rest.after("one tw").least == "o"
    assert rest.after("on").after("e f").least is None


def test_expression_that_cannot_be_read_leaves_no_rest():
    assert Remainder.of("(?=a)b") is None


def test_way_home_is_known_after_any_tokens(tiny_parts):
    """Random tokens lead to corners of a schema to which no model goes."""
    import torch

    from mellea_hf.model import LoadedModel

    loaded = LoadedModel.of(*tiny_parts[:2], "tiny")
    draw = random.Random(0)
    taken = refused = 0
    for case in cases(12, seed=2):
        [row] = loaded.constraints().for_rows(OutputSchema.of(case.schema), SchemaDialect.LLGUIDANCE, 1)
        for _ in range(30):
            row.prepare(4000)
            scores = torch.zeros(loaded.vocabulary)
            row.apply(scores)
            tokens = (scores == 0).nonzero()[:, 0].tolist()
            token = draw.choice(tokens)
            if token in loaded.end_tokens:
                break
            if row.leads_home(token, 4000):
                row.advance(token)
                taken += 1
            else:
                refused += 1
    assert refused <= taken * 0.05
