"""Requirements on the tools that an output calls."""

import pytest

from mellea.core import ModelToolCall, ToolMessage
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements import tool_arg_validator, tool_result_validator, uses_tool
from mellea.testing import ScriptedBackend


def weather(city: str) -> str:
    return city


def calling(*calls):
    made = [ModelToolCall(name, weather, args) for name, args in calls]
    return SimpleContext().add(ModelOutputThunk("", tool_calls=made))


async def verdict(requirement, ctx):
    return await requirement.validate(ScriptedBackend("never asked"), ctx)


@pytest.mark.parametrize("tool", ["weather", weather])
async def test_tool_is_given_by_name_or_itself(tool):
    assert await verdict(uses_tool(tool), calling(("weather", {"city": "Rome"})))


async def test_tool_that_is_not_called_is_named():
    result = await verdict(uses_tool("weather"), calling(("other", {})))

    assert (result.result, result.reason) == (False, "the tool weather is not called; called: other")


async def test_output_without_calls_and_context_without_output_fail():
    assert not await verdict(uses_tool("weather"), calling())
    assert not await verdict(uses_tool("weather"), SimpleContext())


def city_is(value, tool="weather"):
    return tool_arg_validator("The city is right.", tool, "city", lambda city: city == value)


async def test_argument_must_be_right_in_every_call():
    ctx = calling(("weather", {"city": "Rome"}), ("weather", {"city": "Paris"}))

    result = await verdict(city_is("Rome"), ctx)

    assert (result.result, result.reason) == (False, "city of weather is 'Paris'")
    assert await verdict(city_is("Rome"), calling(("weather", {"city": "Rome"})))


async def test_missing_argument_fails_with_a_reason():
    result = await verdict(city_is("Rome"), calling(("weather", {})))

    assert (result.result, result.reason) == (
        False,
        "no call of weather has the argument city; called: weather",
    )


async def test_any_tool_will_do_when_none_is_named():
    assert await verdict(city_is("Rome", None), calling(("other", {"city": "Rome"})))


async def test_check_of_the_argument_that_raises_is_a_failed_check():
    requirement = tool_arg_validator("Long.", None, "city", lambda city: len(city) > 3)

    result = await verdict(requirement, calling(("weather", {"city": 3})))

    assert not result
    assert "TypeError" in result.reason


def after(*messages):
    ctx = calling(("weather", {"city": "Rome"}))
    for message in messages:
        ctx = ctx.add(message)
    return ctx.add(ModelOutputThunk("Done."))


def result(name, value, **settings):
    return ToolMessage("tool", str(value), value, name, {}, ModelToolCall(name, None, {}, "1"), **settings)


WARM = tool_result_validator("Warm.", "weather", lambda degrees: degrees > 20)


@pytest.mark.parametrize(
    ("messages", "met", "reason"),
    [
        ([result("weather", 25), result("news", 3)], True, None),
        ([result("weather", 25), result("weather", 5)], False, "the result of weather is '5'"),
        ([result("news", 25)], False, "no call of weather came to a result"),
        ([result("weather", "gone", failed=True)], False, "no call of weather came to a result"),
        ([], False, "no call of weather came to a result"),
    ],
)
async def test_result_of_a_tool_must_be_right_in_every_call(messages, met, reason):
    said = await verdict(WARM, after(*messages))

    assert (said.result, said.reason) == (met, reason)


async def test_calls_of_all_rounds_count():
    ctx = after(result("weather", 25))

    assert await verdict(uses_tool("weather"), ctx)
    assert await verdict(city_is("Rome"), ctx)
    assert not await verdict(uses_tool("weather"), ctx.add(ModelOutputThunk("Again.")))
