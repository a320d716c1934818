"""Outputs and messages behave like their text, and say where it is for what they do not do."""

import asyncio
import copy

import pytest
from pydantic import BaseModel

from mellea import ChatContext, MelleaSession, Message
from mellea.core import GenerationCancelledError, ModelOutputThunk, OutputParseError, ServerError, UsageError
from mellea.testing import Fault, ScriptedBackend


class User(BaseModel):
    name: str


def session(*answers):
    return MelleaSession(ScriptedBackend(list(answers)), ChatContext())


OUTPUTS = {
    "instruct": lambda: session("yes").instruct("Yes or no?"),
    "chat": lambda: session("yes").chat("Yes or no?"),
    "act": lambda: session("yes").act("Yes or no?"),
    "stream": lambda: asyncio.run(_streamed()),
}


async def _streamed():
    thunk = await session("yes").astream_chat("Yes or no?")
    return await thunk.result()


@pytest.fixture(params=OUTPUTS)
def output(request):
    return OUTPUTS[request.param]()


def test_text_has_one_name(output):
    assert (output.text, output.value, str(output)) == ("yes", "yes", "yes")


def test_output_compares_like_its_text(output):
    assert output == "yes"
    assert "yes" == output  # noqa: SIM300  the other way round
    assert output != "no"
    assert output != 1
    assert hash(output) == hash("yes")
    assert {"yes": 1}[output] == 1


def test_output_measures_and_formats_like_its_text(output):
    assert len(output) == 3
    assert "es" in output
    assert "no" not in output
    assert 1 not in output
    assert f"{output:>5}|{output}" == "  yes|yes"


@pytest.mark.parametrize("name", ["strip", "upper", "split", "startswith", "format", "encode"])
def test_methods_of_text_say_where_the_text_is(output, name):
    with pytest.raises(AttributeError, match=rf"\.text\.{name}\(\.\.\.\)"):
        getattr(output, name)


def test_other_names_are_plain_attribute_errors(output):
    with pytest.raises(AttributeError, match="no attribute 'colour'$"):
        output.colour  # noqa: B018
    assert not hasattr(output, "strip")


@pytest.mark.parametrize(
    "operation",
    [
        lambda o: o + "!",
        lambda o: "!" + o,
        lambda o: o * 2,
        lambda o: o[0],
        lambda o: o < "z",
        lambda o: sorted([o, "a"]),
    ],
)
def test_operators_of_text_say_where_the_text_is(output, operation):
    with pytest.raises(TypeError, match=r"\.text"):
        operation(output)


def test_empty_text_is_false():
    assert not session("").instruct("x")
    assert not ModelOutputThunk("")
    assert not Message("user", "")
    assert Message("user", "", documents=[ModelOutputThunk("x")])


def test_outputs_of_one_text_are_equal_and_copies_too():
    first, second, other = ModelOutputThunk("a"), ModelOutputThunk("a"), ModelOutputThunk("b")

    assert first == second == copy.copy(first) == copy.deepcopy(first)
    assert first != other
    assert len({first, second, other, "a"}) == 2


def test_messages_are_equal_when_all_is():
    assert Message("user", "a") == Message("user", "a")
    assert Message("user", "a") != Message("assistant", "a")
    assert Message("user", "a") == "a"


def test_format_of_chat_is_read_from_the_message():
    message = session('{"name": "Ada"}').chat("Who?", format=User)

    assert message.parsed == User(name="Ada")
    assert message.parsed is message.parsed
    assert message.text == message.content == '{"name": "Ada"}'


def test_message_that_does_not_fit_its_format_says_so_when_it_is_read():
    message = session("Ada").chat("Who?", format=User)

    assert message.text == "Ada"
    with pytest.raises(OutputParseError):
        message.parsed  # noqa: B018


def test_parsed_is_there_in_every_output():
    assert session('{"name": "Ada"}').instruct("Who?", format=User).parsed == User(name="Ada")
    assert session('{"name": "Ada"}').act("Who?", format=User).parsed == User(name="Ada")
    result = session('{"name": "Ada"}').instruct("Who?", format=User, return_sampling_results=True)
    assert (result.parsed, result.text) == (User(name="Ada"), '{"name": "Ada"}')
    assert session("hi").instruct("x").parsed == "hi"
    assert session("hi").chat("x").parsed == "hi"


def test_str_of_a_stream_waits_for_its_end():
    m = MelleaSession(ScriptedBackend([["a", "b", "c"]], latency=0.05))

    assert str(m.stream_chat("x")) == "abc"


async def test_str_of_a_stream_does_not_block_its_loop():
    thunk = await session("yes").astream_chat("x")

    with pytest.raises(UsageError, match="Await the output first"):
        str(thunk)
    with pytest.raises(TypeError, match="no length"):
        len(thunk)
    assert thunk
    assert thunk != "yes"
    assert await thunk.avalue() == "yes"
    assert thunk == "yes"


async def test_output_is_found_where_it_was_put_on_its_way():
    thunk = await session("yes").astream_chat("x")
    kept = {thunk}
    await thunk.avalue()

    assert thunk in kept


def test_list_of_a_stream_has_its_pieces():
    m = MelleaSession(ScriptedBackend([["a", "b", "c"]]))

    assert "".join(list(m.stream_chat("x"))) == "abc"


def test_str_of_what_failed_raises_what_every_reader_gets():
    m = session(Fault.server_error())
    thunk = m.stream_chat("x")

    with pytest.raises(ServerError) as first:
        str(thunk)
    assert first.value is thunk.error


async def test_str_of_what_was_cancelled_says_so():
    thunk = await session("yes").astream_chat("x")
    await thunk.cancel_generation()

    with pytest.raises(GenerationCancelledError):
        str(thunk)
