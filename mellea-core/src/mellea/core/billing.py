"""What requests take, and what they cost in US dollars: by prices that a program states, or a table.

A price that nobody knows is None, never nothing: what costs nothing says so.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from attrs import field, frozen

from mellea.core.errors import UsageError
from mellea.core.price import FREE, Price
from mellea.core.response import Usage

if TYPE_CHECKING:
    from mellea.core.model_api import ModelAPI

__all__ = [
    "Spent",
    "answered_by",
    "cost_in_tables",
    "cost_of",
    "has_price_table",
    "note_asked",
    "reachable_backends",
    "table_cost",
]

_asked: ContextVar[ModelAPI | None] = ContextVar("mellea_asked_backend", default=None)
"""The backend that a composition has asked last, in this task."""


_COUNTS = ("prompt_tokens", "completion_tokens", "cached_tokens", "reasoning_tokens")


@frozen
class Spent:
    """What requests took.

    Args:
        requests: How many were answered.
        usage: Their tokens.
        cost: US dollars, of those whose price is known; None if that is none of them.
        unpriced: How many there were whose price nobody knows, which are not in ``cost``.
        seconds: Time, where it is counted; what runs side by side takes its own each.
    """

    requests: int = 0
    usage: Usage = field(factory=Usage)
    cost: float | None = None
    unpriced: int = 0
    seconds: float = 0.0

    @property
    def tokens(self) -> int:
        """Tokens read and written."""
        return self.usage.total_tokens

    @property
    def whole_cost(self) -> float | None:
        """US dollars for all of it; None where nobody knows a price."""
        return None if self.unpriced else self.cost or 0.0

    def plus(self, usage: Usage | None, cost: float | None) -> Spent:
        """Return it with one more request.

        Args:
            usage: Its tokens; None where nobody knows them.
            cost: US dollars; None where nobody knows the price.
        """
        unpriced = self.unpriced + (cost is None)
        cost = _sum(self.cost, cost)
        if usage is None:
            usage = self.usage
        elif self.requests:
            usage = self.usage + usage
        return Spent(self.requests + 1, usage, cost, unpriced, self.seconds)

    def lasting(self, seconds: float) -> Spent:
        """Return it with so much more time."""
        return Spent(self.requests, self.usage, self.cost, self.unpriced, self.seconds + seconds)

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.requests + other.requests,
            self.usage + other.usage,
            _sum(self.cost, other.cost),
            self.unpriced + other.unpriced,
            self.seconds + other.seconds,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {
            "requests": self.requests,
            **{name: getattr(self.usage, name) for name in _COUNTS},
            "cost": None if self.cost is None else round(self.cost, 9),
            "unpriced": self.unpriced,
            "seconds": round(self.seconds, 6),
        }

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Spent:
        """Return what ``to_dict`` tells of."""
        usage = Usage(**{name: told[name] for name in _COUNTS})
        return cls(told["requests"], usage, told["cost"], told["unpriced"], told["seconds"])

    def __str__(self) -> str:
        read, written = self.usage.prompt_tokens, self.usage.completion_tokens
        cached = f" ({self.usage.cached_tokens:,} cached)" if self.usage.cached_tokens else ""
        cost = "" if self.cost is None else f", ${self.cost:,.6f}".rstrip("0").rstrip(".")
        unpriced = f", {self.unpriced:,} at an unknown price" if self.unpriced else ""
        return (
            f"{self.requests:,} request{'' if self.requests == 1 else 's'}, {read:,} tokens read{cached}, "
            f"{written:,} written{cost}{unpriced}"
        )


def _sum(a: float | None, b: float | None) -> float | None:
    return b if a is None else a if b is None else a + b


def cost_of(
    usage: Usage | None,
    backend: ModelAPI,
    model: str | None = None,
    prices: Mapping[str, Price] | None = None,
) -> float | None:
    """Return what tokens of a backend cost, in US dollars; None if nobody knows.

    What is stated counts first: ``prices``, then the backend's own ``price``, then the file that
    ``MELLEA_PRICING_FILE`` names. Else the table of ``genai-prices`` does, if it is installed.

    Args:
        usage: The tokens; None where the provider did not say.
        backend: Whose they are.
        model: The model that answered; by default the one that is asked.
        prices: Prices by the name of the model.
    """
    names = [name for name in dict.fromkeys((model, backend.model_id)) if name]
    stated = next((prices[name] for name in names if prices and name in prices), None)
    if stated is None:
        stated = backend.price or next((p for name in names if (p := _priced_in_file(name))), None)
    if stated == FREE:
        return 0.0
    if usage is None:
        return None
    if stated is not None:
        return stated.cost(usage)
    if not usage.total_tokens:
        return 0.0  # it was kept, or nothing was asked
    return next(
        (cost for name in names if (cost := table_cost(usage, name, backend.billed_by)) is not None), None
    )


def cost_in_tables(usage: Usage, model: str, provider: str | None, cache_written: int = 0) -> float | None:
    """Return what tokens cost by the file of ``MELLEA_PRICING_FILE``, else by the table; None otherwise.

    Args:
        usage: The tokens.
        model: The model.
        provider: As for ``table_cost``.
        cache_written: Tokens of the prompt that were put into the provider's cache.
    """
    stated = _priced_in_file(model)
    return table_cost(usage, model, provider, cache_written) if stated is None else stated.cost(usage)


def table_cost(usage: Usage, model: str, provider: str | None, cache_written: int = 0) -> float | None:
    """Return what tokens cost by the table of ``genai-prices``; None if it is not there, or does not know.

    Args:
        usage: The tokens.
        model: The model.
        provider: Its provider, as the table calls it, or the address of its server. None where the model is
            written as ``provider/model``, or is its maker's own.
        cache_written: Tokens of the prompt that were put into the provider's cache.
    """
    asked = (provider, model)
    if asked in _unlisted:
        return None
    try:
        from genai_prices import Usage as Counted  # noqa: PLC0415  an extra, and slow to import
        from genai_prices import calc_price  # noqa: PLC0415  see above
    except ImportError:
        return None
    counted = Counted(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        cache_read_tokens=min(usage.cached_tokens, usage.prompt_tokens),
        cache_write_tokens=cache_written or None,
    )
    if provider is None and "/" in model:
        provider, model = model.split("/", 1)
    try:
        if provider and urlsplit(provider).scheme:
            return float(calc_price(counted, model, provider_api_url=provider).total_price)
        return float(calc_price(counted, model, provider_id=provider).total_price)
    except LookupError:
        _unlisted.add(asked)
        return None
    except ValueError:
        return None


_unlisted: set[tuple[str | None, str]] = set()
"""Providers and models that the table does not know: each look through all of it takes longer than a hook."""


def has_price_table() -> bool:
    """Tell whether the table of prices is installed."""
    from importlib.util import find_spec  # noqa: PLC0415  only prices need it

    return find_spec("genai_prices") is not None


def _priced_in_file(model: str) -> Price | None:
    path = os.environ.get("MELLEA_PRICING_FILE")
    return (
        _file_prices(path, Path(path).stat().st_mtime_ns).get(model) if path and Path(path).exists() else None
    )


@functools.lru_cache(maxsize=4)
def _file_prices(path: str, changed: int) -> Mapping[str, Price]:
    try:
        read = json.loads(Path(path).read_text("utf-8"))
        return {str(model): Price(**stated) for model, stated in read.items()}
    except (AttributeError, TypeError, ValueError, OSError) as error:
        raise UsageError(
            f"{path}, the file of MELLEA_PRICING_FILE, has no prices: {error}",
            hint='Write US dollars for a million tokens: {"my-model": {"input": 0.5, "output": 1.5}}.',
        ) from error


# Whose answer it is


def reachable_backends(backend: ModelAPI) -> Iterator[ModelAPI]:
    """Iterate over the backends that may answer: those behind a composition, or the backend itself."""
    if not backend.inner_backends:
        yield backend
    for inner in backend.inner_backends:
        yield from reachable_backends(inner)


def note_asked(backend: ModelAPI) -> None:
    """Note which of its backends a composition asks."""
    _asked.set(backend)


def answered_by(backend: ModelAPI) -> ModelAPI:
    """Return the backend that has answered in this task: of a composition, the one that it asked last."""
    if not backend.inner_backends:
        return backend
    reachable = list(reachable_backends(backend))
    asked = reachable[0] if len(reachable) == 1 else _asked.get()
    return asked if asked is not None and any(asked is each for each in reachable) else backend
