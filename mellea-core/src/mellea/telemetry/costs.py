"""What a program spends: tokens and dollars, by model, step, requirement and session."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import ref

from attrs import evolve, field, frozen

from mellea.core.billing import Spent, answered_by, cost_of
from mellea.core.hook_handlers import HookType
from mellea.core.hooks import enter_around, leave_around
from mellea.core.price import Price
from mellea.core.response import Usage, as_usage
from mellea.plugins import Plugin
from mellea.telemetry.attributes import workflow_name
from mellea.telemetry.observing import LAST, observes

__all__ = ["Bill", "Costs"]


@frozen
class Bill:
    """What was spent so far. ``print(bill)`` shows it as a table.

    Args:
        total: All of it.
        models: By ``provider/model``.
        steps: By verb or typed function; what is asked outside of one has no step.
        requirements: What judging took, by requirement; it is part of the rest.
        sessions: By the session's id.
    """

    total: Spent = field(factory=Spent)
    models: Mapping[str, Spent] = field(factory=dict)
    steps: Mapping[str, Spent] = field(factory=dict)
    requirements: Mapping[str, Spent] = field(factory=dict)
    sessions: Mapping[str, Spent] = field(factory=dict)

    @property
    def cost(self) -> float | None:
        """US dollars, of what has a known price; None if nothing has."""
        return self.total.cost

    @property
    def usage(self) -> Usage:
        """Tokens."""
        return self.total.usage

    def __str__(self) -> str:
        lines = [f"total: {self.total}"]
        for title, parts in (
            ("by model", self.models),
            ("by step", self.steps),
            ("judging, by requirement", self.requirements),
            ("by session", self.sessions if len(self.sessions) > 1 else {}),
        ):
            if parts:
                lines += [f"{title}:", *(f"  {name}: {spent}" for name, spent in parts.items())]
        return "\n".join(lines)


class Costs(Plugin, name="costs", priority=LAST):
    """Counts tokens and money of everything that the sessions ask which it is attached to.

    ``costs = Costs()``, ``start_session(plugins=[costs])``, and at any time ``print(costs.bill)``. A price
    that nobody knows is counted as unknown, never as nothing; models on this machine cost nothing.

    Args:
        prices: What models cost, by their names, where neither their backends nor the table of prices says.
    """

    def __init__(self, prices: Mapping[str, Price] | None = None) -> None:
        self._prices = dict(prices or {})
        self._lock = threading.Lock()
        self._bill = Bill()
        self._steps: dict[str, str] = {}
        self._step: ContextVar[str | None] = ContextVar("mellea_step", default=None)
        self._requests: dict[int, tuple[ref[Any], Usage | None, float | None]] = {}
        """What requests took that somebody keeps, by the ids of these."""

    @property
    def bill(self) -> Bill:
        """What was spent so far: a value that does not change any more."""
        return self._bill

    def __str__(self) -> str:
        return str(self._bill)

    async def initialize(self) -> None:
        """Tell steps apart from now on."""
        enter_around(self._within)

    async def shutdown(self) -> None:
        """Forget what is under way."""
        leave_around(self._within)
        self._steps.clear()

    @contextmanager
    def _within(self, call_id: str) -> Iterator[None]:
        name = self._steps.get(call_id)
        if name is None or self._step.get() is not None:  # a verb within a verb is part of that
            yield
            return
        token = self._step.set(name)
        try:
            yield
        finally:
            self._step.reset(token)

    @observes(HookType.COMPONENT_PRE_EXECUTE)
    def _step_begins(self, payload: Any, _: Any) -> None:
        self._steps[payload.action_id] = workflow_name(payload.component_type, payload.action)

    @observes(HookType.STREAMING_START)
    def _stream_begins(self, payload: Any, _: Any) -> None:
        self._steps[payload.streaming_id] = "stream"

    @observes(HookType.STREAMING_END)
    def _stream_ends(self, payload: Any, _: Any) -> None:
        self._steps.pop(payload.streaming_id, None)

    @observes(HookType.COMPONENT_POST_SUCCESS)
    @observes(HookType.COMPONENT_POST_ERROR)
    def _step_ends(self, payload: Any, _: Any) -> None:
        self._steps.pop(payload.action_id, None)

    @observes(HookType.GENERATION_POST_CALL)
    @observes(HookType.GENERATION_ERROR)
    def _generation_ends(self, payload: Any, _: Any) -> None:
        output = payload.model_output
        usage = None if output is None else as_usage(output.generation.usage)
        failed = payload.hook == HookType.GENERATION_ERROR
        if payload.sample_index or (failed and usage is None):  # counted with the first, or nothing is known
            return
        model = output.generation.response_model if output is not None else None
        self._count(payload, usage, model)

    @observes(HookType.GENERATION_BATCH_POST_CALL)
    def _batch_ends(self, payload: Any, _: Any) -> None:
        known = [as_usage(output.generation.usage) for output in payload.model_outputs]
        self._count(payload, payload.usage if any(usage is not None for usage in known) else None, None)

    @observes(HookType.GENERATION_EVENT)
    def _event(self, payload: Any, _: Any) -> None:
        data = payload.data
        if payload.event_name == "embeddings" and data["exception"] is None:
            self._add(payload.session_id, data["backend"], data["request"], data["usage"], None)

    def _count(self, payload: Any, usage: Usage | None, model: str | None) -> None:
        self._add(payload.session_id, payload.backend, payload.request, usage, model)

    def _add(
        self, session_id: str | None, asked: Any, request: Any, usage: Usage | None, model: str | None
    ) -> None:
        backend = answered_by(asked)
        cost = cost_of(usage, backend, model, self._prices)
        places = {
            "models": f"{backend.provider}/{backend.model_id}",
            "steps": self._step.get(),
            "sessions": session_id,
        }
        with self._lock:
            bill = evolve(self._bill, total=self._bill.total.plus(usage, cost))
            for part, name in places.items():
                if name:
                    bill = _with(bill, part, name, usage, cost)
            self._bill = bill
            if request is not None:
                number = id(request)
                kept = ref(request, lambda _: self._requests.pop(number, None))
                self._requests[number] = kept, usage, cost

    @observes(HookType.VALIDATION_POST_CHECK)
    def _checks_end(self, payload: Any, _: Any) -> None:
        for requirement, result in zip(payload.requirements, payload.results, strict=False):
            if result.usage is None or result.thunk is None:
                continue
            cost = self._share(result.usage, result.thunk.sent)
            with self._lock:
                self._bill = _with(self._bill, "requirements", requirement.name, result.usage, cost)

    def _share(self, usage: Usage, sent: Any) -> float | None:
        """Return what tokens cost at the price of a request; None if nobody knows."""
        kept, whole, cost = self._requests.get(id(sent), (None, None, None))
        if kept is None or kept() is not sent or cost is None or whole is None:
            return None
        return cost * usage.total_tokens / whole.total_tokens if whole.total_tokens else cost


def _with(bill: Bill, part: str, name: str, usage: Usage | None, cost: float | None) -> Bill:
    parts: Mapping[str, Spent] = getattr(bill, part)
    changed: Any = {part: {**parts, name: parts.get(name, Spent()).plus(usage, cost)}}
    return evolve(bill, **changed)
