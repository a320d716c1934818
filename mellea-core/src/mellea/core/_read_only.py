"""Lists and mappings that look like any other, and cannot be changed in place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, TypeVar

__all__ = ["read_only_list", "read_only_mapping"]

T = TypeVar("T")


class _NotInPlaceError(TypeError):
    pass


def _refuse(*_: Any, **__: Any) -> NoReturn:
    raise _NotInPlaceError(
        "A payload is not changed in place. Return a changed copy: "
        "modify(payload, model_options={**payload.model_options, ...})."
    )


class _ReadOnlyList(list[T]):
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse
    __delitem__ = __iadd__ = __imul__ = __setitem__ = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (tuple(self),)


class _ReadOnlyDict(dict[str, T]):
    clear = pop = popitem = setdefault = update = _refuse
    __delitem__ = __ior__ = __setitem__ = _refuse

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (tuple(self.items()),)


def read_only_list(values: Iterable[Any] | None) -> list[Any] | None:
    """Return a copy that cannot be changed; None for None."""
    return values if values is None or type(values) is _ReadOnlyList else _ReadOnlyList(values)


def read_only_mapping(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return a copy that cannot be changed; None for None."""
    return values if values is None or type(values) is _ReadOnlyDict else _ReadOnlyDict(values)
