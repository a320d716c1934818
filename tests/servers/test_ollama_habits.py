"""Habits of a real Ollama server that no document tells, and the failures that a test can order."""

import json

import httpx
import pytest

from tests.servers.ollama import BUSY, Fault, runner_dies, server_ends

HI = [{"role": "user", "content": "Hi"}]
BUSY_WORDS = "server busy, please try again.  maximum pending requests exceeded"
DEAD = "an error was encountered while running the model: unexpected EOF"


@pytest.fixture
def client(server):
    with httpx.Client(base_url=server.base_url, timeout=120) as opened:
        yield opened


@pytest.fixture
def chat(client, server):
    """Asks for a greedy chat, and returns the answer.

    Whole unless it is told otherwise, and short unless it has words.
    """

    def ask(model="smollm2", *, stream=False, messages=HI, options=None, **fields):
        options = {"temperature": 0, "num_predict": 60 if server.words else 8, **(options or {})}
        return client.post(
            "/api/chat",
            json={"model": model, "messages": messages, "stream": stream, "options": options, **fields},
        )

    return ask


def lines(answer):
    return [json.loads(line) for line in answer.text.splitlines()]


# Thinking


@pytest.mark.parametrize("think", [None, True, "low", "max"])
def test_model_that_can_think_does_unless_told_otherwise(chat, server, think):
    server.words.append("two plus two\n</think>\n\nFour.")

    message = chat("smolthink", **({} if think is None else {"think": think})).json()["message"]

    assert (message["thinking"], message["content"]) == ("two plus two\n", "Four.")


def test_model_that_is_not_to_think_writes_its_tags_into_the_text(chat, server):
    server.words.append("<think>\ntwo\n</think>\nFour.")

    assert chat("smolthink", think=False).json()["message"] == {
        "role": "assistant",
        "content": "<think>\ntwo\n</think>\nFour.",
    }


def test_thinking_that_is_never_closed_leaves_the_text_empty(chat, server):
    server.words.append("two plus two is four")

    answer = chat("smolthink").json()

    assert answer["message"] == {"role": "assistant", "content": "", "thinking": "two plus two is four"}
    assert answer["done_reason"] == "stop"


def test_format_holds_after_the_thinking_and_the_usage_is_of_that_alone(chat, server):
    server.words.extend(["two plus two\n</think>\n\nIt is", '{"n": 4}'])
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}

    answer = chat("smolthink", format=schema, options={"num_predict": 40}).json()

    assert answer["message"]["thinking"] == "two plus two\n"
    assert json.loads(answer["message"]["content"]) == {"n": 4}
    assert answer["eval_count"] < 12


def test_limit_inside_the_thinking_leaves_a_format_without_a_text(chat, server):
    server.words.append("two plus two\n</think>\n\nIt is")

    answer = chat("smolthink", format="json", options={"num_predict": 2}).json()

    assert (answer["message"]["content"], answer["done_reason"]) == ("", "length")


# The window


@pytest.mark.parametrize(("options", "window"), [({}, 512), ({"num_ctx": 64}, 64)])
def test_too_long_prompt_is_cut_to_half_the_window_and_two_tokens(chat, options, window):
    answer = chat("smolctx", messages=[{"role": "user", "content": "word " * 700}], options=options).json()

    assert answer["prompt_eval_count"] == window // 2 + 2


def test_refused_prompt_says_both_numbers_in_the_runners_own_json(chat):
    answer = chat(
        messages=[{"role": "user", "content": "word " * 90}], options={"num_ctx": 64}, truncate=False
    )

    error = json.loads(answer.json()["error"])["error"]
    assert answer.status_code == 400
    assert error["type"] == "exceed_context_size_error"
    assert error["n_prompt_tokens"] > error["n_ctx"] == 64


def test_answer_ends_at_the_window_without_shift(chat, server):
    server.words.append("one two " * 100)

    answer = chat(shift=False, options={"num_ctx": 32, "num_predict": 200}).json()

    assert answer["done_reason"] == "length"
    assert answer["prompt_eval_count"] + answer["eval_count"] == 32


@pytest.mark.parametrize("limit", [0, -1, -2, 1000])
def test_answer_goes_on_to_ten_times_the_window_with_shift(chat, server, limit):
    server.words.append("one two " * 100)

    answer = chat(options={"num_ctx": 12, "num_predict": limit}).json()

    assert (answer["done_reason"], answer["eval_count"]) == ("length", 120)


def test_window_in_force_is_that_of_the_model_in_memory(chat, client):
    chat("smolctx")
    chat("smollm2", options={"num_ctx": 1024})

    models = client.get("/api/ps").json()["models"]

    assert {model["name"]: model["context_length"] for model in models} == {
        "smolctx:latest": 512,
        "smollm2:latest": 1024,
    }


# Options


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"temperature": "hot"}, "float32"),
        ({"num_predict": "many"}, "integer"),
        ({"stop": "END"}, "array"),
        ({"use_mmap": 1}, "boolean"),
    ],
)
def test_option_of_a_wrong_type_is_an_error_of_the_server(chat, options, kind):
    answer = chat(options=options)

    assert (answer.status_code, answer.json()) == (
        500,
        {"error": f'option "{next(iter(options))}" must be of type {kind}'},
    )


