"""Requirements that have a form steer the decoding, where the backend keeps patterns."""

import json
import re

import pytest

from mellea.core import Capability, ModelOption
from mellea.core.steering import ContradictionError
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements import avoids, contains, req, simple_validate, word_count
from mellea.stdlib.requirements.forms import BeginsWith, Bullets, Case, explain, of_form
from mellea.stdlib.sampling import RejectionSamplingStrategy
from mellea.stdlib.session import MelleaSession
from mellea.testing import ScriptedBackend

STEERABLE = [Capability.JSON_SCHEMA, Capability.REGEX, Capability.STREAMING]
RULES = [word_count(at_most=30), contains("bridge"), avoids("leaves"), of_form(BeginsWith("Once"))]
TEXT = 'Once we met on the "old" bridge.\nIt was late.'


def instruct(backend, requirements=RULES, **options):
    with MelleaSession(backend, SimpleContext()) as session:
        return session.instruct("Write.", requirements=requirements, return_sampling_results=True, **options)


def test_forms_become_the_pattern_of_one_string_and_the_text_comes_back_decoded():
    backend = ScriptedBackend(json.dumps(TEXT), capabilities=STEERABLE)

    result = instruct(backend)

    assert (result.success, len(result.attempts), str(result.result)) == (True, 1, TEXT)
    assert set(result.steering.values()) == {"steered"}
    schema = backend.requests[0].schema.json_schema
    assert schema["type"] == "string"
    assert schema["pattern"].startswith("^Once")
    assert not re.fullmatch(schema["pattern"], "Once the leaves fell on the bridge.")


def test_prompt_still_says_the_rules_in_words():
    backend = ScriptedBackend(json.dumps(TEXT), capabilities=STEERABLE)
    instruct(backend)

    prompt = backend.requests[0].messages[-1].content
    assert all(rule.description in prompt for rule in RULES)


def test_backend_that_keeps_no_patterns_gets_none_and_the_result_says_so():
    backend = ScriptedBackend(TEXT, capabilities=[Capability.JSON_SCHEMA])

    result = instruct(backend)

    assert backend.requests[0].schema is None
    assert set(result.steering.values()) == {"checked: backend 'scripted' keeps no patterns"}


def test_steering_is_switched_off_by_an_option():
    backend = ScriptedBackend(TEXT, capabilities=STEERABLE)

    result = instruct(backend, model_options={ModelOption.STEER: False})

    assert (backend.requests[0].schema, result.steering) == (None, {})


def test_requirements_without_a_form_are_checked_as_ever():
    polite = req("Be polite.", simple_validate(lambda text: "please" in text))
    backend = ScriptedBackend(
        [json.dumps("Once, a bridge."), json.dumps("Once, please, a bridge.")], capabilities=STEERABLE
    )

    result = instruct(
        backend, [of_form(BeginsWith("Once")), polite], strategy=RejectionSamplingStrategy(loop_budget=2)
    )

    assert (result.success, len(result.attempts)) == (True, 2)
    assert list(result.steering) == [of_form(BeginsWith("Once")).name]


def test_requirements_that_contradict_are_refused_before_anything_is_sent():
    backend = ScriptedBackend("x")

    with pytest.raises(ContradictionError, match=r"at most 20 words.*at least 60 words"):
        instruct(backend, [word_count(at_most=20), word_count(at_least=60)])
    assert backend.requests == []


def test_limit_on_tokens_is_raised_to_the_longest_text_where_there_is_none():
    backend = ScriptedBackend(json.dumps(TEXT), capabilities=STEERABLE)
    instruct(backend)

    assert backend.requests[0].options["max_new_tokens"] > 30


def test_limit_that_is_too_small_for_the_longest_text_leaves_the_forms_to_checking():
    backend = ScriptedBackend(TEXT, capabilities=STEERABLE)
    result = instruct(backend, model_options={ModelOption.MAX_NEW_TOKENS: 10})

    assert backend.requests[0].schema is None
    assert all("and MAX_NEW_TOKENS is 10" in fate for fate in result.steering.values())


def test_server_that_keeps_no_patterns_after_all_gives_its_text_as_it_is():
    result = instruct(ScriptedBackend(TEXT, capabilities=STEERABLE))

    assert (result.success, str(result.result)) == (True, TEXT)


def test_pieces_of_a_steered_text_are_pieces_of_the_text():
    said = json.dumps('Über "uns" \U0001f600.\n')
    backend = ScriptedBackend([list(said)], capabilities=STEERABLE)

    result = instruct(backend, [of_form(BeginsWith("Ü"))], model_options={ModelOption.STREAM: True})

    assert str(result.result) == 'Über "uns" \U0001f600.\n'


def test_explain_says_what_would_steer_without_a_call():
    said = explain([of_form(Bullets(3)), of_form(Case("lower"))], "Tell me about tea.")

    assert "Write exactly 3 bullet points, each on a line that begins with *. Steered." in said
    assert "Pattern: ^" in said
