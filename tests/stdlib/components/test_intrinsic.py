"""Actions that an adapter answers, functions of adapters, and requirements that one judges."""

import asyncio
import json
import pickle

import pytest

from mellea import ChatContext, Document, Intrinsic, MelleaSession
from mellea.backends.adapters import EmbeddedIntrinsicAdapter, IntrinsicAdapter
from mellea.backends.adapters.adapter import AdapterType, CustomIntrinsicAdapter
from mellea.core import (
    Adapter,
    AdapterSchemaMismatchError,
    Capability,
    CapabilityError,
    Message,
    ModelOption,
    ServerError,
    UsageError,
)
from mellea.plugins import plugin_scope
from mellea.stdlib.components.intrinsic import core, guardian, rag
from mellea.stdlib.requirements import ALoraRequirement
from mellea.stdlib.requirements.requirement import requirement_check_to_bool
from mellea.stdlib.requirements.safety.guardian import GuardianCheck, GuardianRisk
from mellea.stdlib.sampling import RejectionSamplingStrategy
from mellea.testing import ScriptedBackend
from tests.adapted import Adapted
from tests.hooks.heard import Heard

SCORE = {
    "type": "object",
    "properties": {"score": {"type": "number"}},
    "required": ["score"],
    "additionalProperties": False,
}
MET = '{"requirement_check": {"score": 0.9}}'
TALK = ChatContext().add(Message("user", "Where is Ulm?")).add(Message("assistant", "In Swabia."))


def adapted(answers, *adapters):
    backend = Adapted(answers)
    backend.capabilities |= {Capability.JSON_SCHEMA}
    for adapter in adapters:
        backend.add_adapter(adapter if isinstance(adapter, Adapter) else Adapter(adapter))
    return backend


def test_intrinsic_applies_the_prompt_and_schema_of_its_adapter_and_reads_the_answer():
    backend = adapted('{"score": 0.25}', Adapter("on-topic", prompt="Is {{ it }} on topic?", schema=SCORE))
    m = MelleaSession(backend, ChatContext())

    answer = m.act(Intrinsic("on_topic", {"it": Document("Ulm", title="A town")}), strategy=None)

    assert answer.parsed == {"score": 0.25}
    (request,) = backend.requests
    assert (request.adapter, request.schema.json_schema) == ("on-topic", SCORE)
    assert request.options["temperature"] == 0
    assert request.messages[-1].content.startswith("Is ")
    assert "Ulm" in request.messages[-1].content
    m.chat("And now?")
    assert backend.requests[1].adapter is None
    assert backend.requests[1].messages[0] == request.messages[-1]


def test_adapter_without_a_prompt_is_told_its_name_and_the_arguments():
    backend = adapted("fine", "tone")
    arguments = {"text": "Hi.", "documents": [Document("One."), Document("Two.")]}

    answer = MelleaSession(backend).act(
        Intrinsic("tone", arguments), model_options={ModelOption.TEMPERATURE: 1}
    )

    assert answer.parsed_repr == "fine"
    assert backend.requests[0].options["temperature"] == 1
    said = backend.requests[0].messages[-1].content
    assert said.startswith("<tone>\ntext: Hi.\ndocuments: ")
    assert "One." in said
    assert "Two." in said


def test_answer_that_does_not_fit_is_asked_again():
    backend = adapted(['{"points": 3}', '{"score": 1}'], Adapter("judge", schema=SCORE))

    answer = MelleaSession(backend).act(Intrinsic("judge"), strategy=RejectionSamplingStrategy(loop_budget=2))

    assert (answer.parsed, len(backend.requests)) == ({"score": 1}, 2)


def test_intrinsic_is_refused_before_anything_is_sent_where_no_adapter_is():
    plain, empty = ScriptedBackend("x"), Adapted("x")
    with pytest.raises(
        CapabilityError, match="does not declare 'adapters', and ADAPTER asks for 'query_rewrite'.*hf"
    ):
        rag.rewrite_question("Where?", ChatContext(), plain)
    with pytest.raises(UsageError, match="There is no adapter 'tone'"):
        MelleaSession(empty).act(Intrinsic("tone"))
    assert not plain.requests + empty.requests


