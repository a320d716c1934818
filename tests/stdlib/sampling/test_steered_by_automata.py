"""Automata hold a text to more forms than a pattern can; else the pattern stays."""

import json

import pytest

from mellea.core import Capability, ModelOption
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements import avoids, contains, word_count
from mellea.stdlib.requirements.forms import Characters, of_form
from mellea.stdlib.sampling import RejectionSamplingStrategy
from mellea.stdlib.session import MelleaSession
from mellea.testing import ScriptedBackend

RULES = [word_count(at_most=30), contains("bridge")]
GUIDED = [*RULES, of_form(Characters(at_most=200))]
"""A pattern leaves the last to checking: words stand in for characters."""
SHORT = {ModelOption.MAX_NEW_TOKENS: 20}
ONCE = RejectionSamplingStrategy(loop_budget=1)


class Automata(ScriptedBackend):
    """Has automata for all forms but some."""

    without: frozenset[type] = frozenset()

    async def holds(self, forms):
        return ["there is none" if type(form) in self.without else "" for form in forms]


class FewAutomata(Automata):
    """Has none for characters."""

    without = frozenset([Characters])


def asked(kind, rules, options, task="Write."):
    """Return what was sent of forms, whether a pattern was, and the fates of the rules."""
    backend = kind(
        json.dumps("We met on the bridge."), capabilities=[Capability.JSON_SCHEMA, Capability.REGEX]
    )
    with MelleaSession(backend, SimpleContext()) as session:
        result = session.instruct(
            task, requirements=rules, model_options=options, strategy=ONCE, return_sampling_results=True
        )
    schema = backend.requests[0].schema
    return (
        len(schema.forms) if schema else 0,
        bool(schema and "pattern" in schema.json_schema),
        [fate.partition(":")[0] for fate in result.steering.values()],
    )


@pytest.mark.parametrize(
    ("kind", "rules", "options", "held"),
    [
        (Automata, RULES, {}, (0, True, ["steered"] * 2)),
        (Automata, RULES, {ModelOption.MAX_NEW_TOKENS: 400}, (0, True, ["steered"] * 2)),
        (Automata, RULES, SHORT, (2, False, ["steered"] * 2)),
        (Automata, GUIDED, {}, (3, False, ["steered"] * 3)),
        (FewAutomata, GUIDED, {}, (0, True, ["steered", "steered", "checked"])),
        (FewAutomata, GUIDED, SHORT, (2, False, ["steered", "steered", "checked"])),
        (ScriptedBackend, RULES, SHORT, (0, False, ["checked"] * 2)),
    ],
)
def test_automata_hold_where_they_hold_to_more(kind, rules, options, held):
    assert asked(kind, rules, options) == held


@pytest.mark.parametrize(
    ("task", "rules"), [("Напиши про мост.", RULES), ("Write.", [*RULES, avoids("мост")])]
)
def test_other_letters_than_latin_ones_keep_the_pattern(task, rules):
    forms, _, fates = asked(Automata, rules, SHORT, task)

    assert (forms, set(fates)) == (0, {"checked"})
