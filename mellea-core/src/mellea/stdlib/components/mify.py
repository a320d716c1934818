"""``mify``: make any class or object one that a model can be asked about.

A class gets a subclass of the same name; an object gets a view that behaves as the object does and hands
everything on to it. Neither the class nor the object that is passed in changes.
"""

from __future__ import annotations

import copy
import functools
import inspect
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypedDict, TypeVar, Unpack, overload, runtime_checkable

from attrs import field, frozen

from mellea.core.component import Component, Span, TemplateRepresentation
from mellea.core.errors import UsageError
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.components.mobject import (
    FOREIGN_MODULES,
    PROTOCOL_NAMES,
    MethodTool,
    MObjectProtocol,
    Query,
    Transform,
    is_span,
    tools_of,
)

__all__ = ["Mified", "MifiedProtocol", "MifySettings", "mify"]

T = TypeVar("T")


def _names(value: Iterable[str] | None) -> frozenset[str] | None:
    if isinstance(value, str):
        raise UsageError(f"{value!r} is one text, not a set of names.", hint=f"Pass {{{value!r}}}.")
    return None if value is None else frozenset(value)


@frozen
class Mified:
    """How an object shows itself: what ``mify`` was told."""

    query_type: type[Query] = Query
    transform_type: type[Transform] = Transform
    fields_include: frozenset[str] | None = field(default=None, converter=_names)
    fields_exclude: frozenset[str] | None = field(default=None, converter=_names)
    funcs_include: frozenset[str] | None = field(default=None, converter=_names)
    funcs_exclude: frozenset[str] | None = field(default=None, converter=_names)
    template: str | None = None
    template_order: Sequence[str] | None = None
    parsing_func: Callable[[str], Any] | None = None
    stringify_func: Callable[[Any], str] | None = None

    def fields_of(self, obj: Any) -> dict[str, Any]:
        """Return the chosen fields of an object, in the order of their definition.

        Raises:
            UsageError: ``fields_include`` names no field.
        """
        names = _field_names(obj)
        if self.fields_include is not None:
            if unknown := sorted(name for name in self.fields_include if not hasattr(obj, name)):
                raise UsageError(
                    f"{type(obj).__name__} has no field {', '.join(unknown)}.", hint="Correct fields_include."
                )
            chosen = [name for name in names if name in self.fields_include]
            names = [*chosen, *sorted(self.fields_include - set(chosen))]
        return {name: getattr(obj, name) for name in names if name not in (self.fields_exclude or ())}

    def content_of(self, obj: Any) -> str | None:
        """Return the content of an object as one text; None when its fields say more."""
        if self.stringify_func is not None:
            return self.stringify_func(obj)
        cls: Any = type(obj)
        chosen = self.fields_include is not None or self.fields_exclude is not None
        says_nothing = cls.__str__ is object.__str__ and cls.__repr__ is object.__repr__
        return None if chosen or says_nothing else str(obj)


def _field_names(obj: Any) -> list[str]:
    """Return the names of the public data of an object."""
    names: dict[str, None] = {}
    for base in reversed(type(obj).__mro__):
        if base.__module__.split(".")[0] not in FOREIGN_MODULES and base is not _MObjectMethods:
            annotated = inspect.get_annotations(base).items()
            names |= {name: None for name, annotation in annotated if "ClassVar" not in str(annotation)}
            slots = base.__dict__.get("__slots__", ())
            names |= dict.fromkeys([slots] if isinstance(slots, str) else slots)
    names |= dict.fromkeys(getattr(obj, "__dict__", ()))
    return [name for name in names if not name.startswith("_") and hasattr(obj, name)]


