"""What a function takes, as a tool: a JSON schema for the model, and a check of what the model gives.

pydantic makes both from the signature; the docstring, in Google's, NumPy's or Sphinx' style, describes them.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import types
from collections.abc import Callable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

from mellea.core.errors import UsageError
from mellea.core.schema import misfits
from mellea.core.schema_parts import pointed_at
from mellea.core.tool_arguments import misfit_error
from mellea.stdlib._annotations import resolve_annotations

__all__ = ["ToolParameters"]

_PLAIN: Mapping[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
"""Types whose schema needs no pydantic, which takes a good part of a millisecond for some."""
_MISSING = "missing_keyword_only_argument"
_RECEIVERS = ("self", "cls")


class ToolParameters:
    """What a function takes.

    Everything is made once, when it is first asked for.

    Args:
        function: The function, plain or asynchronous.
        names: Names of the place where it is defined that its module does not have.

    Raises:
        UsageError: It has no signature.
    """

    def __init__(self, function: Callable[..., Any], names: Mapping[str, Any] | None = None) -> None:
        self._function = function
        self._names = names or {}
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"{function!r} has no signature to make a tool of: {error}.",
                hint="Wrap it in a function that has one.",
            ) from error
        if parameters and parameters[0].name in _RECEIVERS:
            del parameters[0]
        self._parameters = {p.name: p for p in parameters if p.kind is not p.VAR_POSITIONAL}

    @functools.cached_property
    def _types(self) -> dict[str, Any]:
        owner = inspect.unwrap(getattr(self._function, "func", self._function))
        hints = resolve_annotations(owner if _has_hints(owner) else type(owner).__call__, self._names)
        return {name: _with_attrs(hints.get(name, _UNTOLD)) for name in self._parameters}

    @functools.cached_property
    def described(self) -> tuple[str, Mapping[str, str]]:
        """What the docstring says of the function, and of each parameter."""
        text = inspect.getdoc(self._function) or ""
        if isinstance(self._function, functools.partial):
            text = inspect.getdoc(self._function.func) or ""
        return _read_docstring(text)

    @functools.cached_property
    def schema(self) -> Mapping[str, Any]:
        """The JSON schema of the arguments, without references but for those of recursive types.

        Raises:
            UsageError: An annotation cannot be resolved or written as JSON.
        """
        told = self.described[1]
        properties: dict[str, Any] = {}
        plain = {name: _plain_schema(kind) for name, kind in self._types.items()}
        hard = {name: kind for name, kind in self._types.items() if plain[name] is None}
        generated = self._generated(hard) if hard else {}
        inlined = _inline(generated)
        more = {key: inlined[key] for key in ("$defs", "additionalProperties") if inlined.get(key)}
        for name, parameter in self._parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                more.setdefault("additionalProperties", True)
                continue
            part = plain[name] or inlined.get("properties", {}).get(name) or {}
            properties[name] = _describe(part, told.get(name), parameter.default)
        required = [name for name, part in properties.items() if self._is_required(name, part)]
        return {"type": "object", "required": required, "properties": properties, **more}

    def _is_required(self, name: str, part: Mapping[str, Any]) -> bool:
        parameter = self._parameters[name]
        return parameter.default is parameter.empty and not _may_be_none(part)

    def _generated(self, kinds: Mapping[str, Any]) -> dict[str, Any]:
        schema: dict[str, Any] = self._guarded(lambda: self._adapter_of(kinds).json_schema())
        return schema

    def _guarded(self, make: Callable[[], Any]) -> Any:
        from pydantic.errors import PydanticUserError  # noqa: PLC0415

        try:
            return make()
        except (PydanticUserError, TypeError) as error:
            name = getattr(self._function, "__qualname__", repr(self._function))
            raise UsageError(
                f"A parameter of {name} cannot be written as JSON: {str(error).splitlines()[0]}",
                hint="Give it a type that pydantic knows, or leave the function out.",
            ) from error

    def _adapter_of(self, kinds: Mapping[str, Any]) -> Any:
        """Return what checks arguments, made of a function that returns what it is given."""
        from pydantic import ConfigDict, TypeAdapter  # noqa: PLC0415

        def arguments(**given: Any) -> dict[str, Any]:
            return given

        collect: Any = arguments

        shown = []
        for name, kind in kinds.items():
            parameter = self._parameters[name]
            if parameter.kind is not parameter.VAR_KEYWORD:
                # Which default it is does not matter: the function's own stands for what is not given.
                default = parameter.empty if parameter.default is parameter.empty else None
                parameter = parameter.replace(kind=parameter.KEYWORD_ONLY, default=default)
            shown.append(parameter.replace(annotation=Any if kind is _UNTOLD else kind))
        collect.__signature__ = inspect.Signature(shown)
        collect.__annotations__ = {parameter.name: parameter.annotation for parameter in shown}
        return TypeAdapter(collect, config=ConfigDict(coerce_numbers_to_str=True))

    @functools.cached_property
    def _adapter(self) -> Any:
        return self._guarded(lambda: self._adapter_of(self._types))

    def check(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments as the function takes them.

        Args:
            name: The tool's name, for the error.
            given: What a model gave.

        Raises:
            ToolArgumentsError: They do not fit.
        """
        from pydantic import ValidationError  # noqa: PLC0415
        from pydantic_core import ArgsKwargs  # noqa: PLC0415

        known = {key: value for key, value in given.items() if isinstance(key, str)}
        for key, parameter in self._parameters.items():
            if key not in known and parameter.default is parameter.empty and self._takes_none(key):
                known[key] = None
        try:
            values: dict[str, Any] = self._adapter.validate_python(ArgsKwargs((), known))
        except ValidationError as error:
            raise misfit_error(name, misfits([_in_words(one) for one in _wrong(error)])) from error
        except RecursionError as error:
            raise misfit_error(name, "they are nested too deeply") from error
        return {key: value for key, value in values.items() if key in known}

    @functools.cached_property
    def _nullable(self) -> frozenset[str]:
        return frozenset(name for name, part in self.schema["properties"].items() if _may_be_none(part))

    def _takes_none(self, name: str) -> bool:
        return self._types.get(name) not in _PLAIN and name in self._nullable

    @property
    def positional(self) -> tuple[str, ...]:
        """The parameters that the function takes by their place alone."""
        return tuple(p.name for p in self._parameters.values() if p.kind is p.POSITIONAL_ONLY)