def test_empty_stop_ends_at_once(chat):
    answer = chat(options={"stop": [""]}).json()

    assert (answer["message"]["content"], answer["done_reason"]) == ("", "stop")


def test_seed_beyond_64_bits_is_taken(chat):
    assert chat(options={"seed": 2**70}).status_code == 200


@pytest.mark.parametrize("path", ["/api/chat", "/api/show", "/api/pull", "/api/generate", "/api/embed"])
def test_name_that_no_model_can_have_is_refused_everywhere(client, path):
    answer = client.post(path, json={"model": "bad name", "prompt": "Hi", "messages": HI, "input": "a"})

    assert (answer.status_code, answer.json()) == (400, {"error": "invalid model name"})


# Models


def test_list_tells_what_each_model_can_and_how_much_it_reads(client):
    models = {model["name"]: model for model in client.get("/api/tags").json()["models"]}

    assert models["smolthink:latest"]["capabilities"] == ["completion", "thinking"]
    assert models["smolembed:latest"]["capabilities"] == ["embedding"]
    assert models["smollm2:latest"]["details"]["context_length"] == 8192


def test_same_piece_more_than_30_times_breaks_the_answer_off_without_a_word(chat, server):
    server.words.extend(["1" * 100] * 2)

    whole = chat(options={"num_predict": 200}).json()
    last = lines(chat(stream=True, options={"num_predict": 200}))[-1]

    assert (whole["done"], last["done"]) == (False, False)
    assert "done_reason" not in whole
    assert whole["message"]["content"] == "1" * 31


# Tool calls


def test_tool_call_comes_whole_in_one_line_with_an_id(chat, server):
    server.words.append('Let me see. <tool_call>\n{"name": "look", "arguments": {"at": "x"}}\n</tool_call>')
    tool = {
        "type": "function",
        "function": {"name": "look", "parameters": {"type": "object", "properties": {}}},
    }

    answer = lines(chat("smoltools", stream=True, tools=[tool], options={"num_predict": 80}))

    (call,) = [call for line in answer for call in line["message"].get("tool_calls", ())]
    assert call["function"] == {"index": 0, "name": "look", "arguments": {"at": "x"}}
    assert call["id"].startswith("call_")
    assert "".join(line["message"]["content"] for line in answer) == "Let me see. "
    assert answer[-1]["done_reason"] == "stop"


# Embeddings


def test_embeddings_have_length_one_at_any_dimensions(client):
    answer = client.post(
        "/api/embed", json={"model": "smolembed", "input": ["a", "word " * 400], "dimensions": 8}
    )

    assert [round(sum(value**2 for value in vector), 6) for vector in answer.json()["embeddings"]] == [1, 1]


def test_too_long_text_to_embed_is_cut_to_half_the_window_less_two_tokens(client):
    body = {"model": "smolembed", "input": "word " * 100, "options": {"num_ctx": 64}}

    assert client.post("/api/embed", json=body).json()["prompt_eval_count"] == 30


# Failures that a test can order


@pytest.mark.parametrize("stream", [True, False])
def test_busy_server_says_so_and_not_for_how_long(chat, server, stream):
    server.faults.append(BUSY)

    answer = chat(stream=stream)

    assert (answer.status_code, answer.json()) == (503, {"error": BUSY_WORDS})
    assert "retry-after" not in answer.headers


@pytest.mark.parametrize("stream", [True, False])
def test_runner_that_dies_before_the_first_piece_is_a_status(chat, server, stream):
    server.faults.append(runner_dies())

    answer = chat(stream=stream)

    assert (answer.status_code, answer.json()) == (500, {"error": DEAD})


def test_runner_that_dies_in_a_stream_is_its_last_line(chat, server):
    server.faults.append(runner_dies(after=2))

    first, second, last = lines(chat(stream=True))

    assert (first["done"], second["done"], last) == (False, False, {"error": DEAD})


def test_runner_that_dies_in_a_whole_answer_is_a_status(chat, server):
    server.faults.append(runner_dies(after=2))

    answer = chat()

    assert (answer.status_code, answer.json()) == (500, {"error": DEAD})


@pytest.mark.parametrize("stream", [True, False])
def test_server_that_ends_closes_the_connection_before_the_last_chunk(chat, server, stream):
    server.faults.append(server_ends(after=2))

    with pytest.raises(httpx.RemoteProtocolError):
        chat(stream=stream)


def test_openai_interface_runs_into_the_same_faults_in_its_own_form(client, server):
    server.faults.append(BUSY)

    answer = client.post("/v1/chat/completions", json={"model": "smollm2", "messages": HI})

    assert (answer.status_code, answer.json()["error"]["message"]) == (503, BUSY_WORDS)


def test_fault_is_for_the_endpoint_it_names(chat, client, server):
    server.faults.append(Fault("status", path="/api/tags"))

    assert chat(options={"num_predict": 1}).status_code == 200
    assert client.get("/api/tags").status_code == 500