class _MObjectMethods:
    """What makes an object an ``MObjectProtocol``; a plain class, so that it goes with every metaclass."""

    __slots__ = ()
    _is_prompt_machinery = True
    __mified__: Mified

    def _mified_object(self) -> Any:
        return self

    def content_as_string(self) -> str:
        """Return the object's content as text."""
        obj = self._mified_object()
        content = self.__mified__.content_of(obj)
        fields = {} if content is not None else self.__mified__.fields_of(obj)
        return (
            content
            if content is not None
            else "\n".join(f"{name}: {value}" for name, value in fields.items())
        )

    def get_query_object(self, query: str) -> Query:
        """Return a question about this object."""
        return self.__mified__.query_type(self, query)

    def get_transform_object(self, transformation: str) -> Transform:
        """Return a change of this object."""
        return self.__mified__.transform_type(self, transformation)

    def parts(self) -> list[Span]:
        """Return the spans among the chosen fields."""
        held = self.__mified__.fields_of(self._mified_object()).values()
        spread = [item for value in held for item in (value if isinstance(value, list | tuple) else (value,))]
        return [item for item in spread if is_span(item)]

    def format_for_llm(self) -> TemplateRepresentation:
        """Return content, fields and tools for the template."""
        mified, obj = self.__mified__, self._mified_object()
        fields = mified.fields_of(obj)
        ours = {"content": mified.content_of(obj), "fields": fields}
        own_template = mified.template is not None or mified.template_order is not None
        return TemplateRepresentation(
            self,
            {**ours, **fields} if own_template else {**fields, **ours},
            tools=self._mified_tools(),
            template=mified.template,
            template_order=list(mified.template_order or ("MObject",)),
        )

    def _mified_tools(self) -> Mapping[str, MethodTool]:
        return tools_of(self._mified_object(), self.__mified__.funcs_include, self.__mified__.funcs_exclude)

    def parse(self, computed: ModelOutputThunk[Any]) -> Any:
        """Return what an answer means: what ``parsing_func`` makes of its text, else the text.

        See ``Component.parse``.
        """
        return Component.parse(self, computed)

    def _parse(self, computed: ModelOutputThunk[Any]) -> Any:
        parsing = self.__mified__.parsing_func
        return parsing(str(computed)) if parsing is not None else str(computed)


@runtime_checkable
class MifiedProtocol(MObjectProtocol, Protocol):
    """An object that became queryable through ``mify``."""

    __mified__: Mified


class _View(_MObjectMethods):
    """An object seen as an ``MObjectProtocol``.

    Whatever is asked of it, or done to it, goes on to the object.
    """

    __slots__ = ("__mified__", "__object__", "__weakref__")
    __object__: Any

    def __init__(self, obj: Any, mified: Mified) -> None:
        object.__setattr__(self, "__object__", obj)
        object.__setattr__(self, "__mified__", mified)

    def _mified_object(self) -> Any:
        return self.__object__

    @property  # type: ignore[misc]  # isinstance asks for it, and the view is to pass for the object
    def __class__(self) -> Any:
        return type(self.__object__)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "__object__"), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.__object__, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self.__object__, name)

    def __dir__(self) -> list[str]:
        return sorted({*dir(self.__object__), *PROTOCOL_NAMES})

    def __copy__(self) -> Any:
        return _view(copy.copy(self.__object__), self.__mified__)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _view, (self.__object__, self.__mified__)


_COMPARED_AND_SHOWN = frozenset(
    f"__{name}__" for name in ["eq", "ne", "lt", "le", "gt", "ge", "hash", "str", "repr", "format"]
)
_OWN = frozenset(dir(_View)) - _COMPARED_AND_SHOWN | {"__del__", "__deepcopy__"}
"""Special methods of a view that do not go on to the object."""


@functools.lru_cache(maxsize=256)
def _view_type(cls: Any) -> type[_View]:
    """Return the views of a class's objects.

    Python looks special methods up on the type, so it has those of the class.
    """
    special = [
        name for name in dir(cls) if name.startswith("__") and name.endswith("__") and name not in _OWN
    ]
    methods = {name: _handed_on(name) for name in special if callable(getattr(cls, name, None))}
    unhashable = {"__hash__": None} if getattr(cls, "__hash__", None) is None else {}
    return type(
        cls.__name__, (_View,), {"__slots__": (), "__module__": cls.__module__, **methods, **unhashable}
    )


def _handed_on(name: str) -> Callable[..., Any]:
    def method(self: _View, *args: Any, **kwargs: Any) -> Any:
        obj = self.__object__
        others = [
            arg.__object__ if isinstance(type(arg), type) and issubclass(type(arg), _View) else arg
            for arg in args
        ]
        result = getattr(obj, name)(*others, **kwargs)
        return self if result is obj else result

    method.__name__ = name
    return method


def _view(obj: Any, mified: Mified) -> _View:
    cls: Any = type(obj)
    return _view_type(cls)(obj, mified)


