"""Typed functions, offline."""

import asyncio
import pickle
from typing import Any, Literal

import attrs
import pytest
from pydantic import BaseModel

from mellea.core import (
    Capability,
    CBlock,
    ClosedError,
    ImageBlock,
    ModelOption,
    ModelOutputThunk,
    OptionTable,
    OutputParseError,
    RequirementsNotMetError,
    RequirementsNotMetWarning,
    UsageError,
)
from mellea.stdlib.components import mify
from mellea.stdlib.components.genstub import PreconditionException, generative
from mellea.stdlib.context import ChatContext, SimpleContext
from mellea.stdlib.requirements import check, req, simple_validate
from mellea.stdlib.sampling import RejectionSamplingStrategy, RepairTemplateStrategy
from mellea.stdlib.session import MelleaSession
from mellea.testing import ScriptedBackend

POSITIVE = '{"result": "positive"}'
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@generative
def sentiment(text: str, *, strong: bool = False) -> Literal["positive", "negative"]:
    """Classify the sentiment of the text."""


@generative
async def asentiment(text: str) -> Literal["positive", "negative"]:
    """Classify the sentiment of the text."""


@generative
def summary(text: str) -> str:
    """Summarise the text."""


def session(*answers, **kwargs):
    return MelleaSession(ScriptedBackend(answers, **kwargs), ChatContext())


def prompt(m, request=-1):
    return m.backend.requests[request].messages[-1].content


def test_session_form_gives_the_value():
    m = session(POSITIVE)

    value = sentiment(m, text="I love it.")

    assert value == "positive"


def test_session_form_remembers_the_call():
    m = session(POSITIVE)

    sentiment(m, text="I love it.")

    assert len(m.ctx.as_list()) == 2
    assert str(m.ctx.last_output()) == POSITIVE


def test_context_form_gives_value_and_context():
    backend = ScriptedBackend(POSITIVE)

    value, after = sentiment(SimpleContext(), backend, text="I love it.")

    assert value == "positive"
    assert str(after.last_output()) == POSITIVE


def test_context_form_by_keyword():
    value, after = sentiment(context=SimpleContext(), backend=ScriptedBackend(POSITIVE), text="I love it.")

    assert value == "positive"
    assert isinstance(after, SimpleContext)


async def test_async_function_is_awaited():
    m = session(POSITIVE)

    assert await asentiment(m, "I love it.") == "positive"


async def test_async_function_in_context_form():
    value, _ = await asentiment(SimpleContext(), ScriptedBackend(POSITIVE), "I love it.")

    assert value == "positive"


async def test_sync_function_works_inside_a_running_loop():
    m = session(POSITIVE)

    assert sentiment(m, "I love it.") == "positive"


def test_positional_arguments_are_taken_as_declared():
    m = session(POSITIVE)

    sentiment(m, "I love it.")

    assert "text (str): I love it." in prompt(m)


def test_prompt_shows_declaration_requirements_and_arguments():
    m = session(POSITIVE, "yes")

    sentiment(m, "I love it.", requirements=["Be sure.", check("hidden", lambda _: True)])

    shown = m.backend.requests[0].messages[-1].content
    assert "def sentiment(text: str, *, strong: bool = False) -> Literal['positive', 'negative']:" in shown
    assert '"""Classify the sentiment of the text."""' in shown
    assert "- Be sure." in shown
    assert "hidden" not in shown
    assert "strong (bool): false" in shown


def test_schema_is_the_envelope_of_the_return_type():
    m = session(POSITIVE, capabilities=[Capability.JSON_SCHEMA])

    sentiment(m, "I love it.")

    schema = m.backend.requests[0].schema.json_schema
    assert schema["properties"]["result"]["enum"] == ["positive", "negative"]
    assert schema["required"] == ["result"]


def test_malformed_answer_is_tried_again_without_any_requirement():
    """What cannot be read is a small model's most common failure, so the loop guards every call."""
    m = session("not json", POSITIVE)

    assert sentiment(m, "x") == "positive"


def test_refusal_is_a_failed_attempt():
    m = session("I cannot help with that.", '{"result": "neutral"}', POSITIVE)

    assert sentiment(m, "x", strategy=RejectionSamplingStrategy(loop_budget=3)) == "positive"


def test_repair_says_what_was_wrong_with_a_malformed_answer():
    m = session('{"result": "neutral"}', POSITIVE)

    sentiment(m, "x", strategy=RepairTemplateStrategy(loop_budget=2))

    assert "result: Input should be 'positive' or 'negative'" in prompt(m)


