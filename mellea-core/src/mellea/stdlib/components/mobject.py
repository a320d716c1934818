"""Objects that a model can be asked about: their content becomes text, their methods tools.

An object of the program takes part in a prompt through ``Query`` (a question about it) or ``Transform`` (a
change of it). Inherit from ``MObject``, or use ``mify`` on classes and objects that know nothing of prompts.
"""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

from attrs import define, evolve, frozen, setters

from mellea.core.blocks import CBlock
from mellea.core.component import Component, Span, TemplateRepresentation, is_component
from mellea.core.errors import UsageError
from mellea.core.sources import USER, Sources
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib._tool_parameters import ToolParameters

__all__ = ["MObject", "MObjectProtocol", "MethodTool", "Query", "Transform", "is_span", "tools_of"]

NO_INDEX = "[no-index]"
"""A method with this tag in its docstring is no tool."""
PROTOCOL_NAMES = frozenset(
    {
        "parts",
        "format_for_llm",
        "parse",
        "_parse",
        "get_query_object",
        "get_transform_object",
        "content_as_string",
    }
)
"""What an object has to have to take part in prompts."""
FOREIGN_MODULES = frozenset({"builtins", "abc", "typing", "pydantic", "enum", "collections"})
"""Modules whose classes bring methods that say nothing of the object."""


def is_span(value: object) -> bool:
    """Tell whether a value of a program is a span; a class whose instances are spans is none."""
    return isinstance(value, CBlock | ModelOutputThunk) or (
        is_component(value) and not isinstance(value, type)
    )


@frozen
class MethodTool:
    """A method of an object as a tool.

    Args:
        name: The method's name.
        function: The bound method.
    """

    name: str
    function: Callable[..., Any]

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Call the method."""
        return self.function(*args, **kwargs)

    @property
    def as_json_tool(self) -> dict[str, Any]:
        """The function schema that providers take: name, description and parameters.

        Raises:
            UsageError: A parameter's annotation cannot be resolved or written as JSON.
        """
        made = self._parameters()
        described = {
            "name": self.name,
            "description": made.described[0],
            "parameters": copy.deepcopy(dict(made.schema)),
        }
        return {"type": "function", "function": described}

    def arguments(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return arguments as the method takes them.

        Args:
            given: What a model gave, by name.

        Raises:
            ToolArgumentsError: They do not fit.
        """
        return self._parameters().check(self.name, given)

    def _parameters(self) -> ToolParameters:
        return _parameters(getattr(self.function, "__func__", self.function))


@functools.lru_cache(maxsize=256)
def _parameters(function: Callable[..., Any]) -> ToolParameters:
    return ToolParameters(function)


def tools_of(
    obj: Any, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
) -> dict[str, MethodTool]:
    """Return the methods of an object as tools.

    The public ones with a docstring, in the order of their definition.

    Args:
        obj: The object.
        include: The only names to take; a method named here needs no docstring.
        exclude: Names to leave out.

    Raises:
        UsageError: ``include`` names no method.
    """
    methods = _method_names(type(obj))
    if include is None:
        chosen = [name for name in methods if not name.startswith("_") and _is_told(getattr(obj, name))]
    else:
        wanted = set(include)
        if unknown := sorted(name for name in wanted if not callable(getattr(obj, name, None))):
            raise UsageError(
                f"{type(obj).__name__} has no method {', '.join(unknown)}.", hint="Correct funcs_include."
            )
        chosen = [*(name for name in methods if name in wanted), *sorted(wanted - methods.keys())]
    left_out = set(exclude or ())
    return {name: MethodTool(name, getattr(obj, name)) for name in chosen if name not in left_out}


def _method_names(cls: type) -> dict[str, None]:
    names: dict[str, None] = {}
    for base in reversed(cls.__mro__):
        if base.__module__.split(".")[0] not in FOREIGN_MODULES and not base.__dict__.get(
            "_is_prompt_machinery", False
        ):
            names |= {
                name: None
                for name, member in vars(base).items()
                if isinstance(member, staticmethod | classmethod) or inspect.isfunction(member)
            }
    ours = {*PROTOCOL_NAMES, *vars(MObject)} if issubclass(cls, MObject) else PROTOCOL_NAMES
    return {name: None for name in names if name not in ours}


def _is_told(method: Any) -> bool:
    doc = inspect.getdoc(method)
    return bool(doc) and NO_INDEX not in str(doc)


