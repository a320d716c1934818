"""Budgets of money: over attempts, judges, tools, lanes and compositions."""

import pytest

from mellea import MelleaSession, SimpleContext, check, req
from mellea.composition import cached, fallback
from mellea.core import (
    Budget,
    BudgetError,
    Capability,
    Price,
    ProviderConnectionError,
    Usage,
    UsageError,
)
from mellea.stdlib.sampling import (
    BestOfNSamplingStrategy,
    CascadeSamplingStrategy,
    MajorityVotingStrategyForMath,
    RejectionSamplingStrategy,
)
from mellea.stdlib.tools import ToolRunner, tool
from mellea.testing import Reply, ScriptedBackend

TOOLS = [Capability.TOOLS, Capability.STREAMING, Capability.RAW]


class Hosted(ScriptedBackend):
    """A model whose price nobody knows."""

    price = None
    billed_by = "http://127.0.0.1:1/v1"


def dollar(text="no", **more):
    """Return an answer that costs a dollar of whoever takes one for a million tokens."""
    return Reply(text, usage=Usage(0, 1_000_000), **more)


def priced(*answers, **options):
    backend = Hosted(list(answers), **options)
    backend.price = Price(0, 1)
    return backend


def never():
    return check("It is never right.", validation_fn=lambda _: False)


def ask(backend, strategy, requirements=None, **options):
    m = MelleaSession(backend, SimpleContext())
    return m.instruct(
        "Go.",
        strategy=strategy,
        requirements=requirements or [never()],
        return_sampling_results=True,
        **options,
    )


pytestmark = pytest.mark.filterwarnings("ignore::mellea.core.RequirementsNotMetWarning")


@pytest.mark.parametrize(("money", "attempts"), [(0.5, 1), (1, 1), (2.5, 3), (100, 5)])
def test_attempts_end_when_the_money_is_spent(money, attempts):
    backend = priced(*[dollar() for _ in range(5)])
    result = ask(backend, RejectionSamplingStrategy(loop_budget=5, budget=Budget(money=money)))
    assert backend.calls == len(result.attempts) == attempts


def test_result_says_that_the_money_is_spent():
    strategy = RejectionSamplingStrategy(loop_budget=5, budget=Budget(money=0.5))
    assert "the budget of $0.5 is spent" in ask(priced(dollar()), strategy).why


def test_judges_are_paid_from_the_same_money():
    judge = priced(*[dollar("no") for _ in range(9)])
    strategy = RejectionSamplingStrategy(loop_budget=5, budget=Budget(money=4), judge=judge)
    result = ask(priced(*[dollar() for _ in range(5)]), strategy, [req("It is short.")])
    assert (len(result.attempts), judge.calls) == (2, 2)


def test_graders_are_paid_from_the_same_money():
    judge = Hosted([dollar("3") for _ in range(9)])
    strategy = BestOfNSamplingStrategy(loop_budget=2, budget=Budget(money=4), judge=judge)
    with pytest.raises(UsageError, match="nobody knows what scripted"):
        ask(priced(dollar()), strategy, [req("It is short.")])
    assert judge.calls == 0


def test_lanes_are_paid_from_the_same_money():
    backend = priced(*[dollar("3") for _ in range(9)])
    strategy = MajorityVotingStrategyForMath(number_of_samples=4, loop_budget=3, budget=Budget(money=4))
    ask(backend, strategy)
    assert backend.calls == 4


def test_cascade_is_paid_from_the_same_money():
    first, second = priced(dollar(), dollar()), priced(dollar(), dollar())
    strategy = CascadeSamplingStrategy([first, second], loop_budget=2, budget=Budget(money=3))
    ask(ScriptedBackend(), strategy)
    assert (first.calls, second.calls) == (2, 1)


def test_price_of_a_later_stage_is_asked_for_at_once():
    first, second = priced(dollar()), Hosted("yes")
    with pytest.raises(UsageError, match=r"nobody knows what scripted \(script\) costs; nothing was sent"):
        ask(ScriptedBackend(), CascadeSamplingStrategy([first, second], budget=Budget(money=3)))
    assert (first.calls, second.calls) == (0, 0)


