"""What an output and a message have in common with the text that they hold."""

from __future__ import annotations

from inspect import getattr_static
from typing import TYPE_CHECKING, Any, NoReturn

__all__ = ["TextLike"]


class _NoMethod:
    """A method that texts have, and their holders have not.

    A ``__getattr__`` could say so too, and would make each look at any attribute slower.

    Args:
        name: The method.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, holder: object, kind: type) -> NoReturn:
        name = self._name
        if holder is None:
            raise AttributeError(
                f"type object {kind.__name__!r} has no attribute {name!r}", name=name, obj=kind
            )
        raise AttributeError(
            f"{kind.__name__!r} object has no attribute {name!r}: it is no str. Use .text.{name}(...)",
            name=name,
            obj=holder,
        )


class TextLike:
    """Compares, measures and formats like its text, and says where the text is when asked for more."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(str(self))

    def __contains__(self, part: object) -> bool:
        return isinstance(part, str | TextLike) and str(part) in str(self)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __dir__(self) -> list[str]:
        kind = type(self)
        return [
            name for name in super().__dir__() if not isinstance(getattr_static(kind, name, 0), _NoMethod)
        ]

    if not TYPE_CHECKING:  # a type checker should still find these mistakes before the program runs

        def _no_text(self, *_: Any) -> NoReturn:
            raise TypeError(f"{type(self).__name__} is no str and cannot do this. Its text can: .text")

        __add__ = __radd__ = __mul__ = __rmul__ = __mod__ = __getitem__ = _no_text
        __lt__ = __le__ = __gt__ = __ge__ = _no_text


for _name in dir(str):
    if not _name.startswith("_"):
        setattr(TextLike, _name, _NoMethod(_name))
