"""What the Ollama backend keeps to itself."""

import pytest

from mellea import start_session
from mellea.core.errors import MelleaError
from tests.servers.faults import Reply, running_fault_server

MODELS = Reply({"models": [{"model": "m:latest", "name": "m:latest"}]})


def test_redirect_of_the_first_question_is_not_followed():
    with running_fault_server([MODELS]) as elsewhere:
        redirect = Reply("", 307, {"location": f"{elsewhere.url}/api/tags"})
        with running_fault_server([redirect]) as server, pytest.raises(MelleaError, match="not followed"):
            start_session("ollama", model_id="m", base_url=server.url)

        assert not elsewhere.requests