class _UNTOLD:
    """A parameter without an annotation: a text, to the model."""


def _plain_schema(annotation: Any) -> dict[str, Any] | None:
    """Return the schema of a plain type, of a list or union of such, or of texts to choose from; else None.

    It is pydantic's, without the time that pydantic takes.
    """
    if annotation is _UNTOLD or annotation in _PLAIN:
        return {"type": _PLAIN.get(annotation, "string")}
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is list and args[0] in _PLAIN:
        return {"type": "array", "items": {"type": _PLAIN[args[0]]}}
    if origin is Literal and all(type(arg) is str for arg in args):
        return {"enum": list(args), "type": "string"}
    if origin in (Union, types.UnionType) and all(arg in _PLAIN or arg is type(None) for arg in args):
        named = [_PLAIN[arg] for arg in args if arg in _PLAIN]
        return {"type": named if len(named) == len(args) else [*named, "null"]}
    return None


def _has_hints(owner: Any) -> bool:
    return inspect.isroutine(owner) or isinstance(owner, type)


def _with_attrs(annotation: Any) -> Any:
    if _plain_schema(annotation) is not None:
        return annotation
    from mellea.stdlib._function_schema import AttrsModels  # noqa: PLC0415  loads pydantic's models

    return AttrsModels().within(annotation)


