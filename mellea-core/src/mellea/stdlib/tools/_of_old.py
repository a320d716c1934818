"""Functions on tools that programs of the 0.8 line import from ``mellea.backends.tools``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

from mellea.core.component import Span
from mellea.core.errors import UsageError
from mellea.core.options import ModelOption
from mellea.core.schema_check import misfit
from mellea.core.tool import Tool
from mellea.core.tool_arguments import coerce
from mellea.core.tool_call import ModelToolCall
from mellea.core.tool_offer import tools_of_spans

__all__ = [
    "CODE_FIELD_PRIORITY",
    "add_tools_from_context_actions",
    "add_tools_from_model_options",
    "convert_tools_to_json",
    "get_code_field_from_schema",
    "json_extraction",
    "parse_tools",
    "validate_tool_arguments",
]

CODE_FIELD_PRIORITY = ("code", "command", "query", "script", "source")
"""Names of the argument that holds a program, the likeliest first."""


class _NoToolError(UsageError, AssertionError):
    pass


def validate_tool_arguments(
    tool: Any, args: Mapping[str, Any], *, coerce_types: bool = True, strict: bool = False
) -> dict[str, Any]:
    """Return arguments as a tool's JSON schema wants them.

    Args:
        tool: The tool.
        args: What a model gave.
        coerce_types: Whether texts are read as numbers and truth values where the schema wants them.
        strict: Whether it is an error that they do not fit; otherwise they are returned as they are.

    Raises:
        pydantic.ValidationError: They do not fit, in strict mode.
    """
    parameters = Tool.of(tool).parameters
    read: dict[str, Any] = coerce(dict(args), parameters, parameters) if coerce_types else dict(args)
    wrong = misfit(read, parameters)
    if wrong is None:
        return read
    if strict:
        from pydantic import ValidationError  # noqa: PLC0415
        from pydantic_core import InitErrorDetails, PydanticCustomError  # noqa: PLC0415

        place, _, said = wrong.partition(": ")
        where = tuple(part for part in place.removeprefix("$").split(".") if part)
        kind = PydanticCustomError("tool_arguments", "{said}", {"said": said})
        details = InitErrorDetails(type=kind, loc=where, input=args)
        raise ValidationError.from_exception_data(Tool.of(tool).name, [details])
    return dict(args)


def add_tools_from_model_options(
    tools_dict: MutableMapping[str, Any], model_options: Mapping[str, Any]
) -> None:
    """Add the tools of model options, by name; one of the same name is replaced.

    Raises:
        UsageError: (also an AssertionError) There is something else than tools.
    """
    given = model_options.get(ModelOption.TOOLS)
    if given is None:
        return
    several = given.values() if isinstance(given, Mapping) else given
    if isinstance(several, str) or not isinstance(several, Iterable):
        raise _NoToolError(f"{given!r} are no tools.", hint="Pass a list of tools.")
    for tool in several:
        try:
            tools_dict[Tool.of(tool).name] = tool
        except UsageError as error:
            raise _NoToolError(error.message, hint=error.hint) from error


def add_tools_from_context_actions(
    tools_dict: MutableMapping[str, Any], ctx_actions: Sequence[Span] | None
) -> None:
    """Add the tools that components bring, by name; one of the same name is replaced."""
    for name, tool in tools_of_spans(ctx_actions or ()).items():
        tools_dict[name] = tool.source


def convert_tools_to_json(tools: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the function schemas of tools."""
    return [Tool.of(tool).as_json_tool for tool in tools.values()]


def get_code_field_from_schema(call: ModelToolCall) -> str | None:
    """Return the argument of a call that holds a program, by the tool's schema; None without one."""
    try:
        properties = Tool.of(call.func).parameters.get("properties") or {}
        return next((name for name in CODE_FIELD_PRIORITY if name in properties), None)
    except Exception:  # noqa: BLE001  it is asked of anything
        return None


def json_extraction(text: str) -> Iterator[Any]:
    """Iterate over the JSON values, objects and arrays, that stand in a text."""
    import json  # noqa: PLC0415

    decoder, place = json.JSONDecoder(), 0
    while (
        start := min((at for at in (text.find("{", place), text.find("[", place)) if at >= 0), default=-1)
    ) >= 0:
        try:
            value, place = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            place = start + 1
            continue
        yield value


def parse_tools(text: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the calls, name and arguments, that a model wrote into a text as JSON."""
    return [call for value in json_extraction(text) for call in _calls_in(value)]


def _calls_in(value: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(value, list):
        for part in value:
            yield from _calls_in(part)
    if not isinstance(value, Mapping):
        return
    name = value.get("name") or value.get("tool")
    given = value.get("arguments", value.get("parameters", value.get("args")))
    if isinstance(given, str):
        given = next(iter(json_extraction(given)), None)
    if isinstance(name, str) and isinstance(given, Mapping):
        yield name, given
        return
    for part in value.values():
        yield from _calls_in(part)
