"""What an engine in this process says of itself, as metrics that are read when they are sent.

Any backend that has ``stats()`` may say it; what it returns is looked at by the names of its attributes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from weakref import WeakValueDictionary

from mellea.telemetry.instruments import meter_of

__all__ = ["EngineGauges"]

_GAUGES = {
    "read_tokens": ("{token}", "Tokens of prompts that were computed."),
    "reused_tokens": ("{token}", "Tokens of prompts that were kept from before."),
    "written_tokens": ("{token}", "Tokens of answers."),
    "guessed_tokens": ("{token}", "Tokens that were computed ahead, by what followed the same words before."),
    "right_tokens": ("{token}", "How many of those were taken."),
    "steps": ("{step}", "Passes through the model."),
    "queue_seconds": ("s", "How long requests waited, all together."),
    "queue_longest": ("s", "How long the request waited that waited longest."),
    "running": ("{request}", "Requests that are computed at the moment."),
    "waiting": ("{request}", "Requests that wait for their turn."),
    "cached_tokens": ("{token}", "Tokens whose keys and values are kept."),
    "cached_bytes": ("By", "What they take."),
    "row_bytes": ("By", "What the requests under way take besides."),
}


class EngineGauges:
    """Gauges of the engines of backends.

    Args:
        provider: Whose meter; by default the program's.
    """

    def __init__(self, provider: Any = None) -> None:
        self._provider = provider
        self._backends: WeakValueDictionary[int, Any] = WeakValueDictionary()
        self._gauges: list[Any] = []

    def watch(self, backend: Any) -> None:
        """Read what a backend says from now on, if it has something to say."""
        for one in (backend, *getattr(backend, "inner_backends", ())):
            if callable(getattr(one, "stats", None)) and (number := id(one)) not in self._backends:
                self._backends[number] = one
                if not self._gauges:
                    self._make()

    def _make(self) -> None:
        meter = meter_of(self._provider)
        for name, (unit, description) in _GAUGES.items():
            read = [self._reader(name)]
            self._gauges.append(
                meter.create_observable_gauge(f"mellea.engine.{name}", read, unit, description)
            )

    def _reader(self, name: str) -> Callable[[Any], Iterator[Any]]:
        from opentelemetry.metrics import Observation  # noqa: PLC0415  an extra

        def read(_: Any) -> Iterator[Any]:
            for kept in self._backends.valuerefs():  # at once: threads add meanwhile
                if (backend := kept()) is None:
                    continue
                value = None
                with suppress(Exception):  # one that is closed says nothing, and the others do
                    value = getattr(backend.stats(), name, None)
                if isinstance(value, int | float):
                    known = {
                        "gen_ai.provider.name": backend.provider,
                        "gen_ai.request.model": backend.model_id,
                    }
                    yield Observation(value, known)

        return read
