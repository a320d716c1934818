"""Requirements that have a form steer the decoding, where the backend keeps patterns."""

import json
import re

import pytest

from mellea.core import Capability, CBlock, ModelOption
from mellea.core.sources import Sources
from mellea.core.steering import ContradictionError
from mellea.core.trace import as_tree
from mellea.stdlib.components import Instruction
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements import (
    avoids,
    contains,
    fits_schema,
    is_json,
    one_of,
    req,
    simple_validate,
    word_count,
)
from mellea.stdlib.requirements.forms import AvoidsCharacters, BeginsWith, Bullets, Case, explain, of_form
from mellea.stdlib.sampling import CascadeSamplingStrategy, MultiTurnStrategy, RejectionSamplingStrategy
from mellea.stdlib.session import MelleaSession
from mellea.stdlib.streaming import stream
from mellea.testing import ScriptedBackend

STEERABLE = [Capability.JSON_SCHEMA, Capability.REGEX, Capability.STREAMING]
RULES = [word_count(at_most=30), contains("bridge"), avoids("leaves"), of_form(BeginsWith("Once"))]
TEXT = (
    'Once we met on the "old" bridge and looked down at the boats.\n'
    "It was late, and nobody wanted to go home."
)


def instruct(backend, requirements=RULES, **options):
    with MelleaSession(backend, SimpleContext()) as session:
        return session.instruct("Write.", requirements=requirements, return_sampling_results=True, **options)


def test_forms_become_the_pattern_of_one_string_and_the_text_comes_back_decoded():
    backend = ScriptedBackend(json.dumps(TEXT), capabilities=STEERABLE)

    result = instruct(backend)

    assert (result.success, len(result.attempts), str(result.result)) == (True, 1, TEXT)
    assert set(result.steering.values()) == {"steered"}
    schema = backend.requests[0].schema.json_schema
    assert schema["type"] == "string"
    assert schema["pattern"].startswith("^Once")
    assert not re.fullmatch(schema["pattern"], "Once the leaves fell on the bridge.")


def test_prompt_still_says_the_rules_in_words():
    backend = ScriptedBackend(json.dumps(TEXT), capabilities=STEERABLE)
    instruct(backend)

    prompt = backend.requests[0].messages[-1].content
    assert all(rule.description in prompt for rule in RULES)
    assert "Write plain sentences, without lists or headings." in prompt


def test_short_task_is_told_once_more_below_the_rules_of_a_steered_text():
    backend = ScriptedBackend([json.dumps(TEXT), TEXT, '"yes"'], capabilities=STEERABLE)
    instruct(backend)
    instruct(backend, model_options={ModelOption.STEER: False})
    instruct(backend, [one_of(["yes", "no"])])

    said = [request.messages[-1].content.splitlines() for request in backend.requests]
    assert [lines.count("Write.") for lines in said] == [2, 1, 1]
    assert said[0][-1] == "Write."


@pytest.mark.parametrize("task", ["Sum up. " * 60, "Sum this up:\nIt rained."])
def test_long_task_is_told_once(task):
    assert Instruction(task).told_again == ""


def test_backend_that_keeps_no_patterns_gets_none_and_the_result_says_so():
    backend = ScriptedBackend(TEXT, capabilities=[Capability.JSON_SCHEMA])

    result = instruct(backend)

    assert backend.requests[0].schema is None
    assert set(result.steering.values()) == {"checked: backend 'scripted' keeps no patterns"}


def test_steering_is_switched_off_by_an_option():
    backend = ScriptedBackend(TEXT, capabilities=STEERABLE)

    result = instruct(backend, model_options={ModelOption.STEER: False})

    assert backend.requests[0].schema is None
    assert set(result.steering.values()) == {"checked: steering is switched off"}


CITY = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@pytest.mark.parametrize(
    ("rule", "sent"), [(fits_schema(CITY), CITY), (is_json(), None)], ids=["schema", "any"]
)
def test_json_steers_by_its_schema_and_stays_text(rule, sent):
    backend = ScriptedBackend('{"name": "Rome"}', capabilities=STEERABLE)

    result = instruct(backend, [rule, avoids("leaves")])

    assert list(result.steering.values()) == ["steered", "checked: JSON gives the whole text"]
    schema = backend.requests[0].schema.json_schema
    assert schema == (sent or {"anyOf": [{"type": "object"}, {"type": "array"}]})
    assert result.result.parsed == str(result.result) == '{"name": "Rome"}'


