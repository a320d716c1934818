"""Prompts that a server has cut in silence."""

import pytest

from mellea import start_session
from mellea.core import CBlock, ImageBlock, Message
from mellea.core.errors import ContextWindowError
from mellea.core.prompt_cut import PromptCutWarning
from mellea.core.response import Usage
from mellea.testing import Reply, ScriptedBackend

LONG = "word " * 9000
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def session(tokens, **kwargs):
    usage = tokens if isinstance(tokens, Usage) or tokens is None else Usage(tokens, 2)
    return start_session(ScriptedBackend([Reply("Yes.", usage=usage)], **kwargs))


@pytest.mark.parametrize("verb", ["chat", "instruct"])
def test_prompt_of_which_the_server_read_too_little_is_warned_of_at_the_callers_line(verb):
    m = session(2050)

    with pytest.warns(PromptCutWarning, match=r"2,050 tokens of a prompt of 9,0\d\d words") as caught:
        getattr(m, verb)(f"Sum up: {LONG}")

    assert [warning.filename for warning in caught] == [__file__]


async def test_plain_completion_of_a_cut_prompt_is_warned_of():
    with pytest.warns(PromptCutWarning):
        await session(2050).backend.generate_from_raw([CBlock(LONG)])


def test_cut_prompt_is_an_error_in_strict_mode():
    with pytest.raises(ContextWindowError, match="dropped a part"):
        session(2050, strict_options=True).chat(LONG)


@pytest.mark.parametrize(
    ("tokens", "prompt"),
    [
        (9100, LONG),
        (4500, LONG),
        (60, "word " * 490),
        (0, LONG),
        (None, LONG),
        (Usage(50, 2, cached_tokens=9000), LONG),
        (2400, "internationalisation " * 800),
        (900, "- | = " * 2000),
        (700, "汉字" * 900),
        (20, " \n\t" * 4000),
    ],
)
def test_there_is_no_false_alarm(tokens, prompt):
    assert session(tokens).chat(prompt).content == "Yes."


def test_prompt_with_an_image_is_not_looked_at():
    class Seeing(ScriptedBackend):
        capabilities = ScriptedBackend.capabilities | {"images"}

    m = start_session(Seeing([Reply("Yes.", usage=Usage(100, 2))]))

    assert m.act(Message("user", LONG, images=[ImageBlock(PIXEL)])).text == "Yes."