@runtime_checkable
class MObjectProtocol(Protocol):
    """An object that can be queried and transformed."""

    def parts(self) -> list[Span]:
        """Return the spans that the object holds."""
        ...

    def format_for_llm(self) -> TemplateRepresentation | str:
        """Return the object's content and tools."""
        ...

    def get_query_object(self, query: str) -> Query:
        """Return a question about this object."""
        ...

    def get_transform_object(self, transformation: str) -> Transform:
        """Return a change of this object."""
        ...

    def content_as_string(self) -> str:
        """Return the object's content as text."""
        ...

    def _parse(self, computed: ModelOutputThunk[Any]) -> Any:
        """Return what an answer means to the object."""
        ...


def _representation(
    obj: Any, args: Mapping[str, Any], names: list[str], component: Any
) -> TemplateRepresentation:
    """Return what a query or a transformation shows: the object, its tools and its media."""
    shown = obj.format_for_llm() if is_component(obj) else None
    whole = shown if isinstance(shown, TemplateRepresentation) else TemplateRepresentation(component)
    return evolve(
        whole, obj=component, args=args, template=None, template_order=names, fields=None, role=None
    )


def _sourced(obj: Any, asked: str | Span) -> Iterator[tuple[Any, Sources]]:
    yield obj, Sources.of("document", type(obj).__name__)
    yield asked, USER


@define(eq=False, slots=False, on_setattr=setters.frozen)
class Query(Component[str]):
    """A question about an object.

    Args:
        obj: The object: an ``MObject``, a mified object, or any other span.
        query: The question.
    """

    obj: Any
    query: str | Span

    def parts(self) -> list[Span]:
        """Return the object, and the question where it is more than a text."""
        return [self.obj] if isinstance(self.query, str) else [self.obj, self.query]

    def sourced_parts(self) -> Iterator[tuple[Any, Sources]]:
        """Iterate over object and question: the object is other people's unless it says otherwise."""
        yield from _sourced(self.obj, self.query)

    def format_for_llm(self) -> TemplateRepresentation:
        """Return object and question for the template, with the object's tools."""
        return _representation(self.obj, {"content": self.obj, "query": self.query}, ["*", "Query"], self)

    def _parse(self, computed: ModelOutputThunk[Any]) -> str:
        return str(computed)


@define(eq=False, slots=False, on_setattr=setters.frozen)
class Transform(Component[Any]):
    """A change of an object; the answer is read by the object, where it can read text.

    Args:
        obj: The object: an ``MObject``, a mified object, or any other span.
        transformation: The change.
    """

    obj: Any
    transformation: str | Span

    def parts(self) -> list[Span]:
        """Return the object, and the change where it is more than a text."""
        return [self.obj] if isinstance(self.transformation, str) else [self.obj, self.transformation]

    def sourced_parts(self) -> Iterator[tuple[Any, Sources]]:
        """Iterate over object and change: the object is other people's unless it says otherwise."""
        yield from _sourced(self.obj, self.transformation)

    def format_for_llm(self) -> TemplateRepresentation:
        """Return object and change for the template, with the object's tools."""
        args = {"content": self.obj, "transformation": self.transformation}
        return _representation(self.obj, args, ["*", "Transform"], self)

    def _parse(self, computed: ModelOutputThunk[Any]) -> Any:
        reads = hasattr(self.obj, "get_transform_object") and not computed.tool_calls
        return self.obj.parse(computed) if reads else str(computed)


class MObject(Component[Any]):
    """Base of objects that can be queried and transformed.

    Subclasses say with ``content_as_string`` what they hold.

    Args:
        query_type: The component that asks about the object.
        transform_type: The component that changes it.
    """

    _is_prompt_machinery = True

    query_type: type[Query] = Query
    transform_type: type[Transform] = Transform

    def __init__(
        self, *, query_type: type[Query] = Query, transform_type: type[Transform] = Transform
    ) -> None:
        self.query_type = query_type
        self.transform_type = transform_type

    def content_as_string(self) -> str:
        """Return the object's content as text: by default what ``str`` says."""
        return str(self)

    def tools(self) -> Mapping[str, MethodTool]:
        """Return the methods offered to a model, by name."""
        return tools_of(self)

    def get_query_object(self, query: str) -> Query:
        """Return a question about this object."""
        return self.query_type(self, query)

    def get_transform_object(self, transformation: str) -> Transform:
        """Return a change of this object."""
        return self.transform_type(self, transformation)

    def parts(self) -> list[Span]:
        """Return nothing; override it in an object that holds spans."""
        return []

    def format_for_llm(self) -> TemplateRepresentation:
        """Return the content and the tools for the template."""
        args = {"content": self.content_as_string(), "fields": {}}
        return TemplateRepresentation(self, args, tools=self.tools(), template_order=["*", "MObject"])

    def _parse(self, computed: ModelOutputThunk[Any]) -> Any:
        return str(computed)
