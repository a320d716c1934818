import pytest

from mellea.composition import fallback
from mellea.core import FREE, ChatRequest, Price, Usage, UsageError
from mellea.core.billing import answered_by, cost_of, table_cost
from mellea.testing import ScriptedBackend

MILLION = Usage(1_000_000, 1_000_000)


class Hosted(ScriptedBackend):
    """One whose price is not known by itself."""

    provider = "openai"
    price = None
    billed_by = "https://api.openai.com/v1"

    def __init__(self, answers="yes", model_id="gpt-4o", **options):
        super().__init__(answers, **options)
        self.model_id = model_id


@pytest.mark.parametrize(
    ("price", "usage", "cost"),
    [
        (Price(2, 8), MILLION, 10),
        (Price(2, 8, cached=0.5), Usage(1_000_000, 0, cached_tokens=500_000), 1.25),
        (Price(2, 8), Usage(1_000_000, 0, cached_tokens=500_000), 2),
        (Price(2, 8, cached=0), Usage(10, 0, cached_tokens=99), 0),
        (FREE, MILLION, 0),
    ],
)
def test_cost_counts_each_kind_of_token_at_its_price(price, usage, cost):
    assert price.cost(usage) == pytest.approx(cost)


@pytest.mark.parametrize("wrong", [-1, "2", True, float("inf"), float("nan"), None])
def test_price_is_a_number_from_0_on(wrong):
    with pytest.raises(UsageError, match=r"input is .*US dollars"):
        Price(wrong, 1)


@pytest.mark.parametrize(
    ("model", "provider", "cost"),
    [
        ("gpt-4o", "https://api.openai.com/v1", 12.5),
        ("gpt-4o", "openai", 12.5),
        ("openai/gpt-4o", None, 12.5),
        ("gpt-4o", "http://127.0.0.1:8000/v1", None),
        ("no-such-model", "openai", None),
        ("gpt-4o", "nobody", None),
    ],
)
def test_table_knows_the_price_of_a_model_at_its_provider(model, provider, cost):
    assert table_cost(MILLION, model, provider) == cost


def test_table_counts_cached_tokens_at_their_price():
    usage = Usage(1_000_000, 0, cached_tokens=1_000_000)
    assert table_cost(usage, "gpt-4o", "openai") == pytest.approx(1.25)


def test_unknown_price_is_none_and_not_nothing():
    assert cost_of(MILLION, Hosted(model_id="mine")) is None
    assert cost_of(None, Hosted()) is None
    assert cost_of(MILLION, ScriptedBackend()) == 0


def test_stated_prices_go_before_the_table(tmp_path, monkeypatch):
    file = tmp_path / "prices.json"
    file.write_text('{"gpt-4o": {"input": 1, "output": 0}}')
    monkeypatch.setenv("MELLEA_PRICING_FILE", str(file))
    backend = Hosted()
    in_file = cost_of(MILLION, backend)
    backend.price = Price(2, 0)
    of_backend = cost_of(MILLION, backend)
    given = cost_of(MILLION, backend, prices={"gpt-4o": Price(3, 0)})
    assert (in_file, of_backend, given) == (1, 2, 3)


def test_file_without_prices_says_what_to_write(tmp_path, monkeypatch):
    file = tmp_path / "prices.json"
    file.write_text("[]")
    monkeypatch.setenv("MELLEA_PRICING_FILE", str(file))
    with pytest.raises(UsageError, match=r"MELLEA_PRICING_FILE.*my-model"):
        cost_of(MILLION, Hosted())


def test_answer_of_a_composition_is_that_of_the_backend_it_asked_last():
    first, second = Hosted(), Hosted()
    both = fallback(first, second)
    assert answered_by(both) is both
    both.passed_on(second, ChatRequest("", ()))
    assert answered_by(both) is second
    assert answered_by(first) is first
    assert answered_by(fallback(fallback(first))) is first