def test_error_of_the_last_attempt_is_readable():
    m = session("no", "never")

    with pytest.raises(
        OutputParseError, match=r"sentiment got no answer of its return type in 2 attempts\. .*holds no JSON"
    ) as caught:
        sentiment(m, "x")

    assert "pydantic.dev" not in str(caught.value)
    assert m.ctx.is_root_node


def test_answer_in_a_code_block_is_read():
    m = session(f"```json\n{POSITIVE}\n```")

    assert sentiment(m, "x") == "positive"


def test_null_answer_of_an_optional_function_is_none():
    """None is a value here, and not taken for an answer that is missing."""

    @generative
    def age(text: str) -> int | None:
        """Find the age."""

    m = session('{"result": null}')

    assert age(m, "x") is None
    assert len(m.backend.requests) == 1


def test_requirements_are_validated_and_repaired():
    """Showing requirements in the prompt is not enough: what comes back is held against them."""
    short = req("At most ten characters.", simple_validate(lambda text: len(text) <= 10))
    m = session('{"result": "far too long"}', '{"result": "short"}')

    assert summary(m, "x", requirements=[short]) == "short"


def test_checks_see_the_value_and_not_its_envelope():
    seen = []

    @generative
    def numbers(text: str) -> list[int]:
        """List the numbers."""

    look = check("look", lambda ctx: seen.append((str(ctx.last_output()), ctx.last_output().parsed)) or True)
    numbers(session('{"result": [1, 2]}'), "x", requirements=[look])

    assert seen == [("[1, 2]", [1, 2])]


def test_checks_see_the_conversation():
    """A check of a typed function is given the session's conversation, not a context of one answer."""
    seen = []
    m = session(POSITIVE, POSITIVE)
    sentiment(m, "first")

    sentiment(
        m, "second", requirements=[check("look", lambda ctx: bool(seen.append(len(ctx.as_list()))) or True)]
    )

    assert seen == [4]


def test_checks_are_spared_when_the_answer_cannot_be_read():
    seen = []
    m = session("no", POSITIVE)

    sentiment(m, "x", requirements=[check("look", lambda ctx: seen.append(str(ctx.last_output())) or True)])

    assert seen == ["positive"]


def test_fix_of_a_requirement_mends_the_value():
    lower = req("Lower case.", simple_validate(str.islower), repair=str.lower)
    m = session('{"result": "HELLO"}')

    assert summary(m, "x", requirements=[lower]) == "hello"


def test_best_value_is_returned_when_no_attempt_meets_everything():
    m = session('{"result": "a"}', '{"result": "b"}')
    fails = check("never", lambda _: False)

    with pytest.warns(RequirementsNotMetWarning, match="never.*summary returns it all the same"):
        assert summary(m, "x", requirements=[fails]) == "b"


def test_strict_function_raises_instead():
    @generative(requirements=[check("never", lambda _: False)], strict=True)
    def strictly(text: str) -> str:
        """Summarise."""

    with pytest.raises(RequirementsNotMetError, match="never"):
        strictly(session('{"result": "a"}', '{"result": "b"}'), "x")


def test_defaults_of_the_function_hold():
    @generative(
        requirements=[check("three", simple_validate(lambda text: len(text) == 3))],
        strategy=RejectionSamplingStrategy(loop_budget=3),
        model_options={ModelOption.TEMPERATURE: 0.5},
    )
    def three(text: str) -> str:
        """Say three letters."""

    m = session('{"result": "a"}', '{"result": "ab"}', '{"result": "abc"}')

    assert three(m, "x") == "abc"
    assert m.backend.requests[0].options["temperature"] == 0.5


def test_call_overrides_the_functions_defaults():
    @generative(
        requirements=["Own."], model_options={ModelOption.TEMPERATURE: 0.5, ModelOption.MAX_NEW_TOKENS: 9}
    )
    def told(text: str) -> str:
        """Say it."""

    m = session('{"result": "a"}')

    told(m, "x", requirements=[req("Other.", lambda _: True)], model_options={ModelOption.TEMPERATURE: 0.1})

    assert "Other." in prompt(m)
    assert "Own." not in prompt(m)
    assert m.backend.requests[0].options == {"temperature": 0.1, "max_new_tokens": 9}


def test_options_of_the_session_hold_under_the_functions():
    m = MelleaSession(
        ScriptedBackend(POSITIVE), model_options={ModelOption.TEMPERATURE: 0.7, ModelOption.MAX_NEW_TOKENS: 5}
    )

    sentiment(m, "x", model_options={ModelOption.TEMPERATURE: 0.1})

    assert m.backend.requests[0].options == {"temperature": 0.1, "max_new_tokens": 5}