@pytest.mark.parametrize(
    ("rule", "capabilities", "options", "why"),
    [
        (fits_schema(CITY), [], {}, "backend 'scripted' keeps no schemas"),
        (fits_schema(CITY).unsteered(), STEERABLE, {}, "steering is switched off for it"),
        (fits_schema(CITY), STEERABLE, {"steer": False}, "steering is switched off"),
        (fits_schema(CITY), STEERABLE, {"format": CITY}, "the call has a format of its own"),
    ],
)
def test_json_that_does_not_steer_is_checked(rule, capabilities, options, why):
    backend = ScriptedBackend('{"name": "Rome"}', capabilities=capabilities)

    result = instruct(backend, [rule], **options)

    assert list(result.steering.values()) == [f"checked: {why}"]
    assert (backend.requests[0].schema is not None) == ("format" in options)
    assert result.success


def test_requirements_without_a_form_are_checked_as_ever():
    polite = req("Be polite.", simple_validate(lambda text: "please" in text))
    backend = ScriptedBackend(
        [json.dumps(TEXT), json.dumps(TEXT.replace("late", "late, please"))], capabilities=STEERABLE
    )

    result = instruct(
        backend, [of_form(BeginsWith("Once")), polite], strategy=RejectionSamplingStrategy(loop_budget=2)
    )

    assert (result.success, len(result.attempts)) == (True, 2)
    assert list(result.steering) == [of_form(BeginsWith("Once")).name]


def test_requirements_that_contradict_are_refused_before_anything_is_sent():
    backend = ScriptedBackend("x")

    with pytest.raises(ContradictionError, match=r"at most 20 words.*at least 60 words"):
        instruct(backend, [word_count(at_most=20), word_count(at_least=60)])
    assert backend.requests == []


def test_limit_on_tokens_is_raised_to_the_longest_text_where_there_is_none():
    backend = ScriptedBackend(json.dumps(TEXT), capabilities=STEERABLE)
    instruct(backend)

    assert backend.requests[0].options["max_new_tokens"] > 30


def test_limit_that_is_too_small_for_the_longest_text_leaves_the_forms_to_checking():
    backend = ScriptedBackend(TEXT, capabilities=STEERABLE)
    result = instruct(backend, model_options={ModelOption.MAX_NEW_TOKENS: 10})

    assert backend.requests[0].schema is None
    assert all("and MAX_NEW_TOKENS is 10" in fate for fate in result.steering.values())


def test_server_that_keeps_no_patterns_after_all_gives_its_text_as_it_is():
    result = instruct(ScriptedBackend(TEXT, capabilities=STEERABLE))

    assert (result.success, str(result.result)) == (True, TEXT)


def test_pieces_of_a_steered_text_are_pieces_of_the_text():
    said = json.dumps('Über "uns" \U0001f600.\n')
    backend = ScriptedBackend([list(said)], capabilities=STEERABLE)

    strategy = RejectionSamplingStrategy(loop_budget=1)
    rules = [of_form(BeginsWith("Ü"))]
    result = instruct(backend, rules, strategy=strategy, model_options={ModelOption.STREAM: True})

    assert str(result.result) == 'Über "uns" \U0001f600.\n'


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("plain", [False, True])
def test_text_is_put_in_the_case_that_is_asked_for_while_it_comes(plain, stream):
    said = "Once we didn't see *the* old bridge."
    backend = ScriptedBackend([list(said if plain else json.dumps(said))], capabilities=STEERABLE)
    backend.plain_patterns = plain

    rules, once = [of_form(Case("title")), contains("old bridge")], RejectionSamplingStrategy(loop_budget=1)
    result = instruct(backend, rules, strategy=once, model_options={ModelOption.STREAM: stream})

    assert str(result.result) == "Once We Didn't See *The* Old Bridge."
    assert (result.success, set(result.steering.values())) == (True, {"steered"})
    assert "a-z" in backend.requests[0].schema.json_schema["pattern"]


def test_pieces_of_a_stream_come_in_the_case_that_is_asked_for():
    backend = ScriptedBackend([list(json.dumps("Once upon a time."))], capabilities=STEERABLE)

    with MelleaSession(backend, SimpleContext()) as session:
        pieces = list(session.stream_instruct("Write.", requirements=[of_form(Case("upper"))]))

    assert "".join(pieces) == "ONCE UPON A TIME."
    assert len(pieces) > 5


def test_text_that_is_not_steered_stays_in_the_case_that_the_model_writes():
    result = instruct(ScriptedBackend(TEXT), [of_form(Case("upper"))], steer=False)

    assert (str(result.result), result.success) == (TEXT, False)


