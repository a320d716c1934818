"""Tools: what a model may call, and how a call of one is carried out.

``AbstractMelleaTool`` is what a program implements, or anything that looks like it. ``Tool`` is what the rest
of this project works with: one frozen value that knows its JSON form, and checks arguments before the
function sees them.
"""

from __future__ import annotations

import inspect
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, cast

from attrs import define, field, setters

from mellea.core.errors import ToolArgumentsError, UsageError
from mellea.core.event_loop import run_sync

if TYPE_CHECKING:
    from mellea.core.sources import Sources

__all__ = ["AbstractMelleaTool", "Check", "Tool", "check_names", "named_tools"]

P = ParamSpec("P")
R = TypeVar("R")
Check = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""Returns the arguments as a function takes them, or raises a ``ToolArgumentsError``."""

_NAME = re.compile(r"[A-Za-z0-9_./:-]{1,128}")
_SCALARS = (str, int, float, bool)


class AbstractMelleaTool(ABC, Generic[P, R]):
    """Something that a model may call.

    A subclass has a ``name``, on the class or the instance.
    """

    name: str

    @abstractmethod
    def run(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Carry out a call."""

    @property
    @abstractmethod
    def as_json_tool(self) -> dict[str, Any]:
        """The function schema that providers take: name, description and parameters."""


def _is_name(_: object, attribute: Any, value: Any) -> None:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise UsageError(
            f"{value!r} is no name of a tool.",
            hint="Give it one of up to 128 letters, digits and the signs _ - . / : with name=...",
        )


@define(eq=False, slots=False, on_setattr=setters.frozen)
class Tool(AbstractMelleaTool[..., Any]):
    """A function that a model may call.

    Args:
        name: The name that the model calls it by.
        tool_call: The function; it gets the arguments by name, and may be a coroutine function.
        as_json_tool: The function schema: ``{"type": "function", "function": {"name", "description",
            "parameters"}}``.
        check: Makes the function's arguments of those that a model gave. By default they are held against the
            schema, with texts read as numbers where it wants numbers.
        timeout: The longest that a call may take, in seconds; None leaves that to the runner.
        side_effects: Whether a call changes something beyond its result, or tells somebody something.
        trusted: Whether what it returns is as good as the arguments that it is given, such as a calculator's.
        content: Arguments that only carry content, such as a letter's text: it does not matter where they
            come from.
        origin: Who describes the tool and gives its results, where that is not the program, as in
            ``Sources.of("mcp", "server")``.
        source: What a call shows as its tool; by default the tool itself.

    Raises:
        UsageError: The name is none, or the schema is no mapping.
    """

    name: str = field(validator=_is_name)
    function: Callable[..., Any] = field(alias="tool_call", repr=False)
    _json: Mapping[str, Any] = field(alias="as_json_tool", repr=False)
    _check: Check | None = field(default=None, alias="check", repr=False, kw_only=True)
    timeout: float | None = field(default=None, kw_only=True)
    side_effects: bool = field(default=False, kw_only=True)
    trusted: bool = field(default=False, kw_only=True)
    content: frozenset[str] = field(default=frozenset(), kw_only=True, converter=frozenset)
    origin: Sources | None = field(default=None, kw_only=True)
    _source: Any = field(default=None, alias="source", repr=False, kw_only=True)

    @classmethod
    def of(cls, tool: object) -> Tool:
        """Return a tool as this value.

        That is itself, or one made of what has ``name``, ``run`` and ``as_json_tool``. A method
        ``arguments``, if there is one, checks what a model gives; ``side_effects`` means what it does here.

        Raises:
            UsageError: It is no tool.
        """
        if isinstance(tool, Tool):
            return tool
        name, run, described = (getattr(tool, part, None) for part in ("name", "run", "as_json_tool"))
        if not isinstance(name, str) or not callable(run) or not isinstance(described, Mapping):
            shown = getattr(tool, "__name__", None) or type(tool).__name__
            raise UsageError(
                f"{shown} is no tool.", hint="Make one of a function with mellea.stdlib.tools.tool(function)."
            )
        check = getattr(tool, "arguments", None)
        return Tool(
            name,
            run,
            described,
            check=check if callable(check) else None,
            side_effects=getattr(tool, "side_effects", False) is True,
            source=tool,
        )

    @property
    def source(self) -> Any:
        """What a call of it shows as its tool."""
        return self if self._source is None else self._source

    @property
    def as_json_tool(self) -> dict[str, Any]:
        """The function schema that providers take; a new one each time."""
        return cast("dict[str, Any]", _copied(self.json_form()))

    def json_form(self) -> Mapping[str, Any]:
        """Return the function schema, not to be changed."""
        return self._json

    @property
    def description(self) -> str:
        """What it does, in words."""
        return str(self._part("description") or "")

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The JSON schema of its arguments."""
        parameters = self._part("parameters")
        return parameters if isinstance(parameters, Mapping) else {"type": "object", "properties": {}}

    def _part(self, name: str) -> Any:
        function = self.json_form().get("function")
        return function.get(name) if isinstance(function, Mapping) else None

    def arguments(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return arguments as the function takes them.

        Args:
            given: What a model gave, by name.

        Raises:
            ToolArgumentsError: They do not fit.
        """
        if self._check is not None:
            return self._check(given)
        from mellea.core.tool_arguments import check_by_schema  # noqa: PLC0415  few tools bring a schema alone

        return check_by_schema(self.name, self.parameters, given)

    def coerced(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what a model gave with texts and numbers of the right type, as far as that fits."""
        try:
            fitting = self.arguments(given)
        except ToolArgumentsError:
            return given
        changed = {
            name: fitting[name]
            for name, value in given.items()
            if name in fitting and type(fitting[name]) in _SCALARS and type(fitting[name]) is not type(value)
        }
        return {**given, **changed} if changed else given

    @property
    def is_async(self) -> bool:
        """Whether the function is a coroutine function."""
        function: Any = self.function
        return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(
            getattr(function, "__call__", None)  # noqa: B004  the method itself is looked at
        )

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function with exactly these arguments, and wait for its result."""
        result = self.function(*args, **kwargs)
        return run_sync(_awaited(result)) if inspect.isawaitable(result) else result


async def _awaited(result: Any) -> Any:
    return await result


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(part) for key, part in value.items()}
    return [_copied(part) for part in value] if isinstance(value, list | tuple) else value


def named_tools(tools: Iterable[Any] | Mapping[str, Any] | None) -> dict[str, Tool]:
    """Return tools by their names.

    Args:
        tools: Several tools, or a mapping of names to them.

    Raises:
        UsageError: One of them is no tool, two have the same name, or there are no several.
    """
    if tools is None:
        return {}
    if isinstance(tools, str | bytes) or not isinstance(tools, Iterable):
        raise UsageError("tools is no list of tools.", hint="Pass tools=[first, second].")
    given = list(tools.values()) if isinstance(tools, Mapping) else list(tools)
    check_names(given)
    return {tool.name: tool for tool in map(Tool.of, given)}


def check_names(tools: Iterable[Any] | Mapping[str, Any] | None) -> None:
    """Refuse two tools of one name: a call of it could mean either. A mapping has each name once.

    Raises:
        UsageError: Two have the same name.
    """
    if tools is None or not isinstance(tools, Sequence) or isinstance(tools, str | bytes):
        return
    names = [_name_of(tool) for tool in tools]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(
            f"Several tools are named {', '.join(twice)}; nothing was sent.",
            hint="Give each tool a name of its own.",
        )


def _name_of(tool: Any) -> str:
    return str(getattr(tool, "name", None) or getattr(tool, "__name__", tool))
