"""Annotations of a user's function.

Resolved to types, and shown to a model as a programmer would write them.
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ForwardRef, Literal, Union, get_args, get_origin

from mellea.core.errors import UsageError

__all__ = [
    "UnresolvedNameError",
    "captured_names",
    "format_annotation",
    "format_head",
    "resolve_annotations",
    "with_docstring",
]


class UnresolvedNameError(UsageError):
    """An annotation names something that does not exist (yet)."""

    def __init__(self, owner: str, error: Exception) -> None:
        super().__init__(
            f"An annotation of {owner} cannot be resolved: {error}.",
            hint="Define the name at module level, and import it outside `if TYPE_CHECKING:`.",
        )


def resolve_annotations(owner: Any, names: Mapping[str, Any]) -> dict[str, Any]:
    """Return the annotations of a function or class as types.

    Args:
        owner: The function or class.
        names: Names of the place where it is defined that its module does not have.

    Raises:
        UnresolvedNameError: An annotation names something that does not exist (yet).
        UsageError: An annotation is no type.
    """
    name = getattr(owner, "__qualname__", repr(owner))
    try:
        return typing.get_type_hints(owner, localns=dict(names) or None, include_extras=True)
    except NameError as error:
        raise UnresolvedNameError(name, error) from error
    except Exception as error:
        raise UsageError(
            f"An annotation of {name} is no type: {error}.", hint="Correct the annotation."
        ) from error


def captured_names(function: Callable[..., Any], frame: types.FrameType | None) -> dict[str, Any]:
    """Return the local names of a frame that a function's annotations speak of.

    What its module alone does not know.
    """
    if frame is None or frame.f_locals is frame.f_globals:
        return {}
    spoken = set(re.findall(r"\w+", " ".join(map(str, inspect.get_annotations(function).values()))))
    return {name: value for name, value in frame.f_locals.items() if name in spoken}


def format_head(
    function: Callable[..., Any], parameters: list[inspect.Parameter], hints: Mapping[str, Any]
) -> str:
    """Return the head of a function, as it would be without ``from __future__ import annotations``."""
    signature = inspect.Signature(
        [
            parameter.replace(annotation=_Shown.of(parameter.name, hints), default=_default(parameter))
            for parameter in parameters
        ],
        return_annotation=_Shown.of("return", hints),
    )
    head = "async def" if inspect.iscoroutinefunction(function) else "def"
    return f"{head} {function.__name__}{signature}:"


def with_docstring(head: str, doc: str | None) -> str:
    """Return the head of a function with a docstring below it."""
    lines = [head]
    if doc and "\n" in doc:
        lines += ['    """', *(f"    {line}".rstrip() for line in doc.split("\n")), '    """']
    else:
        lines.append(f'    """{doc}"""' if doc else "    ...")
    return "\n".join(lines)


class _Shown:
    """Text that ``inspect.Signature`` shows as it is, without quotes."""

    def __init__(self, text: str) -> None:
        self._text = text

    @classmethod
    def of(cls, name: str, hints: Mapping[str, Any]) -> Any:
        return cls(format_annotation(hints[name])) if name in hints else inspect.Signature.empty

    def __repr__(self) -> str:
        return self._text


_PLAIN = (str, int, float, bool, bytes, type(None), tuple, list, dict, set, frozenset)


def _default(parameter: inspect.Parameter) -> Any:
    """Return the default as the prompt shows it.

    An address in memory says nothing and differs from run to run.
    """
    if parameter.default is inspect.Parameter.empty or isinstance(parameter.default, _PLAIN):
        return parameter.default
    return _Shown("..." if " at 0x" in repr(parameter.default) else repr(parameter.default))


def format_annotation(annotation: Any) -> str:
    """Return an annotation as a programmer would write it, without module names."""
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation is None or annotation is type(None):
        return "None"
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, ForwardRef):
        return annotation.__forward_arg__
    if origin is Annotated:
        return format_annotation(args[0])
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, args))}]"
    if origin is Union or origin is types.UnionType:
        return " | ".join(format_annotation(arg) for arg in args)
    if origin is not None and args:
        inner = ", ".join(_shown_argument(arg) for arg in args)
        return f"{getattr(origin, '__name__', str(origin))}[{inner}]"
    if isinstance(annotation, type):
        return annotation.__name__
    return str(annotation).replace("typing.", "")


def _shown_argument(argument: Any) -> str:
    if isinstance(argument, list):
        return f"[{', '.join(map(format_annotation, argument))}]"
    return "..." if argument is Ellipsis else format_annotation(argument)