def test_explain_says_what_would_steer_without_a_call():
    said = explain([of_form(Bullets(3)), of_form(Case("lower"))], "Tell me about tea.")

    assert "Write exactly 3 bullet points, each on a line that begins with *. Steered." in said
    assert "Pattern: ^" in said


GOOD = (
    "Once we walked along the water to the old bridge and looked at the boats that came home slowly "
    "while evening fell."
)
TORN = "Once we walked along the water to the old bridge and looked at the boats that came home with the."
RULE = [of_form(BeginsWith("Once"))]


def twice(*texts, **options):
    backend = ScriptedBackend([json.dumps(text) for text in texts], capabilities=STEERABLE)
    strategy = options.pop("strategy", RejectionSamplingStrategy(loop_budget=len(texts)))
    return instruct(backend, RULE, strategy=strategy, **options), backend


def test_text_that_keeps_the_rules_and_breaks_off_is_drawn_again():
    result, backend = twice(TORN, GOOD)

    assert (result.value, result.success, len(result.attempts)) == (GOOD, True, 2)
    assert result.attempts[0].faults == ("its last sentence ends with 'the'",)
    assert backend.requests[0].messages == backend.requests[1].messages
    assert result.why == "it was the first to meet every requirement without a fault"


def test_words_that_the_model_writes_in_pieces_are_a_fault_unless_the_prompt_has_them():
    class Knowing(ScriptedBackend):
        async def whole_words(self, words):
            return {word for word in words if word not in {"ofurbanlife", "andcommunity", "write"}}

    torn = f"{GOOD} Write of it, ofurbanlife andcommunity."
    backend = Knowing([json.dumps(torn), json.dumps(GOOD)], capabilities=STEERABLE)
    result = instruct(backend, RULE, strategy=RejectionSamplingStrategy(loop_budget=2))

    (fault,) = result.attempts[0].faults
    assert re.fullmatch(r"\d+% of its words are unknown, such as 'ofurbanlife'", fault)
    assert result.value == GOOD


def test_drawing_again_is_no_repair_even_where_a_strategy_repairs():
    result, backend = twice(TORN, GOOD, strategy=MultiTurnStrategy(loop_budget=2))

    assert result.value == GOOD
    assert [len(request.messages) for request in backend.requests] == [1, 1]


def test_text_with_a_fault_is_a_success_when_the_budget_is_spent():
    result, _ = twice(TORN)

    assert (result.success, result.value) == (True, TORN)
    assert "its last sentence ends with 'the'" in result.why
    assert result.to_dict()["attempts"][0]["faults"] == ["its last sentence ends with 'the'"]


def test_text_with_fewer_faults_is_kept_whichever_came_first():
    worse = "Once with the. Once with the."
    result, _ = twice(worse, TORN, worse)

    assert (result.result_index, result.success) == (1, True)


def test_rules_come_before_faults():
    result, _ = twice(TORN, GOOD.replace("Once", "Then"))

    assert (result.value, result.success) == (TORN, True)


def test_greedy_call_is_not_drawn_again():
    result, backend = twice(TORN, GOOD, model_options={ModelOption.TEMPERATURE: 0})

    assert (result.value, len(backend.requests)) == (TORN, 1)


def test_text_that_is_not_steered_has_no_faults():
    backend = ScriptedBackend(TORN, capabilities=[Capability.JSON_SCHEMA])

    assert instruct(backend, RULE).chosen.faults == ()


def test_text_that_a_form_gives_as_a_whole_is_not_looked_at():
    result = instruct(ScriptedBackend('"yes"', capabilities=STEERABLE), [one_of(["yes", "no"])])

    assert (result.value, result.chosen.faults) == ("yes", ())


def test_requirement_that_failed_before_is_repaired():
    backend = ScriptedBackend(["Then.", "Once."], capabilities=[Capability.JSON_SCHEMA])
    result = instruct(backend, RULE, strategy=RejectionSamplingStrategy(loop_budget=2))

    assert set(result.steering.values()) == {"repaired: backend 'scripted' keeps no patterns"}


def test_cascade_steers_each_backend_that_keeps_patterns():
    plain = ScriptedBackend("Then.", capabilities=[Capability.JSON_SCHEMA])
    strong = ScriptedBackend(json.dumps(GOOD), capabilities=STEERABLE)
    result = instruct(plain, RULE, strategy=CascadeSamplingStrategy([plain, strong]))

    assert plain.requests[0].schema is None
    assert strong.requests[0].schema.json_schema["pattern"].startswith("^Once")
    assert (result.value, result.steering) == (GOOD, {RULE[0].name: "steered"})


