"""Tools made of functions: ``@tool`` and ``MelleaTool``."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, Self, TypeVar, cast, overload

from attrs import define, evolve, field, setters

from mellea.core.errors import UsageError
from mellea.core.tool import Tool, named_tools
from mellea.stdlib._annotations import captured_names
from mellea.stdlib._tool_parameters import ToolParameters

__all__ = ["MelleaTool", "as_tools", "tool"]

P = ParamSpec("P")
R = TypeVar("R")
_SETTINGS = frozenset({"name", "timeout", "side_effects", "trusted", "content"})


@define(eq=False, slots=False, on_setattr=setters.frozen)
class MelleaTool(Tool):
    """A function that a model may call, with the schema and the check of its signature.

    It is called like the function: ``tool(...)`` is ``function(...)``, a coroutine for a coroutine function;
    ``run`` waits for that one.

    Args:
        name: The name that the model calls it by.
        tool_call: The function.
        as_json_tool: The function schema. ``from_callable`` makes it of the signature.
    """

    _parameters: ToolParameters | None = field(default=None, alias="parameters_", repr=False, kw_only=True)
    _target: Callable[..., Any] | None = field(default=None, alias="target", repr=False, kw_only=True)

    def __attrs_post_init__(self) -> None:
        target = self._target or self.function
        own: dict[str, Any] = {
            name: getattr(target, name) for name in functools.WRAPPER_ASSIGNMENTS if hasattr(target, name)
        }
        vars(self).update(own, __wrapped__=target)

    @classmethod
    def from_callable(
        cls,
        func: Callable[..., Any],
        name: str | None = None,
        *,
        timeout: float | None = None,
        side_effects: bool = False,
        trusted: bool = False,
        content: Iterable[str] = (),
    ) -> Self:
        """Return the tool of a function.

        The docstring, in Google's, NumPy's or Sphinx' style, describes the function and its parameters.

        Args:
            func: A function, plain or asynchronous, a method, a typed function, or another callable.
            name: The tool's name; by default the function's own.
            timeout: The longest that a call may take, in seconds; None leaves that to the runner.
            side_effects: Whether a call changes something beyond its result, or tells somebody something.
            trusted: Whether what it returns is as good as its arguments, such as a calculator's.
            content: Parameters that only carry content: it does not matter where that comes from.

        Raises:
            UsageError: It is not callable, or has no signature, its name is no name of a tool, or it has no
                such parameter.
        """
        frame = inspect.currentframe()
        made = _parameters_of(func, frame.f_back if frame is not None else None)
        settings = {"side_effects": side_effects, "trusted": trusted, "content": content}
        return cls._of(func, made, name, timeout=timeout, **settings)

    @classmethod
    def _of(
        cls, func: Callable[..., Any], parameters: ToolParameters, name: str | None, **settings: Any
    ) -> Self:
        named = getattr(func, "func", func)
        own = name or getattr(named, "__name__", None) or type(named).__name__
        if isinstance(carried := settings.get("content", ()), str):
            raise UsageError(f"content is one text, {carried!r}.", hint=f"Pass content=[{carried!r}].")
        if carried and (absent := sorted(set(carried) - parameters.schema["properties"].keys())):
            raise UsageError(f"{own} has no parameter {', '.join(absent)}.", hint="Correct content=[...].")
        called = _by_name(func, parameters.positional) if parameters.positional else func
        return cls(
            own,
            called,
            {},
            check=functools.partial(parameters.check, own),
            parameters_=parameters,
            target=func,
            **settings,
        )

    @classmethod
    def from_langchain(cls, tool: Any) -> Self:
        """Return a tool of LangChain's under its own name and schema.

        Raises:
            ImportError: ``langchain-core`` is not installed.
            ValueError: It is no tool of LangChain's.
        """
        from mellea.stdlib.tools.foreign import langchain_parts  # noqa: PLC0415  few programs have such tools

        return cls(*langchain_parts(tool))

    @classmethod
    def from_smolagents(cls, tool: Any) -> Self:
        """Return a tool of smolagents' under its own name and schema.

        Raises:
            ImportError: ``smolagents`` is not installed.
            ValueError: It is no tool of smolagents'.
        """
        from mellea.stdlib.tools.foreign import smolagents_parts  # noqa: PLC0415  few programs have such tools

        return cls(*smolagents_parts(tool))

    def json_form(self) -> Mapping[str, Any]:
        """Return the function schema, not to be changed; made once."""
        return self._form

    @functools.cached_property
    def _form(self) -> Mapping[str, Any]:
        if self._parameters is None:
            return self._json
        described = {
            "name": self.name,
            "description": self._parameters.described[0],
            "parameters": self._parameters.schema,
        }
        return {"type": "function", "function": described}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return (self._target or self.function)(*args, **kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Self:
        """Return the tool with its object bound, where the function is a method."""
        target = self._target
        if instance is None or not isinstance(target, types.FunctionType) or self._parameters is None:
            return self
        return evolve(
            self,
            tool_call=types.MethodType(self.function, instance),
            target=types.MethodType(target, instance),
        )


def _parameters_of(func: Any, frame: types.FrameType | None) -> ToolParameters:
    if isinstance(func, classmethod | staticmethod):
        raise UsageError(
            f"@tool stands above @{type(func).__name__}.", hint=f"Put @{type(func).__name__} on top."
        )
    if not callable(func):
        raise UsageError(f"{func!r} is no function.", hint="Pass a function, a method or another callable.")
    plain = inspect.unwrap(getattr(func, "func", func))
    names: dict[str, Any] = {}
    if inspect.isfunction(plain):
        names = captured_names(plain, frame)
        while frame is not None and (frame := frame.f_back) is not None:
            further = captured_names(plain, frame)
            names |= {
                name: further[name] for name in further.keys() - names.keys() - plain.__globals__.keys()
            }
    return ToolParameters(func, names)


def _by_name(func: Callable[..., Any], positional: tuple[str, ...]) -> Callable[..., Any]:
    """Return a function that takes by name what another one takes by place alone."""

    @functools.wraps(func)
    def called(**given: Any) -> Any:
        placed = [given.pop(name) for name in positional if name in given]
        return func(*placed, **given)

    return called


@overload
def tool(func: Callable[..., Any], /) -> MelleaTool: ...
@overload
def tool(
    *,
    name: str | None = None,
    timeout: float | None = None,
    side_effects: bool = False,
    trusted: bool = False,
    content: Iterable[str] = (),
) -> Callable[[Callable[..., Any]], MelleaTool]: ...
def tool(func: Callable[..., Any] | None = None, /, **settings: Any) -> Any:
    """Make a tool of a function, bare or with settings, as a decorator or as a call.

    The tool can still be called like the function. See ``MelleaTool.from_callable`` for the settings.

    Args:
        func: The function.
        settings: ``name``, ``timeout``, ``side_effects``, ``trusted`` and ``content``.

    Raises:
        UsageError: It is no function, or a setting is unknown.
    """
    frame = inspect.currentframe()
    if unknown := sorted(settings.keys() - _SETTINGS):
        there = ", ".join(sorted(_SETTINGS))
        raise UsageError(f"@tool has no setting {', '.join(unknown)}.", hint=f"It has {there}.")
    if func is not None:
        made = _parameters_of(func, frame.f_back if frame is not None else None)
        return MelleaTool._of(func, made, None)  # noqa: SLF001  its own class

    def decorate(function: Callable[..., Any]) -> MelleaTool:
        frame = inspect.currentframe()
        made = _parameters_of(function, frame.f_back if frame is not None else None)
        return MelleaTool._of(function, made, **{"name": None, **settings})  # noqa: SLF001  its own class

    return decorate


def as_tools(tools: Iterable[Any] | Mapping[str, Any] | None) -> dict[str, Tool]:
    """Return tools by their names; plain functions become tools.

    Args:
        tools: Tools and functions, or a mapping of names to them.

    Raises:
        UsageError: One of them is no tool, or two have the same name.
    """
    if isinstance(tools, Mapping):
        tools = list(tools.values())
    if tools is None or isinstance(tools, str | bytes) or not isinstance(tools, Iterable):
        return named_tools(cast("Any", tools))
    return named_tools([_as_tool(one) for one in tools])


def _as_tool(one: Any) -> Any:
    described = all(hasattr(one, part) for part in ("name", "run", "as_json_tool"))
    return MelleaTool.from_callable(one) if callable(one) and not described else one
