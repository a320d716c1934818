"""Requirements on the tools that an output calls."""

import pytest

from mellea.core import ModelToolCall
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements import tool_arg_validator, uses_tool
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

    assert (result.result, result.reason) == (False, "the tool weather is not called")


async def test_output_without_calls_and_context_without_output_fail():
    assert not await verdict(uses_tool("weather"), calling())
    assert not await verdict(uses_tool("weather"), SimpleContext())


def city_is(value, tool="weather"):
    return tool_arg_validator("The city is right.", tool, "city", lambda city: city == value)


async def test_argument_must_be_right_in_every_call():
    ctx = calling(("weather", {"city": "Rome"}), ("weather", {"city": "Paris"}))

    result = await verdict(city_is("Rome"), ctx)

    assert (result.result, result.reason) == (False, "city is 'Paris'")
    assert await verdict(city_is("Rome"), calling(("weather", {"city": "Rome"})))


async def test_missing_argument_fails_with_a_reason():
    result = await verdict(city_is("Rome"), calling(("weather", {})))

    assert (result.result, result.reason) == (False, "no call of weather has the argument city")


async def test_any_tool_will_do_when_none_is_named():
    assert await verdict(city_is("Rome", None), calling(("other", {"city": "Rome"})))


async def test_check_of_the_argument_that_raises_is_a_failed_check():
    requirement = tool_arg_validator("Long.", None, "city", lambda city: len(city) > 3)

    result = await verdict(requirement, calling(("weather", {"city": 3})))

    assert not result
    assert "TypeError" in result.reason
