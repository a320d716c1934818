"""How a request differs from the ones that were recorded, in words."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

__all__ = ["nearest_difference"]

_SHOWN = 3
_AROUND = 30


def nearest_difference(request: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> str:
    """Return how a request differs from the one of the others that is most like it."""
    asked = dict(_leaves(request))
    known = max((dict(_leaves(other)) for other in others), key=lambda leaves: _likeness(asked, leaves))
    changed = [
        where for where in {**known, **asked} if known.get(where, _ABSENT) != asked.get(where, _ABSENT)
    ]
    parts = [
        _difference(where, known.get(where, _ABSENT), asked.get(where, _ABSENT)) for where in changed[:_SHOWN]
    ]
    more = f"; and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return f"The nearest recorded one differs in {'; '.join(parts) or 'an empty list or object'}{more}"


_ABSENT = object()


def _leaves(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Iterate over the plain values inside a JSON value, each with the way to it."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f"{where}.{key}" if where else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{where}[{index}]")
    else:
        yield where, value


def _likeness(asked: Mapping[str, Any], known: Mapping[str, Any]) -> float:
    """Return how much of two requests is equal; a text that differs counts by what it has in common."""
    likeness = 0.0
    for where, value in asked.items():
        other = known.get(where, _ABSENT)
        if value == other:
            likeness += 1
        elif isinstance(value, str) and isinstance(other, str):
            likeness += (
                difflib.SequenceMatcher(None, value[:500], other[:500], autojunk=False).quick_ratio() * 0.9
            )
    return likeness - 0.5 * len(known.keys() - asked.keys())


def _difference(where: str, known: Any, asked: Any) -> str:
    start = 0
    if isinstance(known, str) and isinstance(asked, str):
        same = next(
            (index for index, (a, b) in enumerate(zip(known, asked, strict=False)) if a != b),
            min(len(known), len(asked)),
        )
        start = max(0, same - _AROUND)
    return f"{where}: recorded {_excerpt(known, start)}, asked {_excerpt(asked, start)}"


def _excerpt(value: Any, start: int) -> str:
    if value is _ABSENT:
        return "nothing"
    if not isinstance(value, str):
        return json.dumps(value)
    cut = value[start : start + 3 * _AROUND]
    return repr(f"{'...' if start else ''}{cut}{'...' if len(value) > start + 3 * _AROUND else ''}")
