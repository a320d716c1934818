"""What the test server was taught of a real one still holds for the server at hand."""

import json

import pytest

from tests.servers.ollama.facts import CASES, FREE, ask, fields, kind, values, without_numbers
from tests.servers.ollama.names import full_name

ANSWERS = ["chat", "chat-stream", "chat-stop", "chat-format", "chat-no-messages", "chat-unknown-option"]
ANSWERS += ["generate", "generate-stream", "generate-raw", "generate-empty"]
REFUSALS = [
    "chat-bad-format",
    "chat-bad-name",
    "chat-bad-option-type",
    "chat-bad-schema",
    "chat-bad-schema-stream",
]
REFUSALS += [
    "chat-missing-model",
    "chat-missing-model-stream",
    "chat-no-json",
    "chat-no-model",
    "show-bad-name",
]
REFUSALS += ["show-missing", "embed-missing", "v1-chat-missing", "v1-chat-bad-schema", "v1-completions-list"]


def answer_to(real, case):
    """Return the answer to a case's request, put to the model that there is."""
    method, path, body = case["ask"]
    if not isinstance(body, str):
        model = real.model("completion")
        body = json.loads(json.dumps(body).replace('"smollm2"', json.dumps(model)))
        if "thinking" in real.capabilities[model]:
            body["think"] = False
    return ask(real.base_url, method, path, body)


@pytest.mark.needs("completion")
@pytest.mark.parametrize("name", ANSWERS)
def test_answer_has_the_fields_that_were_seen(real, name):
    case = CASES[name]

    answer = answer_to(real, case)

    wanted, found = set(case["fields"].split()), fields(values(answer))
    assert (answer.status_code, kind(answer)) == (case["status"], case["type"])
    assert (wanted - found, {field for field in found - wanted if not FREE.match(field)}) == (set(), set())


@pytest.mark.needs("completion")
@pytest.mark.parametrize("name", REFUSALS)
def test_refusal_has_the_words_that_were_seen(real, name):
    case = CASES[name]

    answer = answer_to(real, case)

    assert (answer.status_code, kind(answer)) == (case["status"], case["type"])
    assert without_numbers(answer.json()["error"]) == without_numbers(case["error"])


@pytest.mark.needs("embedding")
@pytest.mark.parametrize("name", ["embed", "embed-one", "embed-empty-list"])
def test_embeddings_have_the_fields_that_were_seen(real, name):
    case = CASES[name]
    method, path, body = case["ask"]

    answer = ask(real.base_url, method, path, {**body, "model": real.model("embedding")})

    assert (answer.status_code, fields(values(answer))) == (case["status"], set(case["fields"].split()))


@pytest.mark.needs("thinking")
@pytest.mark.parametrize("think", [{}, {"think": True}, {"think": "low"}])
def test_model_that_can_think_does_unless_told_otherwise(real, think):
    body = {
        "model": real.model("thinking"),
        "stream": False,
        "options": {"num_predict": 8, "temperature": 0},
    }
    body["messages"] = [{"role": "user", "content": "What is 2+2?"}]

    answer = ask(real.base_url, "POST", "/api/chat", {**body, **think})

    assert answer.json()["message"]["thinking"]


@pytest.mark.needs("completion")
def test_list_tells_what_a_model_can_and_how_much_it_reads(real):
    listed = {model["name"]: model for model in ask(real.base_url, "GET", "/api/tags", None).json()["models"]}
    model = listed[full_name(real.model("completion"))]

    assert "completion" in model["capabilities"]
    assert model["details"]["context_length"] > 0