@pytest.mark.parametrize(
    ("answer", "outcome", "phases"),
    [
        ('{"score": 1}', "success", ["generate", "parse"]),
        ('{"points": 1}', "unreadable", ["generate", "parse"]),
        (ServerError("down"), "error", []),
    ],
)
async def test_handlers_hear_how_the_call_of_an_adapter_ends(answer, outcome, phases):
    backend = Adapted(answer)
    await backend.aadd_adapter(Adapter("judge", schema=SCORE, invocation="<judge>"))
    heard = Heard()
    with plugin_scope(heard("adapter_function_invocation_complete", "adapter_function_phase_complete")):
        options = {ModelOption.MAX_RETRIES: 0}
        thunk = await MelleaSession(backend).aact(Intrinsic("judge"), strategy=None, model_options=options)
        await asyncio.wait([asyncio.ensure_future(thunk.avalue())])

    *told, end = heard
    assert [(one.name, one.phase) for one in told] == [("judge", phase) for phase in phases]
    assert (end.name, end.adapter_type, end.binding_type) == ("judge", "alora", "server")
    assert (end.outcome, end.error is None) == (outcome, outcome == "success")


CALLS = {
    "check_certainty": ("uncertainty", '{"certainty": 0.5}', lambda b: core.check_certainty(TALK, b), 0.5),
    "requirement_check": (
        "requirement-check",
        MET,
        lambda b: core.requirement_check(TALK, b, "It is short."),
        0.9,
    ),
    "find_context_attributions": (
        "context-attribution",
        "[]",
        lambda b: core.find_context_attributions(None, ["A text."], TALK, b),
        [],
    ),
    "check_answerability": (
        "answerability",
        '{"answerability": "answerable"}',
        lambda b: rag.check_answerability(None, ["A text."], TALK, b),
        "answerable",
    ),
    "rewrite_question": (
        "query_rewrite",
        '{"rewritten": "So?"}',
        lambda b: rag.rewrite_question(None, TALK, b),
        "So?",
    ),
    "find_citations": ("citations", "[]", lambda b: rag.find_citations(None, ["A text."], TALK, b), []),
    "another adapter": (
        "mine",
        "[1]",
        lambda b: rag.clarify_query("So?", [Document("A text.")], TALK, b, adapter="mine"),
        [1],
    ),
    "guardian_check": ("guardian-core", "0.25", lambda b: guardian.guardian_check(TALK, b, "harm"), 0.25),
    "policy_guardrails": (
        "policy-guardrails",
        '{"label": "Yes"}',
        lambda b: guardian.policy_guardrails(TALK, b, "Be kind."),
        "Yes",
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_function_of_an_adapter_asks_it_below_the_conversation(call):
    name, answer, function, expected = call
    backend = adapted(answer, name)

    assert function(backend) == expected
    (request,) = backend.requests
    assert (request.adapter, len(request.messages)) == (name, 3)
    assert request.messages[-1].content.startswith(f"<{name}>")


@pytest.mark.parametrize("answer", ['{"score": 1.5}', '{"a": 1, "b": 2}', "yes", "[]"])
def test_likelihood_that_is_none_is_an_error_of_the_adapter(answer):
    with pytest.raises(AdapterSchemaMismatchError, match="instead of a number from 0 to 1") as caught:
        guardian.guardian_check(TALK, adapted(answer, "guardian-core"), "It is rude.")
    assert pickle.loads(pickle.dumps(caught.value)).name == "guardian-core"


def test_question_that_was_never_asked_is_an_error():
    with pytest.raises(ValueError, match="no message of the user"):
        rag.rewrite_question(None, ChatContext(), adapted("x", "query_rewrite"))


@pytest.mark.parametrize(("answer", "met"), [(MET, True), ('{"score": 0.5}', False), ('{"met": true}', True)])
def test_requirement_is_judged_by_the_adapter(answer, met):
    backend = adapted(["An answer.", answer], "requirement-check")
    m = MelleaSession(backend)

    m.instruct("Hi.", strategy=None)
    (verdict,) = m.validate([ALoraRequirement("It is short.")])

    assert verdict.result is met
    assert [request.adapter for request in backend.requests] == [None, "requirement-check"]
    *_, said, asked = backend.requests[1].messages
    assert (said.content, asked.content) == (
        "An answer.",
        "<requirement-check>\nrequirement: It is short.",
    )


def test_verdict_that_cannot_be_read_is_no_verdict():
    m = MelleaSession(adapted(["An answer.", "perhaps"], "mine"))
    m.instruct("Hi.", strategy=None)

    (verdict,) = m.validate([ALoraRequirement("It is short.", "mine")])

    assert (verdict.result, verdict.undecided) == (False, True)
    assert isinstance(verdict.error, AdapterSchemaMismatchError)


@pytest.mark.parametrize("kind", [ScriptedBackend, Adapted])
def test_model_judges_where_the_adapter_is_not_there(kind):
    m = MelleaSession(kind(["An answer.", "yes"]))
    m.instruct("Hi.", strategy=None)
    with pytest.warns(UserWarning, match="has no adapter 'requirement-check'; a model judges"):
        m.validate([ALoraRequirement("It is short.")])
    assert "It is short." in m.backend.requests[1].messages[-1].content


@pytest.mark.parametrize(
    ("text", "met"), [(0.9, True), (0.51, True), (0.5, False), (0, False), (1, True)], ids=str
)
def test_words_of_a_requirement_check(text, met):
    assert requirement_check_to_bool(json.dumps({"requirement_check": {"score": text}})) is met


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"score": 1},
        {"requirement_check": 1},
        {"requirement_check": {}},
        *({"requirement_check": {"score": score}} for score in (None, "1", True, -0.1, 1.1, float("nan"))),
        [],
        1,
    ],
    ids=str,
)
def test_requirement_check_of_another_shape(value):
    with pytest.raises(AdapterSchemaMismatchError):
        requirement_check_to_bool(json.dumps(value))


