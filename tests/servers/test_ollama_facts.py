"""The test server answers as a real Ollama server was seen to: statuses, kinds of content, fields, and words of errors.

``ollama/facts.json`` has the cases. What a model says may differ, so where an answer's fields depend on it, the case has the
words that the model is made to say; ``before`` is a request that comes first.
"""

import json
import re
from pathlib import Path

import httpx
import pytest

FACTS = json.loads((Path(__file__).parent / "ollama" / "facts.json").read_text(encoding="utf-8"))
FREE = re.compile(
    r"(model_info\.|tensors|modelfile|license|parameters|template|context$|\[\]\.context$"
    r"|models\.\[\]\.details\.|message\.thinking|\[\]\.message\.thinking)"
)
"""Fields that tell of the machine or of the model's file, not of the protocol."""


def asked(server, method, path, body):
    text = body if isinstance(body, str) or body is None else json.dumps(body)
    content = text and re.sub(r"\{(\d+) words\}", lambda found: "word " * int(found[1]), text)
    with httpx.Client(base_url=server.base_url, timeout=120) as client:
        return client.request(method, path, content=content, headers={"Content-Type": "application/json"})


def values(answer):
    """Return what an answer holds: one value, or one of each line."""
    kind = answer.headers["content-type"].partition(";")[0]
    if kind == "application/x-ndjson":
        return [json.loads(line) for line in answer.text.splitlines()]
    if kind == "text/event-stream":
        return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    return answer.json()


def fields(value, path=""):
    """Return the names of all fields in a value; a model chooses those of a tool's arguments."""
    if isinstance(value, list):
        return {name for inner in value for name in fields(inner, f"{path}[].")}
    if not isinstance(value, dict):
        return set()
    within = (fields(inner, f"{path}{key}.") for key, inner in value.items() if key != "arguments")
    return {f"{path}{key}" for key in value}.union(*within)


def without_numbers(error):
    return re.sub(r"\d+", "N", json.dumps(error))


def names(kind):
    return sorted(name for name, case in FACTS["cases"].items() if kind in case)


def answer_to(server, name):
    case = FACTS["cases"][name]
    server.words.extend(case.get("words", ()))
    if "before" in case:
        asked(server, *case["before"])
    answer = asked(server, *case["ask"])
    assert answer.status_code == case["status"]
    assert answer.headers["content-type"].partition(";")[0] == case["type"]
    return case, answer


@pytest.mark.parametrize("name", names("fields"))
def test_answer_has_the_fields_of_the_real_one(server, name):
    case, answer = answer_to(server, name)

    wanted, found = set(case["fields"].split()), fields(values(answer))

    assert (wanted - found, {field for field in found - wanted if not FREE.match(field)}) == (set(), set())


@pytest.mark.parametrize("name", names("error"))
def test_refusal_has_the_words_of_the_real_one(server, name):
    case, answer = answer_to(server, name)

    assert without_numbers(answer.json()["error"]) == without_numbers(case["error"])


@pytest.mark.parametrize("name", names("lines"))
def test_pull_tells_what_the_real_one_tells(server, name):
    case, answer = answer_to(server, name)

    assert values(answer) == case["lines"]


@pytest.mark.parametrize("name", names("text"))
def test_plain_answer_is_the_real_one(server, name):
    case, answer = answer_to(server, name)

    assert answer.text == case["text"]


def test_every_case_is_one_of_these_kinds():
    assert sorted([*names("fields"), *names("error"), *names("lines"), *names("text")]) == sorted(
        FACTS["cases"]
    )
