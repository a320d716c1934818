"""Text that no encoding can send."""

from __future__ import annotations

import pytest

from mellea import ChatContext, MelleaSession, ModelOption
from mellea.core import Capability, UsageError
from mellea.core.tool_call import call_fields
from mellea.testing import Reply, ScriptedBackend

HALF = "\ud83d"
PAIR = "\ud83d\ude00"


@pytest.fixture
def backend():
    return ScriptedBackend(["fine", "fine"], capabilities={Capability.RAW, Capability.JSON_SCHEMA})


@pytest.mark.parametrize("text", [f"Read this: {HALF} lamp", f"Read this: {PAIR}", "Read this: \udcff.txt"])
def test_half_a_character_in_a_prompt_is_refused_with_its_place(backend, text):
    with pytest.raises(UsageError) as caught:
        MelleaSession(backend).instruct(text)

    assert "The user message holds half" in caught.value.message
    assert "at position 11, after 'Read this: '" in caught.value.message
    assert ascii(text[11])[1:-1] in caught.value.message
    assert backend.requests == []
    str(caught.value).encode()


@pytest.mark.parametrize(
    ("options", "where"),
    [
        ({ModelOption.SYSTEM_PROMPT: f"Be brief{HALF}."}, "The system message"),
        ({ModelOption.STOP_SEQUENCES: ["end", HALF]}, "The option "),
        ({"metadata": {"user": HALF}}, "The option 'metadata'"),
    ],
)
def test_system_prompts_and_options_are_looked_at_too(backend, options, where):
    with pytest.raises(UsageError, match=f"^{where}.* holds half a character"):
        MelleaSession(backend).chat("Hi.", model_options=options)


def test_schemas_are_looked_at_too(backend):
    schema = {"type": "object", "properties": {"a": {"type": "string", "description": HALF}}}

    with pytest.raises(UsageError, match="^The schema holds half a character"):
        MelleaSession(backend).chat("Hi.", format=schema)


async def test_plain_completions_are_looked_at_too(backend):
    with pytest.raises(UsageError, match="^Prompt 2 holds half a character"):
        await backend.generate_from_raw(["Hi.", f"Hi{HALF}."])


@pytest.mark.parametrize(("said", "shown"), [(f"a{HALF}b", "a\ufffdb"), (f"a{PAIR}b", "a\N{GRINNING FACE}b")])
def test_what_the_model_said_does_not_stop_the_conversation(said, shown):
    backend = ScriptedBackend([said, "fine"])
    m = MelleaSession(backend, ChatContext())
    m.chat("Hi.")

    m.chat("Go on.")

    assert [message.content for message in backend.requests[1].messages] == ["Hi.", shown, "Go on."]


def test_what_the_model_called_does_not_stop_the_conversation():
    call = Reply(tool_calls=[(f"fly{HALF}", {"to": [f"a{PAIR}", f"b{HALF}"]})])
    backend = ScriptedBackend([call, "fine"], capabilities={Capability.TOOLS})

    MelleaSession(backend, ChatContext()).chat("Hi.", tools=[len], tool_loop=True)

    _, asked, told = backend.requests[1].messages
    assert call_fields(asked.tool_calls[0])[1:] == ("fly\ufffd", {"to": ["a\N{GRINNING FACE}", "b\ufffd"]})
    assert told.tool_name == "fly\ufffd"
