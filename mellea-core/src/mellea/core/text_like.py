"""What an output and a message have in common with the text that they hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

__all__ = ["TextLike"]

_TEXT_METHODS = frozenset(name for name in dir(str) if not name.startswith("_"))


class TextLike:
    """Compares, measures and formats like its text, and says where the text is when asked for more."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(str(self))

    def __contains__(self, part: object) -> bool:
        return isinstance(part, str | TextLike) and str(part) in str(self)

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    if not TYPE_CHECKING:  # a type checker should still find these mistakes before the program runs

        def __getattr__(self, name: str) -> NoReturn:
            kind = type(self).__name__
            if name in _TEXT_METHODS:
                raise AttributeError(
                    f"{kind!r} object has no attribute {name!r}: it is no str. Use .text.{name}(...)",
                    name=name,
                    obj=self,
                )
            raise AttributeError(f"{kind!r} object has no attribute {name!r}", name=name, obj=self)

        def _no_text(self, *_: Any) -> NoReturn:
            raise TypeError(f"{type(self).__name__} is no str and cannot do this. Its text can: .text")

        __add__ = __radd__ = __mul__ = __rmul__ = __mod__ = __getitem__ = _no_text
        __lt__ = __le__ = __gt__ = __ge__ = _no_text
