"""Requirements that steer the embedded model, at limits at which a pattern cannot; and grammars."""

import asyncio

import pytest

from mellea import MelleaSession, ModelOption
from mellea.core.errors import LimitTooSmallError, UsageError
from mellea.stdlib.requirements import avoids, contains, word_count
from mellea.stdlib.requirements.forms import EndsWith, LarkGrammar, of_form
from mellea.stdlib.sampling import RejectionSamplingStrategy

ONCE = RejectionSamplingStrategy(loop_budget=1)
MOVES = 'start: "move " DIR " by " NUM\nDIR: "north" | "south"\nNUM: /[0-9]+/\n'


async def instructed(backend, task, rules, limit, seed=1):
    options = {ModelOption.MAX_NEW_TOKENS: limit, ModelOption.SEED: seed}
    return await MelleaSession(backend).ainstruct(
        task, requirements=rules, strategy=ONCE, model_options=options, return_sampling_results=True
    )


async def test_rules_of_the_real_model_are_met_in_one_call_within_a_small_limit(backend):
    tasks = {
        "Write about a walk by the river.": [word_count(at_most=20), contains("bridge"), avoids("leaves")],
        "Describe a day at the sea.": [of_form(EndsWith("Bring a friend.")), contains("waves")],
    }

    results = await asyncio.gather(
        *(instructed(backend, task, rules, 32, seed) for seed, (task, rules) in enumerate(tasks.items()))
    )

    assert [dict(each.steering) for each in results if set(each.steering.values()) != {"steered"}] == []
    assert [str(each.value) for each in results if not each.success] == []


async def test_limit_that_no_text_of_the_rules_fits_into_is_refused_at_once(backend):
    with pytest.raises(UsageError, match="tokens are enough"):
        await instructed(backend, "Write about tea.", [word_count(at_least=40)], 20)


async def test_text_is_held_to_a_grammar(backend):
    result = await instructed(backend, "Where to?", [of_form(LarkGrammar(MOVES)), contains("x")], 8)

    assert [fate.partition(":")[0] for fate in result.steering.values()] == ["steered", "checked"]
    assert LarkGrammar(MOVES).check(str(result.attempts[0].output))[0]


async def test_limit_that_no_text_of_a_grammar_fits_into_is_refused(backend):
    with pytest.raises(LimitTooSmallError):
        await instructed(backend, "Where to?", [of_form(LarkGrammar(MOVES))], 2)
