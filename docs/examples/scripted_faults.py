"""A loop is tested offline: a script answers and fails, as models and providers do."""

from pydantic import BaseModel

from mellea import MelleaSession, RejectionSamplingStrategy, check, simple_validate
from mellea.core import ProviderError
from mellea.testing import Fault, ScriptedBackend, filled


class Order(BaseModel):
    """What the program reads."""

    item: str
    quantity: int


def read(backend: ScriptedBackend) -> Order:
    """Read an order; the program that is tested."""
    m = MelleaSession(backend)
    many = check(
        "More than one.", simple_validate(lambda text: '"quantity": 1}' not in text)
    )
    strategy = RejectionSamplingStrategy(loop_budget=3)
    return m.instruct(
        "Read the order.",
        format=Order,
        requirements=[many, "It is polite."],
        strategy=strategy,
        strict=True,
    ).parsed


# The first answer is cut in its JSON, the second fails the check, the third is good.
script = [
    Fault.bad_json(),
    '{"item": "lamp", "quantity": 1}',
    filled(item="lamp", quantity=3),
]
backend = ScriptedBackend(script, failures={})
print(read(backend), f"after {backend.calls} calls, judges included")

# The judge says no twice, whatever the answer is.
backend = ScriptedBackend(
    filled(item="lamp", quantity=3), failures={"It is polite.": 2}
)
print(read(backend), f"after {backend.calls} calls, judges included")

# The provider limits the rate: that is no failed attempt, and the program is told.
try:
    read(ScriptedBackend([Fault.rate_limit(3)]))
except ProviderError as error:
    print(f"{type(error).__name__}, to be tried again after {error.retry_after:g} s")