def test_native_spelling_of_a_call_overrides_the_common_one():
    @generative(model_options={ModelOption.MAX_NEW_TOKENS: 9})
    def told(text: str) -> str:
        """Say it."""

    backend = ScriptedBackend('{"result": "a"}')
    backend.options = OptionTable(backend.options.names, {"num_predict": ModelOption.MAX_NEW_TOKENS})

    told(SimpleContext(), backend, "x", model_options={"num_predict": 3})

    assert backend.requests[0].options == {"max_new_tokens": 3}


def test_call_changes_none_of_what_it_is_given():
    requirements, options = ["Be short."], {ModelOption.TEMPERATURE: 0.1}
    arguments = {"words": ["a", "b"]}

    @generative
    def first(words: list[str]) -> str:
        """Say the first."""

    first(session('{"result": "a"}', "yes"), **arguments, requirements=requirements, model_options=options)

    assert (requirements, options, arguments) == (
        ["Be short."],
        {ModelOption.TEMPERATURE: 0.1},
        {"words": ["a", "b"]},
    )


def test_failed_precondition_asks_nothing():
    m = session(POSITIVE)

    with pytest.raises(PreconditionException, match="long enough") as caught:
        sentiment(
            m,
            "x",
            precondition_requirements=[check("long enough", simple_validate(lambda text: len(text) > 99))],
        )

    assert [bool(result) for result in caught.value.validation] == [False]
    assert m.backend.requests == []


def test_preconditions_see_the_arguments_by_name_and_as_text():
    seen = []
    m = session(POSITIVE)

    sentiment(
        m,
        "x",
        precondition_requirements=[check("look", lambda ctx: bool(seen.append(ctx.last_output())) or True)],
    )

    assert seen[0].parsed == {"text": "x", "strong": False}
    assert str(seen[0]) == "text: x\nstrong: false"


def test_judged_precondition_is_about_the_arguments():
    m = session("No, it is empty.")

    with pytest.raises(PreconditionException, match="it is empty"):
        sentiment(m, "", precondition_requirements=["The text is not empty."])

    assert "arguments" in prompt(m)
    assert "The text is not empty." in prompt(m)


def test_precondition_error_pickles():
    error = PreconditionException("It is wrong.", [])

    assert str(pickle.loads(pickle.dumps(error))) == "It is wrong."


def test_methods_are_functions_of_their_object():
    class Reviewer:
        def __str__(self):
            return "a severe reviewer"

        @generative
        def review(self, text: str) -> str:
            """Review the text."""

    m = session('{"result": "bad"}')

    assert Reviewer().review(m, "x") == "bad"
    assert "def review(text: str) -> str:" in prompt(m)
    assert "self (Reviewer): a severe reviewer" in prompt(m)


def test_methods_of_an_object_without_words_show_no_address():
    class Reviewer:
        @generative
        def review(self, text: str) -> str:
            """Review the text."""

    m = session('{"result": "bad"}')
    Reviewer().review(m, "x")

    assert "0x" not in prompt(m)


def test_class_and_static_methods():
    class Reviewer:
        @classmethod
        @generative
        def by_class(cls, text: str) -> str:
            """Review."""

        @staticmethod
        @generative
        def alone(text: str) -> str:
            """Review."""

    m = session('{"result": "a"}', '{"result": "b"}', '{"result": "c"}')

    assert [Reviewer.by_class(m, "x"), Reviewer.alone(m, "x"), Reviewer().alone(m, "x")] == ["a", "b", "c"]


async def test_async_method():
    class Reviewer:
        @generative
        async def review(self, text: str) -> str:
            """Review."""

    assert await Reviewer().review(session('{"result": "a"}'), text="x") == "a"


def test_unbound_method_takes_its_object_first():
    class Reviewer:
        @generative
        def review(self, text: str) -> str:
            """Review."""

    assert Reviewer.review(Reviewer(), session('{"result": "a"}'), text="x") == "a"


async def test_outputs_on_their_way_are_awaited_as_arguments():
    backend = ScriptedBackend(["later words", POSITIVE])
    thunk, _ = await backend.generate_from_context(ModelOutputThunk("say"), SimpleContext())

    await asentiment(SimpleContext(), backend, thunk)

    assert "text (str): later words" in backend.requests[1].messages[-1].content


def test_media_arguments_go_along_with_the_message():
    @generative
    def caption(image: Any) -> str:
        """Describe the image."""

    m = session('{"result": "a dot"}', capabilities=[Capability.IMAGES])

    caption(m, ImageBlock(PIXEL))

    assert len(m.backend.requests[0].messages[-1].images) == 1
    assert PIXEL not in prompt(m)


