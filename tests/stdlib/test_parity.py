"""A verb is the same verb in a session and with explicit state: options, defaults, and what they do."""

import asyncio
import inspect
import pydoc
from pathlib import Path

import pytest

from mellea import ChatContext, MelleaSession, generative, mfuncs, req, simple_validate
from mellea.core import Message, RequirementsNotMetError, UsageError
from mellea.core.errors import UnknownPluginError
from mellea.stdlib import functional
from mellea.stdlib.components.docs import Table
from mellea.stdlib.sampling import plugin as named_strategies
from mellea.stdlib.session._state import SessionState
from mellea.testing import ScriptedBackend
from tests.core.gated import GatedBackend

WAITING = ["act", "instruct", "query"]
"""Verbs whose synchronous form always waits, so that ``await_result`` is no option of it."""
VERBS = [
    *(*WAITING, "chat", "transform", "validate", "explain", "react"),
    *("stream_chat", "stream_instruct", "stream_react"),
]
BOTH = [name for verb in VERBS for name in (verb, f"a{verb}")]
STATE = ("self", "context", "backend")
SHORT = req("Short.", simple_validate(lambda text: len(text) < 6))
TABLE = Table(["store"], [["North"]])


def options(verb):
    """Return name, default and annotation of what a verb takes, without the state."""
    parameters = inspect.signature(verb).parameters.values()
    return [(p.name, p.default, p.annotation) for p in parameters if p.name not in STATE]


def session(*answers, **kwargs):
    return MelleaSession(ScriptedBackend(list(answers)), ChatContext(), **kwargs)


def in_session(verb, *asked, answers, **given):
    m = session(*answers)
    return getattr(m, verb)(*asked, **given), len(m.backend.requests)


def with_explicit_state(verb, *asked, answers, **given):
    backend = ScriptedBackend(list(answers))
    result, _ = getattr(mfuncs, verb)(*asked, ChatContext(), backend, **given)
    return result, len(backend.requests)


forms = pytest.mark.parametrize("form", [in_session, with_explicit_state])


def test_session_has_these_verbs_and_no_others():
    inherited = {*vars(SessionState), "__doc__", "__module__"}
    own = {name for name in vars(MelleaSession) if not name.startswith("_") and name not in inherited}
    assert own == set(BOTH)
    assert set(BOTH) <= set(functional.__all__)


@pytest.mark.parametrize("name", BOTH)
def test_both_forms_take_the_same_options_with_the_same_defaults(name):
    in_a_session, explicit = (
        [option[:2] for option in options(getattr(owner, name))] for owner in (MelleaSession, mfuncs)
    )
    assert in_a_session[1:] == explicit[1:]


@pytest.mark.parametrize("name", VERBS)
def test_synchronous_form_takes_the_options_of_the_asynchronous_one(name):
    for owner in (MelleaSession, mfuncs):
        asynchronous = options(getattr(owner, f"a{name}"))
        expected = [option for option in asynchronous if name not in WAITING or option[0] != "await_result"]
        assert options(getattr(owner, name)) == expected


@pytest.mark.parametrize("name", BOTH)
def test_defaults_that_are_shown_are_those_that_apply(name):
    for owner in (MelleaSession, mfuncs):
        verb = inspect.unwrap(getattr(owner, name))
        shown = dict(option[:2] for option in options(verb))
        assert (verb.__kwdefaults__ or {}).items() <= shown.items()


@pytest.mark.parametrize("name", BOTH)
def test_every_option_is_named_and_explained_by_help(name):
    for owner in (MelleaSession, mfuncs):
        verb = getattr(owner, name)
        shown = pydoc.render_doc(verb, renderer=pydoc.plaintext)
        keywords = [p for p in inspect.signature(verb).parameters.values() if p.kind is p.KEYWORD_ONLY]
        assert keywords
        assert all(f"        {option.name}: " in shown for option in keywords)
        assert all(p.kind is not p.VAR_KEYWORD for p in inspect.signature(verb).parameters.values())
        assert verb.__name__ == name


def test_reference_lists_every_verb_in_both_forms():
    page = (Path(__file__).parents[2] / "docs" / "reference.md").read_text()
    assert [page.count(f"- {name}\n") for name in BOTH] == [2] * len(BOTH)


def test_help_of_a_bound_verb_shows_real_names_and_defaults():
    signature = inspect.signature(session("x").instruct)

    assert list(signature.parameters)[:2] == ["description", "requirements"]
    assert repr(signature.parameters["strategy"].default) == "RejectionSamplingStrategy(loop_budget=2)"


@pytest.mark.parametrize("name", VERBS)
def test_misspelt_option_is_an_error_before_anything_is_sent(name):
    m = session("x")
    asked = ("x", "x") if name in ("query", "transform") else ("x",)

    with pytest.raises(TypeError):
        getattr(m, name)(*asked, requirment=["r"])
    with pytest.raises(TypeError):
        getattr(mfuncs, name)(*asked, ChatContext(), m.backend, requirment=["r"])

    assert m.backend.requests == []


# What they do


@forms
@pytest.mark.parametrize("given", [{}, {"requirements": []}, {"tool_calls": True}])
def test_query_with_nothing_to_check_makes_one_attempt(form, given):
    assert form("query", "The sky is blue.", "Colour?", answers=["much too long", "ok"], **given)[1] == 1


@forms
@pytest.mark.parametrize("named", [{}, {"strategy": "rejection"}])
def test_query_with_requirements_makes_two_attempts(form, named):
    answer, attempts = form(
        "query", "The sky.", "Colour?", answers=["much too long", "ok"], requirements=[SHORT], **named
    )
    assert (answer.value, attempts) == ("ok", 2)