def test_tree_says_what_steered_and_what_is_bad():
    result, _ = twice(TORN)
    tree = as_tree(result.to_dict())

    assert "[steered, " in tree
    assert "– its last sentence ends with 'the'" in tree  # noqa: RUF001  a dash as a mark
    assert "its last sentence ends with &#39;the&#39;" in result.to_html()


@pytest.mark.parametrize(
    ("of_session", "of_call", "steers"),
    [(True, None, True), (False, None, False), (True, False, False), (False, True, True)],
)
def test_steering_is_switched_for_a_session_and_for_a_call(of_session, of_call, steers):
    backend = ScriptedBackend(json.dumps(GOOD) if steers else GOOD, capabilities=STEERABLE)
    with MelleaSession(backend, SimpleContext(), steer=of_session) as session:
        session.instruct("Write.", requirements=[RULE[0]], steer=of_call)

    assert (backend.requests[0].schema is not None) is steers


def test_steering_is_switched_off_for_one_requirement():
    backend = ScriptedBackend(json.dumps(GOOD), capabilities=STEERABLE)
    result = instruct(backend, [*RULE, contains("bridge").unsteered()])

    assert list(result.steering.values()) == ["steered", "checked: steering is switched off for it"]
    assert "bridge" not in backend.requests[0].schema.json_schema["pattern"]


def test_session_explains_what_steers_and_what_is_checked_without_a_call():
    backend = ScriptedBackend("x", capabilities=STEERABLE)
    polite = req("Be polite.", simple_validate(lambda text: "please" in text))
    with MelleaSession(backend, SimpleContext()) as session:
        report = session.explain("Write about tea.", requirements=[word_count(at_most=60), polite])

    assert report.outcomes == {"Use at most 60 words.": "steered"}
    assert str(report).startswith(
        "Use at most 60 words: steered.\n"
        "Be polite: checked: it has no form.\n"
        "The text has 24 to 60 words, at most 220 tokens, in Latin letters. "
        "Write plain sentences, without lists or headings.\n"
        "Pattern: ^"
    )
    assert report.pattern.startswith("^")
    assert backend.requests == []


def test_explaining_says_why_nothing_steers():
    with MelleaSession(ScriptedBackend("x"), SimpleContext()) as session:
        report = session.explain("Write.", requirements=RULE, steer=False)

    assert (str(report), report.pattern) == ("Begin with: Once: checked: steering is switched off.", None)


def test_stream_of_a_task_is_steered_and_its_pieces_are_plain_text():
    backend = ScriptedBackend([list(json.dumps('"Über" \U0001f600.\n'))], capabilities=STEERABLE)
    with MelleaSession(backend, SimpleContext()) as session:
        pieces = list(session.stream_instruct("Write.", requirements=RULE))

    assert backend.requests[0].schema.json_schema["pattern"].startswith("^Once")
    assert "".join(pieces) == '"Über" \U0001f600.\n'


async def test_checked_stream_is_steered_and_says_so():
    backend = ScriptedBackend([list(json.dumps(GOOD))], capabilities=STEERABLE)
    streamer = await stream("Write.", backend, SimpleContext(), requirements=RULE)
    text = "".join([piece async for piece in streamer])

    assert (text, streamer.success) == (GOOD, True)
    assert set(streamer.result.steering.values()) == {"steered"}


async def test_checked_stream_is_not_steered_where_it_says_so():
    backend = ScriptedBackend([list(GOOD)], capabilities=STEERABLE)
    streamer = await stream("Write.", backend, SimpleContext(), requirements=RULE, steer=False)

    assert (await streamer.acomplete()).success
    assert backend.requests[0].schema is None


def test_instruction_without_a_strategy_is_steered_too():
    backend = ScriptedBackend(json.dumps(GOOD), capabilities=STEERABLE)
    with MelleaSession(backend, SimpleContext()) as session:
        assert session.instruct("Write.", requirements=RULE, strategy=None).value == GOOD

    assert backend.requests[0].schema is not None


def test_text_has_a_word_of_its_task_unless_other_people_told_it():
    about = "Write about an old clock."
    theirs = Instruction(CBlock(about, sources=Sources.of("document", "")))

    assert Instruction(about).about_words == ("clock",)
    assert theirs.about_words == ()

    backend = ScriptedBackend(json.dumps(TEXT), capabilities=STEERABLE)
    with MelleaSession(backend, SimpleContext()) as session:
        session.instruct(about, requirements=[of_form(AvoidsCharacters("!"))])
    assert "The clock" in backend.requests[0].schema.json_schema["pattern"]
