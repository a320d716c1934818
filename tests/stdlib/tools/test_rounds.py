"""Rounds of tools: the model calls, the calls are carried out, the model goes on."""

import pytest
from pydantic import BaseModel

from mellea import (
    ChatContext,
    MelleaSession,
    ModelOption,
    SimpleContext,
    check,
    generative,
    mfuncs,
    mify,
    req,
    simple_validate,
)
from mellea.core import (
    Budget,
    Capability,
    Message,
    ModelOutputThunk,
    RequirementsNotMetError,
    RequirementsNotMetWarning,
    ToolMessage,
    Usage,
    UsageError,
)
from mellea.core.budget import Spending
from mellea.core.event_loop import run_sync
from mellea.core.tool_offer import UnknownToolWarning
from mellea.stdlib.requirements import tool_arg_validator, uses_tool
from mellea.stdlib.sampling import BestOfNSamplingStrategy, RepairTemplateStrategy
from mellea.stdlib.streaming import stream
from mellea.stdlib.tools import ToolRunner, tool
from mellea.testing import Reply, ScriptedBackend

CAN = [Capability.TOOLS, Capability.SEED, Capability.STREAMING]
looked = []


@pytest.fixture(autouse=True)
def nothing_looked_at():
    looked.clear()


@tool
def weather(city: str, days: int = 1) -> str:
    """Tell the weather."""
    looked.append((city, days))
    return f"sunny in {city}"


@tool
def news(topic: str) -> str:
    """Tell the news."""
    return f"none of {topic}"


def calls(*asked, text=""):
    return Reply(text, tool_calls=asked)


ROME = calls(("weather", {"city": "Rome"}))


def session(*answers, ctx=None, **settings):
    return MelleaSession(ScriptedBackend(list(answers), capabilities=CAN), ctx or ChatContext(), **settings)


def sent(m, number=-1):
    return [(message.role, message.content) for message in m.backend.requests[number].messages]


def test_chat_goes_on_until_the_model_answers():
    m = session(ROME, "It is sunny.")

    answer = m.chat("Weather in Rome?", tools=[weather, news], tool_loop=True)

    assert answer == Message("assistant", "It is sunny.")
    assert sent(m) == [("user", "Weather in Rome?"), ("assistant", ""), ("tool", "sunny in Rome")]
    (call,) = m.backend.requests[1].messages[1].tool_calls
    assert (call.name, dict(call.args), call.tool_call_id) == ("weather", {"city": "Rome"}, "call_1")
    assert [made.name for made in m.backend.requests[0].tools] == ["weather", "news"]
    assert [type(span).__name__ for span in m.ctx.as_list()] == [
        "Message",
        "ComputedModelOutputThunk",
        "ToolMessage",
        "ComputedModelOutputThunk",
    ]


def test_chat_without_a_loop_returns_the_calls():
    m = session(calls(("weather", {"city": "Rome", "days": "2"})))

    answer = m.chat("Weather?", tools=[weather])

    (told,), (call,) = answer.tool_calls, m.ctx.last_output().tool_calls
    assert told["function"] == {"name": "weather", "arguments": '{"city": "Rome", "days": 2}'}
    assert (call.name, call.args, call.func) == ("weather", {"city": "Rome", "days": 2}, weather)
    assert looked == []
    assert call.call_func() == "sunny in Rome"


def test_conversation_goes_on_after_the_rounds():
    m = session(ROME, "Sunny.", "You asked for Rome.")

    m.chat("Weather in Rome?", tools=[weather], tool_loop=True)
    m.chat("What did I ask for?")

    assert [role for role, _ in sent(m)] == ["user", "assistant", "tool", "assistant", "user"]


def test_several_calls_of_one_answer_are_answered_in_their_order():
    m = session(calls(("weather", {"city": "Rome"}), ("news", {"topic": "cats"})), "Done.")

    m.chat("Go.", tools=[weather, news], tool_loop=True)

    assert sent(m)[-2:] == [("tool", "sunny in Rome"), ("tool", "none of cats")]
    assert [message.tool_call_id for message in m.backend.requests[-1].messages[-2:]] == ["call_1", "call_2"]


def test_instruct_with_tools_makes_rounds_by_itself():
    m = session(ROME, "Sunny.")

    output = m.instruct("Tell the weather in Rome.", tools=[weather])

    assert output == "Sunny."
    assert looked == [("Rome", 1)]


