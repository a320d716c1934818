"""What servers are sent where requirements steer, and what becomes of it where they refuse."""

import json
import re

from mellea import MelleaSession
from mellea.core import CBlock, ChatRequest, Message, OutputSchema, SchemaDialect
from mellea.core.chat_completions import chat_body
from mellea.core.steering import Bullets, steer
from mellea.core.text_pattern import TextPattern
from mellea.stdlib.requirements.forms import of_form
from mellea.stdlib.sampling import RejectionSamplingStrategy
from mellea_openai import OpenAIBackend
from mellea_openai.patterns import as_property, pattern_of
from tests.servers.faults import Reply, completion

ITEM = "* Tea is a warm drink that people have made from leaves for a very long time, and they still do so."
TEXT = "\n".join([ITEM, ITEM.replace("Tea", "Milk"), ITEM.replace("Tea", "Wine")])
RULES = [of_form(Bullets(3))]


def models(owner):
    return Reply({"object": "list", "data": [{"id": "m", "object": "model", "owned_by": owner}]})


def instruct(session):
    once = RejectionSamplingStrategy(loop_budget=1)
    return session.instruct("Drinks.", requirements=RULES, strategy=once, return_sampling_results=True)


def test_llama_cpp_is_sent_a_grammar_of_the_text_before_and_after_it_is_known(faulty, faults):
    faults.answers(models("llamacpp"), Reply(completion(TEXT, system_fingerprint="b9000-1a2b3c4")))

    first, second = instruct(faulty), instruct(faulty)

    chats = [request for request in faults.requests if request is not None and "messages" in request]
    assert chats[0]["grammar"] == chats[1]["grammar"]
    assert chats[0]["grammar"].startswith('root ::= "*" " "')
    assert "response_format" not in chats[0]
    assert (first.value, second.value) == (TEXT, TEXT)
    assert set(second.steering.values()) == {"steered"}
    assert faults.requests[1]["repeat_penalty"] == 1.1


def test_pattern_of_a_programs_own_is_sent_as_requirements_are(faulty, faults):
    faults.answers(models("llamacpp"), Reply(completion('"Tea."')))

    answer = faulty.act(
        CBlock("Drinks."), strategy=None, format=TextPattern('^\\\\"[A-Za-z.]{0,40}\\\\"$', 20)
    )

    assert faults.requests[1]["grammar"].startswith('root ::= "\\""')
    assert answer.value == '"Tea."'


def test_ollama_is_sent_the_pattern_of_a_json_string(faulty, faults):
    faults.answers(models("library"), Reply(completion(json.dumps(TEXT), system_fingerprint="fp_ollama")))

    first, second = instruct(faulty), instruct(faulty)

    chats = [request for request in faults.requests if request is not None and "messages" in request]
    sent = [request["response_format"]["json_schema"]["schema"] for request in chats]
    assert sent[0] == sent[1]
    assert sent[0]["pattern"].startswith("^\\* ")
    assert (first.value, second.value) == (TEXT, TEXT)
    assert set(second.steering.values()) == {"steered"}
    assert faults.requests[1]["repeat_penalty"] == 1.1


def test_vllm_is_sent_the_pattern_of_the_text_itself(faulty, faults):
    faults.answers(models("vllm"), Reply(completion(TEXT)))

    result = instruct(faulty)

    body = faults.requests[1]
    assert "response_format" not in body
    assert re.fullmatch(body["structured_outputs"]["regex"], TEXT)
    assert (body["temperature"], body["repetition_penalty"]) == (0.4, 1.1)
    assert (result.value, set(result.steering.values())) == (TEXT, {"steered"})


def test_server_that_does_not_say_what_it_is_gets_no_pattern(faulty, faults):
    faults.answers(models("somebody"), Reply(completion(TEXT)))

    result = instruct(faulty)

    assert "response_format" not in faults.requests[1]
    assert set(result.steering.values()) == {"checked: backend 'openai' keeps no patterns"}


def test_refused_pattern_is_left_out_and_not_sent_again(faults):
    backend = OpenAIBackend("m", base_url=faults.base_url, api_key="k", keeps_patterns=True, max_retries=0)
    refusal = Reply({"error": {"message": "pattern is not supported"}}, status=400)
    faults.answers(models("somebody"), refusal, Reply(completion(TEXT)))
    with MelleaSession(backend, owns_backend=True) as session:
        first, second = instruct(session), instruct(session)

    assert ["response_format" in body for body in faults.requests[1:]] == [True, False, False]
    assert (first.value, first.success) == (TEXT, True)
    assert set(first.steering.values()) == {"checked: backend 'openai' refuses patterns"}
    assert set(second.steering.values()) == {"checked: backend 'openai' keeps no patterns"}


def test_strict_mode_is_sent_the_one_property_of_an_object():
    pattern = steer([Bullets(3)], "Drinks.").pattern
    held = TextPattern(pattern, 100).schema()
    request = ChatRequest("m", (Message("user", "Drinks."),), {}, held, False)

    sent = chat_body(as_property(request, pattern_of(request)), SchemaDialect.OPENAI_STRICT)

    told = sent["response_format"]["json_schema"]
    assert told["strict"] is True
    assert re.fullmatch(told["schema"]["properties"]["text"]["pattern"], TEXT)
    assert isinstance(held, OutputSchema)