def _subclass(cls: type, mified: Mified) -> type:
    """Return a subclass of the same name that is an ``MObjectProtocol``."""
    body: dict[str, Any] = {
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
        "__mified__": mified,
    }
    if not getattr(cls, "__dictoffset__", 1):
        body["__slots__"] = ()
    if not any(
        hasattr(cls, name) for name in ("__dataclass_fields__", "__attrs_attrs__", "__pydantic_fields__")
    ):
        body["__annotations__"] = dict(inspect.get_annotations(cls))  # @dataclass above @mify reads them here
    try:
        return types.new_class(
            cls.__name__, (cls, _MObjectMethods), exec_body=lambda namespace: namespace.update(body)
        )
    except TypeError as error:
        raise UsageError(
            f"{cls.__name__} cannot be mified: {error}.", hint="Use mify on its instances."
        ) from error


class MifySettings(TypedDict, total=False):
    """What ``mify`` takes beside the object."""

    query_type: type[Query]
    transform_type: type[Transform]
    fields_include: Iterable[str] | None
    fields_exclude: Iterable[str] | None
    funcs_include: Iterable[str] | None
    funcs_exclude: Iterable[str] | None
    template: str | None
    template_order: Sequence[str] | None
    parsing_func: Callable[[str], Any] | None
    stringify_func: Callable[[Any], str] | None


@overload
def mify(obj_or_class: None = None, /, **settings: Unpack[MifySettings]) -> Callable[[T], T]: ...
@overload
def mify(obj_or_class: T, /, **settings: Unpack[MifySettings]) -> T: ...
@overload
def mify(*, obj: T, **settings: Unpack[MifySettings]) -> T: ...
def mify(obj_or_class: Any = None, /, **settings: Any) -> Any:
    """Make a class or an object one that can be queried and transformed.

    Bare or with settings, as a decorator or as a function. The result of an object is a view of it: it shows
    later changes of the object, and passes for it wherever it is used. The result of a class is a subclass of
    the same name.

    Args:
        obj_or_class: What to mify. An object or a class that can be queried already is returned as it is.
        settings: ``query_type`` and ``transform_type``, the components that ask and change;
            ``fields_include`` and ``fields_exclude``, names of the fields to show (by default what ``str``
            says of the object, or all public fields if it says nothing); ``funcs_include`` and
            ``funcs_exclude``, names of the methods to offer as tools (by default the public ones with a
            docstring that does not hold ``[no-index]``); ``template``, an inline template that has the fields
            by name; ``template_order``, names of templates; ``parsing_func``, which makes an object of the
            text of a transformation; ``stringify_func``, which makes a text of the object. An object given
            as ``obj=...`` is changed in place and returned itself, as in the 0.8 line.

    Raises:
        UsageError: A setting is wrong, or the object has attributes of its own with the names that a
            component needs.
    """
    if "obj" in settings:
        return _mify_in_place(settings.pop("obj"), Mified(**settings))
    if unknown := sorted(settings.keys() - MifySettings.__annotations__.keys()):
        raise UsageError(
            f"mify has no setting {', '.join(unknown)}.", hint="Look at its documentation for those it has."
        )
    mified = Mified(**settings)
    return functools.partial(_mify, mified=mified) if obj_or_class is None else _mify(obj_or_class, mified)


def _mify_in_place(target: Any, mified: Mified) -> Any:
    """Return an object itself as one that can be queried; a view where Python does not let it change."""
    seen = _mify(target, mified)
    if seen is target or isinstance(target, type):
        return seen
    try:
        target.__class__ = _subclass(type(target), mified)
    except (TypeError, UsageError):
        return seen
    return target


def _mify(target: Any, mified: Mified) -> Any:
    cls = target if isinstance(target, type) else type(target)
    if all(hasattr(target, name) for name in ("get_query_object", "get_transform_object", "format_for_llm")):
        return target
    annotated = {name for base in cls.__mro__ for name in inspect.get_annotations(base)}
    if taken := sorted(name for name in PROTOCOL_NAMES if hasattr(target, name) or name in annotated):
        raise UsageError(
            f"{cls.__name__} has {', '.join(taken)} of its own, which means something else in a prompt.",
            hint="Rename it, or inherit from MObject; a component needs no mify.",
        )
    if isinstance(target, type):
        return _subclass(target, mified)
    mified.fields_of(target)
    tools_of(target, mified.funcs_include)
    return _view(target, mified)