def test_each_round_is_an_attempt_in_the_trace():
    m = session(ROME, ROME, "Sunny.")

    result = m.instruct("Weather?", tools=[weather], strategy="rejection", return_sampling_results=True)

    assert [len(attempt.tool_results) for attempt in result.attempts] == [1, 1, 0]
    assert (result.success, result.result_index, result.value) == (True, 2, "Sunny.")
    (call,) = result.to_dict()["attempts"][0]["calls"]
    assert (call["tool"], call["arguments"], call["result"]) == ("weather", {"city": "Rome"}, "sunny in Rome")
    assert result.usage.total_tokens == sum(attempt.usage.total_tokens for attempt in result.attempts) > 0


def test_context_that_shows_nothing_gets_the_rounds_all_the_same():
    m = session(ROME, "Sunny.", "Hello.", ctx=SimpleContext())

    m.instruct("Weather?", tools=[weather])
    m.chat("Hi.")

    assert [role for role, _ in sent(m, 1)] == ["user", "assistant", "tool"]
    assert sent(m) == [("user", "Hi.")]


class Weather(BaseModel):
    sunny: bool


def test_answer_after_the_rounds_is_read_by_what_was_asked():
    m = session(ROME, '{"sunny": true}')

    output = m.instruct("Weather?", tools=[weather], format=Weather)

    assert output.parsed == Weather(sunny=True)
    assert m.backend.requests[0].schema is None  # written into the prompt: this backend constrains nothing


def test_repair_keeps_the_results_of_the_tools():
    m = session(ROME, "It is sunny in Rome.", "Sunny.")
    short = req("Use one word.", simple_validate(lambda text: len(text.split()) == 1))

    output = m.instruct(
        "Weather?", tools=[weather], requirements=[short], strategy=RepairTemplateStrategy(loop_budget=2)
    )

    assert output == "Sunny."
    assert looked == [("Rome", 1)]
    assert [role for role, _ in sent(m)] == ["user", "assistant", "tool", "user"]
    assert "Use one word." in sent(m)[-1][1]


def test_requirements_look_at_the_calls_of_all_rounds():
    m = session(ROME, calls(("news", {"topic": "cats"})), "Done.")

    output = m.instruct(
        "Go.",
        tools=[weather, news],
        requirements=[
            uses_tool("weather"),
            uses_tool(news),
            tool_arg_validator("Rome.", "weather", "city", lambda city: city == "Rome"),
            check(
                "result",
                lambda ctx: any("sunny" in str(s) for s in ctx.as_list() if isinstance(s, ToolMessage)),
            ),
        ],
    )

    assert output.met


def test_calls_of_earlier_turns_do_not_count():
    m = session(ROME, "Sunny.", "No idea.", "No idea.")
    m.chat("Weather?", tools=[weather], tool_loop=True)

    with pytest.warns(RequirementsNotMetWarning, match="weather is not called"):
        m.instruct("And now?", tools=[weather], requirements=[uses_tool("weather")])


def test_budget_bounds_the_rounds():
    m = session(*[ROME] * 5)

    with pytest.warns(
        RequirementsNotMetWarning, match="still calling tools; .*; the budget of 3 attempts is spent"
    ):
        answer = m.chat("Go.", tools=[weather], tool_loop=True, budget=Budget(attempts=3))

    assert m.backend.calls == 3
    assert answer.tool_calls


def test_strict_instruction_whose_budget_is_spent_raises_and_leaves_the_context():
    m = session(*[ROME] * 5)
    strategy = RepairTemplateStrategy(loop_budget=2, budget=Budget(attempts=2))

    with pytest.raises(RequirementsNotMetError, match="did not come to an answer"):
        m.instruct("Go.", tools=[weather], strategy=strategy, strict=True)
    assert m.ctx.as_list() == []


def test_model_that_goes_on_calling_is_asked_to_answer():
    m = session(ROME, ROME, "Enough.")

    answer = m.chat("Go.", tools=[weather], tool_loop=ToolRunner(rounds=2))

    assert answer == "Enough."
    assert [request.tool_choice for request in m.backend.requests] == ["auto", "auto", "none"]


def test_choice_that_forces_a_call_forces_one():
    m = session(ROME, "Sunny.")

    m.chat("Go.", tools=[weather], tool_loop=True, model_options={ModelOption.TOOL_CHOICE: "required"})

    assert [request.tool_choice for request in m.backend.requests] == ["required", "auto"]


@pytest.mark.parametrize(
    "choice", ["weather", {"type": "function", "function": {"name": "weather"}}, "required", "none", "auto"]
)
def test_choices_are_sent_on(choice):
    m = session("Hi.")

    m.chat("Go.", tools=[weather], model_options={ModelOption.TOOL_CHOICE: choice})

    assert m.backend.requests[0].tool_choice in ("weather", choice)


