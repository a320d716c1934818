"""What the openai and LiteLLM backends keep to themselves: keys, passwords, and prompts from strangers."""

import json
import logging
import traceback

import pytest

from mellea.core.errors import AuthenticationError, MelleaError
from tests.chat_completions.routes import through_the_sdk
from tests.servers.faults import Reply, completion

KEY = "sesame-4711-open"


def refusal(words):
    return Reply({"error": {"message": words, "type": "fault", "code": "invalid_api_key"}}, 401)


def test_password_of_the_address_is_shown_nowhere(faults, open_faulty):
    address = faults.base_url.replace("://", "://ann:hunter2@")
    faults.answers(refusal("The password hunter2 is wrong."))
    session = open_faulty(base_url=address)

    with pytest.raises(MelleaError) as caught:
        session.chat("Hi.")

    assert "hunter2" not in "".join(traceback.format_exception(caught.value)) + repr(session.backend)


NOBODY = "http://ann:hunter2@127.0.0.1:9/v1"


def test_password_of_an_address_where_nobody_answers_is_not_shown(open_faulty):
    with pytest.raises(MelleaError) as caught:
        open_faulty(base_url=NOBODY).chat("Hi.")

    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_secrets_among_the_options_are_not_in_the_log_of_the_generation(faults, faulty):
    faults.answers(Reply(completion("hello")))

    thunk = faulty.instruct(
        "Hi.",
        strategy=None,
        await_result=True,
        model_options={"extra_headers": {"X-Team": "hunter2"}, "user": "ann"},
    )

    assert thunk.generate_log.model_options == {"extra_headers": "[hidden]", "user": "ann"}


def test_logs_of_the_libraries_below_show_no_key(faults, open_faulty, caplog):
    faults.answers(refusal(f"Incorrect API key provided: {KEY}."))
    caplog.set_level(logging.DEBUG)

    with pytest.raises(AuthenticationError):
        open_faulty(api_key=KEY).chat("Hi.")

    assert KEY not in "\n".join(record.getMessage() for record in caplog.records if "LiteLLM" in record.name)


@through_the_sdk
def test_redirect_on_the_same_host_is_followed(faults, faulty):
    faults.answers(Reply("", 307, {"location": "/v1/elsewhere"}), Reply(completion("hello")))

    assert faulty.chat("Hi.").content == "hello"
    assert json.dumps(faults.requests[0]) == json.dumps(faults.requests[1])
