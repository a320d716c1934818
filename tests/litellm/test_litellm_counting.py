"""Long streams, of which LiteLLM would count the tokens on the event loop."""

from __future__ import annotations

import json

import pytest

from mellea.core import Usage
from tests.chat_completions.routes import HOSTED, LITELLM
from tests.servers.faults import Reply, delta, running_fault_server

LONG = "word " * 60_000
TOLD = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}


@pytest.fixture(params=[LITELLM, HOSTED], ids=str)
def ask(request):
    """Stream an answer of which a server sends these events, and return it."""

    def asked(*events: str, prompt: str = "Hi."):
        with (
            running_fault_server([Reply([*events, "data: [DONE]\n\n"])]) as server,
            request.param.open("m", server.base_url, api_key="k") as session,
        ):
            output = session.stream_chat(prompt)
            return "".join(output), output.generation

    return asked


def usage(**counts: int) -> str:
    return f"data: {json.dumps({**TOLD, 'usage': counts})}\n\n"


@pytest.mark.parametrize(("text", "prompt"), [(LONG, "Hi."), ("yes", LONG)])
def test_usage_of_a_long_stream_is_what_the_provider_tells_or_none(ask, text, prompt):
    told = usage(prompt_tokens=70_000, completion_tokens=60_000, total_tokens=130_000)

    silent = ask(delta(text), delta(None, "stop"), prompt=prompt)
    counted = ask(delta(text), delta(None, "stop"), told, prompt=prompt)

    assert (silent[0], counted[0]) == (text, text)
    assert (silent[1].usage, counted[1].usage) == (None, Usage(70_000, 60_000))
    assert (silent[1].finish_reasons, counted[1].finish_reasons) == (("stop",), ("stop",))


def test_usage_told_in_part_is_kept(ask):
    text, known = ask(delta(LONG), delta(None, "stop"), usage(prompt_tokens=7))

    assert (text, known.usage) == (LONG, Usage(7, 0))