@pytest.mark.parametrize("behind", [lambda inner: inner, fallback, cached])
def test_unknown_price_is_refused_before_anything_is_sent(behind):
    backend = Hosted("yes")
    strategy = RejectionSamplingStrategy(budget=Budget(money=1))
    with pytest.raises(
        UsageError, match=r"nobody knows.*nothing was sent.*prices=\{'script': Price\("
    ) as raised:
        ask(behind(backend), strategy)
    assert backend.calls == 0
    assert raised.value.backend == "scripted"


def test_budget_states_prices():
    backend = Hosted([dollar() for _ in range(5)])
    budget = Budget(money=2, prices={"script": Price(0, 1)})
    ask(backend, RejectionSamplingStrategy(loop_budget=5, budget=budget))
    assert backend.calls == 2


def test_answer_without_counts_is_refused():
    strategy = RejectionSamplingStrategy(budget=Budget(money=1))
    with pytest.raises(UsageError, match="does not say how many tokens"):
        ask(priced(Reply("yes", usage=None)), strategy)


def test_free_models_spend_nothing():
    backend = ScriptedBackend([Reply("no", usage=None) for _ in range(3)])
    ask(backend, RejectionSamplingStrategy(loop_budget=3, budget=Budget(money=0.01)))
    assert backend.calls == 3


def test_fallback_costs_what_the_backend_takes_that_answers():
    dear, cheap = priced(ProviderConnectionError("down")), priced(*[dollar() for _ in range(9)])
    dear.price = Price(0, 100)
    strategy = RejectionSamplingStrategy(loop_budget=4, budget=Budget(money=3))
    ask(fallback(dear, cheap, pause=60), strategy)
    assert cheap.calls == 3


def test_kept_answers_cost_nothing():
    backend = priced(*[dollar() for _ in range(3)], model_options={"temperature": 0})
    behind = cached(backend)
    strategy = RejectionSamplingStrategy(loop_budget=3, budget=Budget(money=1.5))
    first, second = ask(behind, strategy), ask(behind, strategy)
    assert (len(first.attempts), len(second.attempts), backend.calls) == (2, 3, 3)


@pytest.mark.parametrize(
    ("price", "calls", "told"),
    [(Price(0, 1), 1, "The budget of $1 is spent"), (None, 0, "nobody knows what")],
)
def test_what_tools_ask_of_models_is_paid_from_the_same_money(price, calls, told):
    asked = priced(*[dollar("glad") for _ in range(3)])
    asked.price = price
    within = MelleaSession(asked, SimpleContext())

    @tool
    def look(text: str) -> str:
        """Look at a text."""
        return str(within.chat(text))

    asking = Reply("", usage=Usage(0, 0), tool_calls=[("look", {"text": "a"}), ("look", {"text": "b"})])
    m = MelleaSession(priced(asking, Reply("Done.", usage=Usage(0, 0)), capabilities=TOOLS), SimpleContext())
    strategy = RejectionSamplingStrategy(budget=Budget(money=1))
    options = {"tool_loop": ToolRunner(at_once=1), "return_sampling_results": True}
    result = m.instruct("Go.", strategy=strategy, tools=[look], **options)
    assert asked.calls == calls
    assert told in result.attempts[0].tool_results[-1].content


def test_agent_is_paid_from_the_same_money():
    turn = [dollar("", tool_calls=[("look", {"text": "a"})]) for _ in range(5)]

    @tool
    def look(text: str) -> str:
        """Look at a text."""
        return text

    m = MelleaSession(priced(*turn, capabilities=TOOLS))
    with pytest.raises(BudgetError, match=r"in 2 turns, and the budget of \$2"):
        m.react("Go.", tools=[look], budget=Budget(money=2))


def test_money_is_bounded_for_the_call_alone():
    backend = Hosted(["yes", "yes"])
    m = MelleaSession(backend, SimpleContext())
    with pytest.raises(UsageError):
        m.instruct("Go.", strategy=RejectionSamplingStrategy(budget=Budget(money=1)))
    assert m.instruct("Go.") == "yes"


@pytest.mark.parametrize("money", [0, -1, "1", float("nan"), True])
def test_money_is_a_positive_number(money):
    with pytest.raises(UsageError, match="money"):
        Budget(money=money)