def test_text_that_looks_like_a_template_stays_text():
    m = session(POSITIVE)

    sentiment(m, "{{ 7 * 7 }} {% raw %}")

    assert "{{ 7 * 7 }} {% raw %}" in prompt(m)


async def test_overlapping_calls_with_explicit_state():
    backend = ScriptedBackend(POSITIVE)

    answers = await asyncio.gather(*(asentiment(SimpleContext(), backend, str(n)) for n in range(5)))

    assert [value for value, _ in answers] == ["positive"] * 5


@pytest.mark.parametrize(
    "name",
    [
        "m",
        "context",
        "backend",
        "model_options",
        "strategy",
        "precondition_requirements",
        "requirements",
        "f_args",
        "f_kwargs",
    ],
)
def test_reserved_parameter_names_are_our_error_at_definition(name):
    namespace = {}
    exec(f"def function({name}: str) -> str: ...", namespace)

    with pytest.raises(UsageError, match=name):
        generative(namespace["function"])


@pytest.mark.parametrize(
    "call",
    [lambda: sentiment("x"), lambda: sentiment(text="x"), lambda: sentiment(SimpleContext(), text="x")],
)
def test_call_without_session_or_backend_is_our_type_error(call):
    with pytest.raises(UsageError, match=r"sentiment\(m, \.\.\.\)") as caught:
        call()
    assert isinstance(caught.value, TypeError)


def test_closed_session_is_our_error():
    m = session(POSITIVE)
    m.close()

    with pytest.raises(ClosedError):
        sentiment(m, "x")


@pytest.mark.parametrize(("args", "kwargs"), [((), {}), (("x", "y"), {}), (("x",), {"loud": True})])
def test_call_that_does_not_fit_the_signature_is_our_type_error(args, kwargs):
    with pytest.raises(UsageError, match="cannot be called like this") as caught:
        sentiment(session(POSITIVE), *args, **kwargs)
    assert isinstance(caught.value, TypeError)


@pytest.mark.parametrize(
    "settings",
    [
        {"requirements": "one"},
        {"requirements": [3]},
        {"strategy": RejectionSamplingStrategy},
        {"model_options": [1]},
        {"budget": 3},
    ],
)
def test_wrong_settings_are_our_error_at_definition(settings):
    with pytest.raises(UsageError):
        generative(**settings)


@pytest.mark.parametrize("target", [print, 3, staticmethod(len), str])
def test_what_is_no_function_is_our_error(target):
    with pytest.raises(UsageError):
        generative(target)


def test_generator_functions_are_our_error():
    def words(text: str) -> str:
        yield text

    with pytest.raises(UsageError, match="no plain function"):
        generative(words)


def test_name_and_documentation_stay_those_of_the_function():
    assert (sentiment.__name__, sentiment.__doc__) == ("sentiment", "Classify the sentiment of the text.")


@attrs.define
class Address:
    city: str


class Person(BaseModel):
    name: str


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Person(name="Ann"), '{"name":"Ann"}'),
        ([Address("Rome")], '[{"city":"Rome"}]'),
        ({"a": (1, None)}, '{"a":[1,null]}'),
        ([CBlock("first"), 2], "first\n2"),
        (float("inf"), '"Infinity"'),
    ],
)
def test_arguments_are_shown_as_text_or_json(value, shown):
    @generative
    def describe(thing: Any) -> str:
        """Describe the thing."""

    m = session('{"result": "a"}')
    describe(m, value)

    assert f"thing (Any): {shown}\n" in prompt(m)


async def test_declaration_of_an_async_function_says_so():
    m = session(POSITIVE)

    await asentiment(m, "x")

    assert "async def asentiment(text: str)" in prompt(m)


def test_default_that_shows_an_address_in_memory_is_left_out():
    @generative
    def describe(thing: Any = object()) -> str:  # noqa: B008
        """Describe the thing."""

    m = session('{"result": "a"}')
    describe(m, 1)

    assert "def describe(thing: Any = ...) -> str:" in prompt(m)


def test_fix_of_a_requirement_leaves_what_it_cannot_read():
    fixed = req("Lower case.", simple_validate(str.islower), repair=str.lower)
    m = session("NO", '{"result": "yes"}')

    assert summary(m, "x", requirements=[fixed]) == "yes"


async def test_object_that_is_a_component_shows_itself_to_its_methods():
    @mify
    @attrs.define
    class Store:
        sales: int

        @generative
        async def advise(self, topic: str) -> str:
            """Advise the owner."""

    m = session('{"result": "sell"}')

    assert await Store(3).advise(m, "prices") == "sell"
    assert "self (Store): Store(sales=3)" in prompt(m)
    assert "self" not in prompt(m).split("Arguments:")[0]
