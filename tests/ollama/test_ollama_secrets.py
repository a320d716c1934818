"""What the Ollama backend keeps to itself."""

import pytest

from mellea import ModelOption, start_session
from mellea.core.errors import MelleaError
from tests.servers.faults import Reply, running_fault_server

MODELS = Reply({"models": [{"model": "m:latest", "name": "m:latest"}]})


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_to_another_host_is_not_followed(status, stream):
    with running_fault_server([MODELS]) as server, running_fault_server([MODELS]) as elsewhere:
        session = start_session("ollama", model_id="m", base_url=server.url)
        server.answers(Reply("", status, {"location": f"{elsewhere.url}/api/chat"}))

        with pytest.raises(MelleaError, match="not followed") as caught:
            session.chat("A secret.", model_options={ModelOption.STREAM: stream})

        assert not elsewhere.requests
        assert elsewhere.url in str(caught.value)
        session.close()


def test_redirect_of_the_first_question_is_not_followed():
    with running_fault_server([MODELS]) as elsewhere:
        redirect = Reply("", 307, {"location": f"{elsewhere.url}/api/tags"})
        with running_fault_server([redirect]) as server, pytest.raises(MelleaError, match="not followed"):
            start_session("ollama", model_id="m", base_url=server.url)

        assert not elsewhere.requests