def test_requirement_check_that_is_no_json():
    with pytest.raises(json.JSONDecodeError):
        requirement_check_to_bool("yes")
    with pytest.raises(ValueError, match="list"):
        requirement_check_to_bool("[]")


def test_guardian_warns_and_judges_by_the_risk_in_words():
    with pytest.warns(DeprecationWarning, match="GuardianCheck is deprecated"):
        check = GuardianCheck(GuardianRisk.PROFANITY)
    assert "swears" in check.description
    with pytest.warns(DeprecationWarning, match="deprecated"), pytest.raises(UsageError, match="no risk"):
        GuardianCheck()


def test_adapter_of_a_configuration():
    config = {"instruction": "Is {it} so?", "response_format": json.dumps(SCORE)}
    adapter = IntrinsicAdapter("judge", config_dict=config, base_model_name="org/base")

    assert adapter.prompt_for({"it": "this"}) == "Is this so?"
    assert (adapter.schema, adapter.adapter_type) == (SCORE, AdapterType.ALORA)
    with pytest.raises(UsageError, match="asks for transformations"):
        IntrinsicAdapter("judge", config_dict={"transformations": [{"type": "explode"}]})


def test_adapter_of_a_folder_under_another_name(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    custom = CustomIntrinsicAdapter(model_id=str(tmp_path), intrinsic_name="x", base_model_name="org/base")

    assert Adapter.read(custom.save().folder).name == "x"


def test_adapters_inside_a_model(tmp_path):
    (tmp_path / "io.yaml").write_text("instruction: Hi {name}\n")
    index = {"adapters": [{"adapter_name": "a", "io_config": "io.yaml", "technology": "alora"}]}
    (tmp_path / "adapter_index.json").write_text(json.dumps(index))

    (adapter,) = EmbeddedIntrinsicAdapter.from_source(tmp_path)

    assert (adapter.name, adapter.technology, adapter.prompt) == ("a", "alora", "Hi {{ name }}")
    with pytest.raises(UsageError, match="names no adapter 'b'"):
        EmbeddedIntrinsicAdapter.from_model_directory(tmp_path, "b")
    index["adapters"][0]["io_config"] = "../io.yaml"
    (tmp_path / "adapter_index.json").write_text(json.dumps(index))
    with pytest.raises(UsageError, match="outside of its folder"):
        EmbeddedIntrinsicAdapter.from_model_directory(tmp_path)