@forms
def test_query_with_a_format_makes_two_attempts(form):
    answer, attempts = form(
        "query", "The sky.", "Colour?", answers=["no", '"blue"'], format={"type": "string"}
    )
    assert (answer.parsed, attempts) == ("blue", 2)


@forms
@pytest.mark.parametrize("named", [{}, {"strategy": "rejection"}])
def test_transform_makes_two_attempts(form, named):
    changed, attempts = form("transform", TABLE, "Shrink it.", answers=["I cannot.", "| a |\n|---|"], **named)
    assert (changed, attempts) == (Table(["a"]), 2)


@forms
@pytest.mark.parametrize("named", [{}, {"strategy": "rejection"}])
def test_instruct_with_requirements_makes_two_attempts(form, named):
    output, attempts = form(
        "instruct", "Greet.", answers=["much too long", "ok"], requirements=[SHORT], **named
    )
    assert (output.value, attempts) == ("ok", 2)


@forms
@pytest.mark.parametrize(
    ("verb", "asked"), [("instruct", ("Greet.",)), ("query", ("x", "y")), ("transform", ("x", "y"))]
)
def test_strict_call_raises(form, verb, asked):
    with pytest.raises(RequirementsNotMetError):
        form(verb, *asked, answers=["much too long"] * 2, requirements=[SHORT], strict=True)


@forms
@pytest.mark.parametrize("asked", [{"requirements": ["r"]}, {"strict": True}])
def test_query_without_a_strategy_refuses_what_needs_one(form, asked):
    with pytest.raises(UsageError, match="needs a strategy"):
        form("query", "x", "y", answers=["x"], strategy=None, **asked)


def test_strict_session_is_strict_for_objects_too():
    m = session("much too long", "again too long", strict=True)
    with pytest.raises(RequirementsNotMetError):
        m.query("x", "y", requirements=[SHORT])
    assert m.ctx.as_list() == []


def test_transformation_that_cannot_be_read_leaves_the_context():
    m = session("I cannot.", "I cannot.")
    with pytest.raises(ValueError, match="table"):
        m.transform(TABLE, "Shrink it.")
    assert m.ctx.as_list() == []


async def outputs_on_their_way(verb, *asked, **given):
    """Return the output of each form at the moment the verb comes back, before the model has answered."""
    m = MelleaSession(GatedBackend(last="x"), ChatContext())
    yield await asyncio.wait_for(getattr(m, verb)(*asked, **given), 60)
    output, _ = await asyncio.wait_for(getattr(mfuncs, verb)(*asked, ChatContext(), m.backend, **given), 60)
    yield output
    m.backend.release.open()


@pytest.mark.parametrize(
    ("verb", "asked", "given"),
    [
        ("aact", ("hi",), {}),
        ("aquery", ("x", "y"), {}),
        ("ainstruct", ("hi",), {"strategy": None}),
        ("ainstruct", ("hi",), {"await_result": False}),
        ("ainstruct", ("hi",), {"await_result": False, "requirements": ["r"], "strategy": None}),
        ("astream_chat", ("hi",), {}),
        ("astream_instruct", ("hi",), {}),
    ],
)
async def test_output_is_returned_on_its_way(verb, asked, given):
    outputs = [output async for output in outputs_on_their_way(verb, *asked, **given)]
    assert [await output.avalue() for output in outputs] == ["x", "x"]


@pytest.mark.parametrize("given", [{}, {"await_result": True}, {"await_result": True, "strategy": None}])
async def test_ainstruct_waits_unless_it_is_told_not_to(given):
    m = session("x", "x")
    output, _ = await mfuncs.ainstruct("hi", ChatContext(), m.backend, **given)
    assert output.is_computed()
    assert (await m.ainstruct("hi", **given)).is_computed()


async def test_chat_and_its_stream_send_the_same_message():
    m = session("x", ["a", "b"])
    given = {"documents": ["text"], "user_variables": {"v": "rules"}}

    answer = await m.achat("{{v}}", "system", **given)
    m.reset()
    streamed = await (await m.astream_chat("{{v}}", "system", **given)).result()

    first, second = ([(e.role, e.content) for e in request.messages] for request in m.backend.requests)
    assert first == second
    assert [request.stream for request in m.backend.requests] == [False, True]
    assert (answer, streamed.parsed) == (Message("assistant", "x"), Message("assistant", "ab"))


# Strategies by name


def test_typed_function_takes_a_strategy_by_name():
    @generative(strategy="rejection", requirements=[SHORT])
    def greeting(name: str) -> str:
        """Greet somebody."""

    answers = ['{"result": "much too long"}', '{"result": "hello"}']
    assert greeting(session(*answers), name="Ada") == "hello"
    value, _ = greeting(ChatContext(), ScriptedBackend(answers), name="Ada")
    assert value == "hello"


def test_typed_function_finds_a_name_among_the_plugins_of_the_session():
    @generative
    def greeting(name: str) -> str:
        """Greet somebody."""

    m = session('{"result": "hello"}', plugins=[named_strategies])
    assert greeting(m, name="Ada", strategy="repair-template") == "hello"


def test_typed_function_refuses_an_unknown_name_before_anything_is_sent():
    @generative(strategy="rejektion")
    def greeting(name: str) -> str:
        """Greet somebody."""

    m = session("x")
    with pytest.raises(UnknownPluginError, match="rejektion"):
        greeting(m, name="Ada")
    assert m.backend.requests == []