@pytest.mark.parametrize(("choice", "tools"), [("fly", [weather]), ("required", []), (3, [weather])])
def test_choice_that_cannot_be_met_is_refused(choice, tools):
    m = session("Hi.")

    with pytest.raises(UsageError, match="TOOL_CHOICE"):
        m.chat("Go.", tools=tools, model_options={ModelOption.TOOL_CHOICE: choice})
    assert m.backend.calls == 0


def test_unknown_tool_is_told_to_the_model():
    m = session(calls(("fly", {"to": "Rome"}), ("weather", {"city": "Rome"})), "Sunny.")

    m.chat("Go.", tools=[weather], tool_loop=True)

    assert sent(m)[-2:] == [("tool", "There is no tool 'fly'. There are weather."), ("tool", "sunny in Rome")]


def test_unknown_tool_is_left_out_with_a_warning_where_the_caller_carries_out():
    m = session(calls(("fly", {}), ("weather", {"city": "Rome"})))

    with pytest.warns(UnknownToolWarning, match="called fly"):
        answer = m.chat("Go.", tools=[weather])

    assert [call["function"]["name"] for call in answer.tool_calls] == ["weather"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ('{"city": "Ro', "The arguments of weather are no JSON"),
        ("[1]", "The arguments of weather are no JSON object"),
        ('{"town": "Rome"}', "The arguments of weather do not fit: city: it is missing"),
        ("", "city: it is missing"),
    ],
)
def test_malformed_arguments_go_back_to_the_model(arguments, said):
    m = session(calls(("weather", arguments)), ROME, "Sunny.")

    m.chat("Go.", tools=[weather], tool_loop=True)

    assert said in sent(m, 1)[-1][1]
    assert looked == [("Rome", 1)]


def test_arguments_written_twice_over_are_read():
    m = session(calls(("weather", '"{\\"city\\": \\"Rome\\"}"')), "Sunny.")

    m.chat("Go.", tools=[weather], tool_loop=True)

    assert looked == [("Rome", 1)]


def test_policy_of_the_session_holds_for_every_call():
    runner = ToolRunner(approve=lambda call: "not today")
    m = session(ROME, "I may not.", model_options={ModelOption.TOOL_LOOP: runner})

    m.instruct("Weather?", tools=[weather])

    assert looked == []
    assert sent(m)[-1] == ("tool", "The call of weather is not allowed: not today")


def test_two_tools_of_one_name_are_refused_before_anything_is_sent():
    m = session("x")
    with pytest.raises(UsageError, match="Several tools are named weather"):
        m.chat("Go.", tools=[weather, weather.__wrapped__])
    assert m.backend.calls == 0


def test_plain_functions_are_tools():
    def add(a: int, b: int) -> int:
        return a + b

    m = session(calls(("add", {"a": 1, "b": "2"})), "3")

    m.chat("Add.", tools={"add": add}, tool_loop=True)

    assert sent(m)[-1] == ("tool", "3")


def test_rest_of_a_long_result_is_read_by_the_model():
    m = session(
        calls(("weather", {"city": "R" * 50})), calls(("read_result", {"result": 1, "start": 20})), "Read."
    )

    m.chat("Go.", tools=[weather], tool_loop=ToolRunner(longest_result=20))

    assert [made.name for made in m.backend.requests[0].tools] == ["weather"]
    assert [made.name for made in m.backend.requests[1].tools] == ["weather", "read_result"]
    assert sent(m)[-1][1].startswith("R" * 20 + "\n[19 more characters.")


def test_lanes_make_rounds_of_their_own():
    m = session(*[ROME] * 2, *["Sunny."] * 2)

    result = m.instruct(
        "Go.", tools=[weather], strategy=BestOfNSamplingStrategy(2), return_sampling_results=True
    )

    assert len([a for a in result.attempts if a.tool_results]) == 2
    assert result.value == "Sunny."


def test_provider_that_fails_in_a_later_round_leaves_the_context():
    m = session(ROME, ConnectionError("gone"))

    with pytest.raises(Exception, match="gone"):
        m.chat("Go.", tools=[weather], tool_loop=True)
    assert m.ctx.as_list() == []


def test_tool_that_asks_the_same_session_is_a_turn_of_its_own():
    @tool
    def ask(question: str) -> str:
        return str(inner.chat(question))

    inner = session("Blue.")
    m = session(calls(("ask", {"question": "Colour?"})), "It is blue.")

    assert m.chat("Go.", tools=[ask], tool_loop=True) == "It is blue."


async def test_explicit_state_returns_the_context_with_the_rounds():
    backend = ScriptedBackend([ROME, "Sunny."], capabilities=CAN)

    answer, ctx = await mfuncs.achat("Go.", ChatContext(), backend, tools=[weather], tool_loop=True)

    assert answer == "Sunny."
    assert len(ctx.as_list()) == 4
    assert isinstance(ctx.last_output(), ModelOutputThunk)


