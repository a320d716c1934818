"""Conversations, outputs, results and typed functions can be copied and handed to another process."""

import asyncio
import copy
import inspect
import pickle

import pytest
from pydantic import BaseModel

from mellea import (
    ChatContext,
    MelleaSession,
    Message,
    RejectionSamplingStrategy,
    check,
    generative,
    req,
    simple_validate,
)
from mellea.core import GenerationCancelledError, RequirementsNotMetWarning, UsageError
from mellea.stdlib.context import SimpleContext
from mellea.testing import ScriptedBackend


class User(BaseModel):
    name: str


def is_short(text):
    return len(text) < 5


@generative
def lamps(mail: str) -> int:
    """Return how many lamps the mail orders."""


@generative
async def alamps(mail: str) -> int:
    """Return how many lamps the mail orders."""


class Desk:
    @generative
    def label(self, text: str) -> str:
        """Label it."""

    @generative
    async def alabel(self, text: str) -> str:
        """Label it."""


def session(*answers):
    return MelleaSession(ScriptedBackend(list(answers)), ChatContext(window_size=7))


def again(value):
    return pickle.loads(pickle.dumps(value))


def long_conversation(count=3000):
    ctx = ChatContext()
    for number in range(count):
        ctx = ctx.add(Message("user" if number % 2 == 0 else "assistant", f"message {number}"))
    return ctx


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, again])
def test_long_conversation_is_copied(copied):
    ctx = long_conversation()
    twin = copied(ctx)

    assert type(twin) is ChatContext
    assert twin.as_list() == ctx.as_list()
    assert len(twin.add(Message("user", "more")).as_list()) == 3001
    assert len(ctx.as_list()) == 3000


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, again])
def test_empty_context_is_copied(copied):
    assert copied(SimpleContext()).is_root_node
    assert copied(SimpleContext()).as_list() == []


def test_copies_of_two_conversations_share_what_the_originals_share():
    before = long_conversation(500)
    one, other = copy.deepcopy((before.add(Message("user", "a")), before.add(Message("user", "b"))))

    assert one.previous_node is other.previous_node
    assert one.previous_node is not before


def test_conversation_with_outputs_is_pickled():
    m = session("Yes.", '{"name": "Ada"}')
    m.chat("Is it?")
    m.instruct("Who?", format=User)
    twin = again(m.ctx)

    assert [str(span) for span in twin.as_list()[:2]] == ["Is it?", "Yes."]
    assert twin.last_output().parsed == User(name="Ada")
    assert twin.last_output().generation.usage == m.ctx.last_output().generation.usage


def test_output_is_pickled_with_what_it_knows():
    with pytest.warns(RequirementsNotMetWarning):
        output = session("too long", "too long").instruct(
            "x", requirements=[check("short", simple_validate(is_short))]
        )
    twin = again(output)

    assert (twin, twin.met, twin.sampling, twin.sent) == ("too long", False, None, None)
    assert twin.generation == output.generation
    assert type(twin) is type(output)
    assert copy.deepcopy(output).met is False


def test_output_with_a_format_of_a_function_is_pickled_or_says_why_not():
    class Local(BaseModel):
        name: str

    output = session('{"name": "Ada"}').instruct("Who?", format=Local)

    with pytest.raises((AttributeError, pickle.PicklingError), match=r"local.*Local"):
        again(output)
    assert again(session('{"name": "Ada"}').instruct("Who?", format={"type": "object"})).parsed == {
        "name": "Ada"
    }


async def test_output_on_its_way_is_not_pickled():
    thunk = await session("Yes.").astream_chat("x")

    with pytest.raises(UsageError, match="cannot be pickled. Await it first"):
        pickle.dumps(thunk)
    await thunk.cancel_generation()
    with pytest.raises(GenerationCancelledError):
        pickle.dumps(thunk)


@pytest.mark.parametrize(
    "requirement",
    [
        req("Short.", simple_validate(is_short)),
        req("Short.", simple_validate(lambda text: len(text) < 5)),
        req("Short.", simple_validate(is_short, reason="too long")),
    ],
)
def test_result_is_pickled_with_its_verdicts(requirement):
    result = session("too long", "ok").instruct(
        "x",
        requirements=[requirement],
        strategy=RejectionSamplingStrategy(loop_budget=2),
        return_sampling_results=True,
    )
    twin = again(result)

    assert twin.to_dict() == result.to_dict()
    assert twin.table() == result.table()
    assert (twin.success, twin.value) == (True, "ok")
    assert copy.deepcopy(result).to_dict() == result.to_dict()


def test_check_of_a_module_still_checks_after_pickling():
    requirement = again(req("Short.", simple_validate(is_short, reason="it is long")))

    assert asyncio.run(session("x").avalidate(requirement, output="abc"))[0]
    assert session("x").validate(requirement, output="abcdef")[0].reason == "it is long"


def test_check_that_could_not_be_pickled_fails_and_says_so():
    said = session("x").validate(again(req("Short.", lambda ctx: True)), output="abc")[0]

    assert not said
    assert "Define it at the top level of a module" in said.reason


def test_typed_functions_are_pickled_by_their_names():
    assert again(lamps) is lamps
    assert again(alamps) is alamps
    assert again(Desk.label) is Desk.label
    assert copy.deepcopy(lamps) is lamps
    assert again(Desk().label)(session('{"result": "ok"}'), "x") == "ok"
    assert Desk().label(session('{"result": "ok"}'), "x") == "ok"


def test_typed_function_within_a_function_says_why_it_is_not_pickled():
    @generative
    def inner(text: str) -> str:
        """Say it."""

    with pytest.raises((AttributeError, pickle.PicklingError), match=r"<locals>.inner"):
        pickle.dumps(inner)


@pytest.mark.parametrize("seen_by", [inspect.iscoroutinefunction, asyncio.iscoroutinefunction])
def test_async_typed_function_is_seen_as_one(seen_by):
    assert seen_by(alamps)
    assert seen_by(Desk().alabel)
    assert seen_by(Desk.alabel)
    assert not seen_by(lamps)
    assert not seen_by(Desk().label)
    assert str(inspect.signature(alamps)) == "(mail: str) -> int"


async def test_async_verbs_are_seen_as_such():
    m = session("x")
    for verb in (m.ainstruct, m.achat, m.aact, m.avalidate, m.aquery, m.atransform, m.astream_chat):
        assert inspect.iscoroutinefunction(verb)
    for verb in (m.instruct, m.chat, m.act, m.validate):
        assert not inspect.iscoroutinefunction(verb)
