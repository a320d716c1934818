"""What providers behind LiteLLM are sent where requirements steer."""

import json

from mellea import ModelOption, start_session
from mellea.stdlib.requirements import contains, word_count
from mellea.stdlib.requirements.forms import Bullets, of_form
from mellea.stdlib.sampling import RejectionSamplingStrategy
from tests.servers.faults import Reply, completion

ONCE = RejectionSamplingStrategy(loop_budget=1)
LIST = "\n".join(["* Tea is a warm drink that people have made for a very long time."] * 3)


def ask(session, rules, **options):
    return session.instruct(
        "Drinks.", requirements=rules, strategy=ONCE, return_sampling_results=True, **options
    )


def test_ollama_is_sent_the_pattern_as_a_format(faults):
    message = {"role": "assistant", "content": json.dumps(LIST)}
    answer = {"model": "m", "created_at": "2026-01-01T00:00:00Z", "message": message, "done": True}
    faults.answers(Reply(answer | {"prompt_eval_count": 3, "eval_count": 2, "done_reason": "stop"}))

    with start_session("litellm", "ollama_chat/m", base_url=faults.url) as session:
        result = ask(session, [of_form(Bullets(3))])

    (sent,) = [body for body in faults.requests if "messages" in body]
    assert sent["format"]["pattern"].startswith("^\\* ")
    assert (sent["options"]["repeat_penalty"], sent["options"]["repeat_last_n"]) == (1.1, 256)
    assert (result.value, set(result.steering.values())) == (LIST, {"steered"})


def test_other_providers_are_sent_none_unless_they_are_said_to_keep_them(faults):
    faults.answers(Reply(completion(LIST)))
    where = {"base_url": faults.base_url, "api_key": "none"}

    with start_session("litellm", "openai/m", **where) as session:
        result = ask(session, [of_form(Bullets(3))])

    assert "response_format" not in faults.requests[-1]
    assert set(result.steering.values()) == {"checked: backend 'litellm' keeps no patterns"}


def test_llama_server_behind_litellm_keeps_the_rules(open_session):
    session = open_session(keeps_patterns=True)
    rules = [word_count(at_least=12, at_most=24), contains("bridge")]
    result = ask(session, rules, model_options={ModelOption.SEED: 1})

    assert set(result.steering.values()) == {"steered"}
    assert result.success, result.value