def test_reasoning_that_led_to_calls_is_sent_back():
    m = session(Reply("", thinking="I must look.", tool_calls=[("weather", {"city": "Rome"})]), "Sunny.")

    m.chat("Go.", tools=[weather], tool_loop=True)

    assert m.backend.requests[1].messages[1].thinking == "I must look."


async def test_streamed_answer_has_its_calls_at_the_end():
    m = session(ROME)

    answer = await m.astream_chat("Go.", tools=[weather])
    await answer.avalue()

    assert [call.name for call in answer.tool_calls] == ["weather"]


@pytest.mark.parametrize(
    "ask",
    [
        lambda m: m.stream_instruct("Go.", tools=[weather]),
        lambda m: m.stream_chat("Go.", tools=[weather], model_options={ModelOption.TOOL_LOOP: True}),
        lambda m: run_sync(
            stream(
                "Go.",
                m.backend,
                m.ctx,
                tool_calls=True,
                model_options={ModelOption.TOOLS: [weather], ModelOption.TOOL_LOOP: ToolRunner()},
            )
        ),
    ],
)
def test_streams_say_that_they_make_no_rounds(ask):
    m = session(ROME)

    with pytest.raises(UsageError, match=r"carries out no calls of tools; nothing was sent\. .*stream_react"):
        ask(m)
    assert m.backend.calls == 0


def test_streamed_task_whose_calls_are_left_to_the_caller():
    m = session(ROME)

    output = m.stream_instruct("Go.", tools=[weather], model_options={ModelOption.TOOL_LOOP: False})

    assert list(output) == []
    assert [call.name for call in output.tool_calls] == ["weather"]


# Typed functions and methods


@generative
def mood(text: str) -> str:
    """Tell the mood of a text."""


def test_typed_function_is_a_tool():
    answers = [calls(("mood", {"text": "Hurray!"})), '{"result": "glad"}', "A glad text."]
    m = session(*answers)

    assert m.chat("Look at the text.", tools=[mood], tool_loop=True) == "A glad text."
    assert sent(m)[-1] == ("tool", "glad")
    assert [role for role, _ in sent(m, 1)] == ["user"]


@pytest.mark.parametrize(
    "ask", [lambda m: mood(m, text="Hurray!"), lambda m: m.chat("Mood?"), lambda m: m.instruct("Mood?")]
)
def test_tokens_of_a_model_that_a_tool_asks_count_in_the_budget_of_the_call(ask):
    inner = session(Reply('{"result": "glad"}', usage=Usage(40, 60)))

    @tool
    def look(text: str) -> str:
        return str(ask(inner))

    m = session(calls(("look", {"text": "Hurray!"})), "A glad text.")

    with pytest.warns(RequirementsNotMetWarning, match="the budget of 100 tokens is spent"):
        m.chat("Look at the text.", tools=[look], tool_loop=True, budget=Budget(tokens=100))
    assert (inner.backend.calls, m.backend.calls) == (1, 1)


def test_tokens_of_tools_within_tools_count_once_in_each_budget():
    deepest = session(Reply("ok", usage=Usage(50, 50)))

    @tool
    def dig(text: str) -> str:
        return str(deepest.chat(text))

    middle = session(
        Reply("", usage=Usage(5, 5), tool_calls=[("dig", {"text": "x"})]), Reply("up", usage=Usage(5, 5))
    )

    @tool
    def go(text: str) -> str:
        return str(middle.instruct(text, tools=[dig]))

    m = session(Reply("", usage=None, tool_calls=[("go", {"text": "x"})]), Reply("Done.", usage=None))
    spending = Spending(Budget())
    with spending.paying():
        m.chat("Go.", tools=[go], tool_loop=True)

    assert spending.tokens == 120


class Account:
    """An account."""

    def __init__(self):
        self.balance = 10

    def pay(self, amount: int) -> int:
        """Pay something in."""
        self.balance += amount
        return self.balance


def test_methods_of_an_object_are_called():
    account = Account()
    m = session(calls(("pay", {"amount": "5"})), "There are 15.")

    answer = m.query(account, "Pay in 5.", tool_calls=True, tool_loop=True)

    assert (answer.value, account.balance) == ("There are 15.", 15)


def test_method_of_a_mified_object_checks_its_arguments():
    account = Account()
    m = session(calls(("pay", {"amount": "much"})), "I could not.")

    m.query(mify(account), "Pay in.", tool_calls=True, tool_loop=True)

    assert account.balance == 10
    assert "amount: Input should be a valid integer" in sent(m)[-1][1]
