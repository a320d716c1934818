"""What calls take: tokens and money, by model, session, step and requirement."""

import asyncio

import pytest

from mellea import MelleaSession, SimpleContext, generative
from mellea.core import Capability, Price, Usage
from mellea.core.errors import AuthenticationError
from mellea.stdlib.sampling import MajorityVotingStrategyForMath
from mellea.telemetry import Bill, Costs
from mellea.testing import Reply, ScriptedBackend


class Hosted(ScriptedBackend):
    provider = "openai"
    price = None
    billed_by = "https://api.openai.com/v1"

    def __init__(self, *answers, model_id="gpt-4o", **options):
        super().__init__([Reply(one, usage=Usage(1000, 100)) for one in answers], **options)
        self.model_id = model_id


def session(costs, backend):
    return MelleaSession(backend, SimpleContext(), plugins=[costs])


def test_nothing_was_spent_at_first():
    assert Costs().bill == Bill()
    assert str(Costs()) == "total: 0 requests, 0 tokens read, 0 written"


def test_tokens_and_money_add_up_by_model_and_session():
    costs = Costs({"mine": Price(1, 10)})
    first, second = session(costs, Hosted("a", "b")), session(costs, Hosted("c", model_id="mine"))
    for m in (first, first, second):
        m.chat("Hello?")
    bill = costs.bill
    assert bill.usage == Usage(3000, 300)
    assert bill.cost == pytest.approx(2 * 0.0035 + 0.002)
    assert {name: spent.requests for name, spent in bill.models.items()} == {
        "openai/gpt-4o": 2,
        "openai/mine": 1,
    }
    assert bill.sessions[first.id].cost == pytest.approx(0.007)
    assert str(bill.models["openai/gpt-4o"]) == "2 requests, 2,000 tokens read, 200 written, $0.007"


def test_bill_is_a_value():
    costs = Costs()
    m = session(costs, Hosted("a", "b"))
    m.chat("Hello?")
    before = costs.bill
    m.chat("Hello?")
    assert (before.total.requests, costs.bill.total.requests) == (1, 2)


def test_unknown_price_is_said_and_not_counted_as_nothing():
    costs = Costs()
    session(costs, Hosted("a", model_id="nobody-knows")).chat("Hello?")
    assert (costs.bill.cost, costs.bill.total.unpriced) == (None, 1)
    assert str(costs).startswith("total: 1 request, 1,000 tokens read, 100 written, 1 at an unknown price")


def test_local_models_cost_nothing():
    costs = Costs()
    session(costs, ScriptedBackend("a")).chat("Hello?")
    assert (costs.bill.cost, costs.bill.total.unpriced) == (0.0, 0)


def test_cached_tokens_are_counted_at_their_price():
    backend = Hosted()
    costs = Costs({"gpt-4o": Price(2, 0, cached=0.5)})
    backend = ScriptedBackend(Reply("a", usage=Usage(1_000_000, 0, cached_tokens=500_000)))
    backend.price = Price(2, 0, cached=0.5)
    session(costs, backend).chat("Hello?")
    assert costs.bill.cost == pytest.approx(1.25)
    assert "1,000,000 tokens read (500,000 cached)" in str(costs)


def test_failed_requests_are_not_counted_where_nothing_is_known():
    costs = Costs()
    m = session(costs, ScriptedBackend(AuthenticationError("no")))
    with pytest.raises(AuthenticationError):
        m.chat("Hello?")
    assert costs.bill == Bill()


async def test_calls_side_by_side_are_all_counted():
    costs = Costs()
    m = session(costs, Hosted(*"abcdefgh", latency=0.001))
    await asyncio.gather(*(m.achat("Hello?") for _ in range(8)))
    assert costs.bill.total.requests == 8


@generative
def mood(text: str) -> str:
    """Tell the mood of a text."""


def test_money_is_told_by_step_and_by_requirement():
    verdict = '{"reason": "It is.", "met": true}'
    backend = Hosted("An answer.", verdict, '{"result": "glad"}', capabilities=[Capability.JSON_SCHEMA])
    costs = Costs()
    m = session(costs, backend)
    m.instruct("Go.", requirements=["It is short."])
    mood(m, text="Hurray!")
    bill = costs.bill
    assert {name: spent.requests for name, spent in bill.steps.items()} == {"Instruction": 2, "mood": 1}
    assert bill.steps["Instruction"].cost == pytest.approx(0.007)
    assert bill.requirements["It is short."].cost == pytest.approx(0.0035)
    assert bill.requirements["It is short."].usage == Usage(1000, 100)
    assert "judging, by requirement:\n  It is short.: 1 request" in str(bill)


def test_answers_drawn_in_one_request_are_counted_once():
    backend = ScriptedBackend(["2", "3", "2"], capabilities=[Capability.N_SAMPLES, Capability.STREAMING])
    costs = Costs()
    session(costs, backend).instruct("1 + 1?", strategy=MajorityVotingStrategyForMath(number_of_samples=3))
    assert costs.bill.total.requests == 1