def _wrong(error: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = error.errors(include_url=False, include_context=False, include_input=False)
    return found


def _in_words(wrong: Mapping[str, Any]) -> dict[str, Any]:
    kinds = {_MISSING: "it is missing", "unexpected_keyword_argument": "there is no such argument"}
    return {**wrong, "msg": kinds.get(wrong["type"], wrong["msg"])}


def _may_be_none(part: Mapping[str, Any]) -> bool:
    kinds = part.get("type")
    within = any(isinstance(one, Mapping) and _may_be_none(one) for one in part.get("anyOf", ()))
    return kinds == "null" or (isinstance(kinds, list) and "null" in kinds) or within


def _describe(part: Mapping[str, Any], told: str | None, default: Any) -> dict[str, Any]:
    """Return a property with its description, which is empty if there is none, and its default."""
    described = {**part, "description": told or part.get("description") or ""}
    described.pop("default", None)
    if default is not inspect.Parameter.empty:
        from pydantic_core import PydanticSerializationError, to_jsonable_python  # noqa: PLC0415

        # What JSON cannot say stays the function's own affair.
        with contextlib.suppress(PydanticSerializationError, ValueError, RecursionError):
            described["default"] = to_jsonable_python(default)
    return described


# Schemas without references


def _inline(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with what references lead to in their place; what leads to itself keeps them.

    Titles, which only repeat names, are left out. Unions become ``anyOf``, ``const`` becomes ``enum``, and
    alternatives that are mere types become a list of types.
    """
    root = dict(schema)
    definitions = root.get("$defs", {})
    circular = {name for name in definitions if _reaches(name, name, definitions)}
    whole: dict[str, Any] = _plain(
        {key: part for key, part in root.items() if key != "$defs"}, root, circular
    )
    kept = {name: _plain(definitions[name], root, circular) for name in sorted(circular)}
    if kept and _mentions_any(whole, kept):
        whole["$defs"] = kept
    return whole


def _reaches(start: str, wanted: str, definitions: Mapping[str, Any]) -> bool:
    """Tell whether references lead from one definition to another."""
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        for name in _references(definitions.get(waiting.pop(), {})):
            if name == wanted:
                return True
            if name not in seen:
                seen.add(name)
                waiting.append(name)
    return False


def _references(node: Any) -> list[str]:
    if isinstance(node, Mapping):
        own = [node["$ref"].rpartition("/")[2]] if isinstance(node.get("$ref"), str) else []
        return own + [name for part in node.values() for name in _references(part)]
    return [name for part in node for name in _references(part)] if isinstance(node, list) else []


def _mentions_any(node: Any, names: Mapping[str, Any]) -> bool:
    return bool(names.keys() & set(_references(node)))


def _plain(node: Any, root: Mapping[str, Any], circular: set[str]) -> Any:
    if isinstance(node, list):
        return [_plain(part, root, circular) for part in node]
    if not isinstance(node, Mapping):
        return node
    reference = node.get("$ref")
    beside = {key: part for key, part in node.items() if key != "$ref"}
    if isinstance(reference, str) and reference.rpartition("/")[2] not in circular:
        target = pointed_at(reference, root)
        node = {**target, **beside} if isinstance(target, Mapping) else beside
    plain = {
        key: _named(part, root, circular)
        if key in ("properties", "$defs", "patternProperties")
        else part
        if key in ("enum", "const", "default", "examples", "required")
        else _plain(part, root, circular)
        for key, part in node.items()
        if key not in ("title", "discriminator")
    }
    return _as_enum(_as_any_of(plain))


def _named(parts: Any, root: Mapping[str, Any], circular: set[str]) -> Any:
    return {name: _plain(part, root, circular) for name, part in parts.items()}


def _as_enum(node: dict[str, Any]) -> dict[str, Any]:
    if "const" not in node:
        return node
    return {**{key: part for key, part in node.items() if key != "const"}, "enum": [node["const"]]}


def _as_any_of(node: dict[str, Any]) -> dict[str, Any]:
    branches = node.get("anyOf", node.get("oneOf"))
    if branches is None:
        return node
    beside = {key: part for key, part in node.items() if key not in ("anyOf", "oneOf")}
    if all(
        isinstance(one, Mapping) and one.keys() == {"type"} and isinstance(one["type"], str)
        for one in branches
    ):
        return {"type": [one["type"] for one in branches], **beside}
    return {"anyOf": branches, **beside}


# Docstrings


@functools.lru_cache(maxsize=256)
def _read_docstring(text: str) -> tuple[str, Mapping[str, str]]:
    """Return what a docstring says of the function, and of each parameter by name."""
    if not text.strip():
        return "", {}
    import docstring_parser  # noqa: PLC0415  only tools need it

    try:
        read = docstring_parser.parse(text)
    except docstring_parser.ParseError:
        return text.strip(), {}
    told = {one.arg_name.lstrip("*"): " ".join((one.description or "").split()) for one in read.params}
    return (read.description or "").strip(), told
