"""Budgets: what one call may spend in all, and what it has spent."""

from __future__ import annotations

import asyncio
import inspect
import math
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from mellea.core.billing import answered_by, cost_of, has_price_table, reachable_backends
from mellea.core.errors import BudgetError, UsageError
from mellea.core.event_loop import in_thread
from mellea.core.price import Price
from mellea.core.response import Usage
from mellea.core.time_limits import has_deadline, within

if TYPE_CHECKING:
    from mellea.core.model_api import ModelAPI

__all__ = [
    "Budget",
    "Spending",
    "call_within_deadline",
    "check_affordable",
    "is_being_cancelled",
    "no_attempt",
    "pay",
]

_payer: ContextVar[Spending | None] = ContextVar("mellea_payer", default=None)
"""What pays for the generations of whatever runs here, such as a tool that asks a model."""
_purses: ContextVar[tuple[Spending, ...]] = ContextVar("mellea_purses", default=())
"""What is bounded in money, of all calls that what runs here is part of."""


def _positive(_: object, attribute: Any, value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise UsageError(
            f"A budget's {attribute.name} is a number, not {value!r}.",
            hint="Pass a number, or None for no bound.",
        )
    if value <= 0:
        raise UsageError(
            f"A budget of {value} {attribute.name} allows nothing.",
            hint="Pass a positive number, or None for no bound.",
        )


@frozen
class Budget:
    """What a call may spend in all: on attempts, repairs, lanes, judges and fallbacks together.

    A request that is sent again because the provider was busy is the same attempt still.

    Args:
        attempts: Generations of an answer.
        tokens: Tokens read and written, judges included; checked between generations.
        seconds: Time from the start of the call. No wait for another try begins that would last longer.
        money: US dollars, for attempts, judges and what tools ask of models; checked between generations. A
            model whose price nobody knows is not asked.
        prices: What models cost, by their names, where neither their backends nor the table of prices says.

    Raises:
        UsageError: A bound is not positive.
    """

    attempts: int | None = field(default=None, validator=_positive)
    tokens: int | None = field(default=None, validator=_positive)
    seconds: float | None = field(default=None, validator=_positive)
    money: float | None = field(default=None, validator=_positive)
    prices: Mapping[str, Price] = field(factory=dict, kw_only=True, hash=False, repr=False)


class Spending:
    """What has been spent of a budget; one for all that a call does.

    Args:
        budget: The bounds.
    """

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.attempts = 0
        self.tokens = 0
        self.money = 0.0
        self.started = time.monotonic()
        self._around = _payer.get()

    def take_attempt(self) -> bool:
        """Count one attempt, if the budget allows it; tell whether it did."""
        if self.reached_bound() is not None:
            return False
        self.attempts += 1
        return True

    def add(self, usage: Usage | None) -> None:
        """Count the tokens of one generation."""
        self.tokens += usage.total_tokens if usage is not None else 0

    def reached_bound(self) -> str | None:
        """Return which bound is reached, or None."""
        bounds = self.budget
        if bounds.attempts is not None and self.attempts >= bounds.attempts:
            return f"{bounds.attempts} attempts"
        if bounds.tokens is not None and self.tokens >= bounds.tokens:
            return f"{bounds.tokens} tokens"
        if bounds.money is not None and self.money >= bounds.money:
            return f"${bounds.money:g}"
        if bounds.seconds is not None and self.remaining_seconds() <= 0:  # type: ignore[operator]  # a bound is set
            return f"{bounds.seconds:g} seconds"
        return None

    def deadline(self) -> AbstractAsyncContextManager[None]:
        """End a block, without an error, when the time is over."""
        left = self.remaining_seconds()
        return nullcontext() if left is None else _ending_after(left)

    @contextmanager
    def paying(self) -> Iterator[None]:
        """Count the tokens of every generation that begins in a block, as those of a tool do."""
        token = _payer.set(self)
        try:
            yield
        finally:
            _payer.reset(token)

    def pay(self, usage: Usage | None) -> None:
        """Count the tokens of a generation, also for whatever pays for this."""
        self.add(usage)
        if self._around is not None:
            self._around.pay(usage)

    def bounding_money(self, backends: Iterable[ModelAPI] = ()) -> AbstractContextManager[None]:
        """Count what every generation costs that begins in a block, if money is bounded.

        Args:
            backends: What will be asked, as far as it is known.

        Raises:
            UsageError: Nobody knows what one of them costs.
        """
        if self.budget.money is None:
            return nullcontext()
        for backend in backends:
            self.check_price(backend)
        return self.counting_money()

    @contextmanager
    def counting_money(self) -> Iterator[None]:
        """Count what every generation costs that begins in a block."""
        token = _purses.set((*_purses.get(), self))
        try:
            yield
        finally:
            _purses.reset(token)

    def check_price(self, backend: ModelAPI) -> None:
        """Refuse a backend whose price nobody knows.

        Raises:
            UsageError: Nobody does.
        """
        for each in reachable_backends(backend):
            if cost_of(_ONE_TOKEN, each, prices=self.budget.prices) is None:
                raise _unknown_price(each)

    def charge(self, backend: ModelAPI, usage: Usage | None, model: str | None) -> None:
        """Count the money of one generation.

        Raises:
            UsageError: The provider did not say what it took.
        """
        cost = cost_of(usage, backend, model, self.budget.prices)
        if cost is None:
            raise UsageError(
                f"A budget of money cannot be kept: {backend.provider} ({backend.model_id}) does not say how "
                "many tokens it takes.",
                hint="Bound the call by attempts or seconds instead.",
                backend=backend.provider,
                model_id=backend.model_id,
            )
        self.money += cost

    def remaining_seconds(self) -> float | None:
        """Return the time left, or None without a bound."""
        if self.budget.seconds is None:
            return None
        return self.budget.seconds - (time.monotonic() - self.started)


@asynccontextmanager
async def _ending_after(seconds: float) -> AsyncIterator[None]:
    try:
        with within(seconds):
            async with asyncio.timeout(seconds) as clock:
                yield
    except TimeoutError:
        if not clock.expired():
            raise


async def call_within_deadline(function: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a function of the user's returns, awaited if need be.

    Under a deadline a synchronous one runs in a thread, so that it can be left when the time is over.
    """
    if has_deadline() and not inspect.iscoroutinefunction(function):
        value = await in_thread(function, *arguments)
    else:
        value = function(*arguments)
    return await value if inspect.isawaitable(value) else value


def pay(usage: Usage | None, backend: ModelAPI, model: str | None = None) -> None:
    """Count the tokens of a generation where somebody pays for it who does not make it, and its money.

    Args:
        usage: The tokens.
        backend: What was asked.
        model: The model that answered, in the provider's words.

    Raises:
        UsageError: Money is bounded, and the provider did not say what it took.
    """
    payer = _payer.get()
    if payer is not None:
        payer.pay(usage)
    if purses := _purses.get():
        asked = answered_by(backend)
        for purse in purses:
            purse.charge(asked, usage, model)


def check_affordable(backend: ModelAPI) -> None:
    """Refuse what a budget of money does not allow, before anything is sent.

    Raises:
        UsageError: Nobody knows what the backend's model costs.
        BudgetError: A tool is about to ask a model, and the money is spent.
    """
    for purse in _purses.get():
        purse.check_price(backend)
        bound = purse.budget.money
        if _payer.get() is not None and bound is not None and purse.money >= bound:
            raise BudgetError(
                f"The budget of ${bound:g} is spent; {backend.provider} ({backend.model_id}) is not asked.",
                hint="Raise the budget.",
            )


_ONE_TOKEN = Usage(1, 1)


def _unknown_price(backend: ModelAPI) -> UsageError:
    remedy = (
        "State it: Budget(..., prices={"
        f"{backend.model_id!r}: Price(input=0.5, output=1.5)}}), in US dollars for a million tokens."
    )
    if not has_price_table():
        remedy = (
            f'Install the table of prices with: pip install "mellea-core[cost]". Or state it: {remedy[10:]}'
        )
    return UsageError(
        f"A budget of money cannot be kept: nobody knows what {backend.provider} ({backend.model_id}) costs; "
        "nothing was sent.",
        hint=remedy,
        backend=backend.provider,
        model_id=backend.model_id,
    )


def is_being_cancelled() -> bool:
    """Tell whether it is the running task that is cancelled, and not something that it awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def no_attempt(spending: Spending) -> BudgetError:
    """Return the error for a budget that ended before the first attempt did."""
    return BudgetError(
        f"The budget of {spending.reached_bound() or 'the call'} was spent before the first attempt ended.",
        hint="Raise the budget.",
    )
