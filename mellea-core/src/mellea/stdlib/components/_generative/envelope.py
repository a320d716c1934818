"""The answer of a typed function: the JSON envelope ``{"result": ...}`` and how it is read.

pydantic makes the schema and reads the answer. What it does not know are attrs classes: each one is given a pydantic model
with the same fields, from which the instance is made.
"""

from __future__ import annotations

import functools
import inspect
import json
import operator
import re
import types
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, ForwardRef, Literal, Union, get_args, get_origin

import attrs

from mellea.core.errors import UsageError
from mellea.core.schema import OutputSchema
from mellea.stdlib._annotations import UnresolvedNameError, format_annotation, resolve_annotations

if TYPE_CHECKING:
    from pydantic import BaseModel, ValidationError

__all__ = ["answer_schema", "parameters_schema", "unwrap_value", "wrap_value"]

_MOST_ERRORS = 5
"""How many things that are wrong with an answer are told at once."""


def answer_schema(function: str, annotation: Any) -> OutputSchema:
    """Return the schema of ``{"result": annotation}``, which reads an answer as the value of that type.

    Args:
        function: The function's name.
        annotation: The type: anything that pydantic can validate, and attrs classes.

    Raises:
        UnresolvedNameError: The type refers to a name that does not exist (yet).
        UsageError: The type cannot be written as JSON.
    """
    from pydantic import ConfigDict, create_model  # noqa: PLC0415  pydantic loads with the first typed function
    from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError  # noqa: PLC0415

    title = (
        re.sub(r"[^A-Za-z0-9]", "", "".join(f"{part[:1].upper()}{part[1:]}" for part in function.split("_")))
        + "Response"
    )
    config = ConfigDict(json_schema_extra={"additionalProperties": False})
    try:
        model = create_model(title, __config__=config, result=(_AttrsModels().within(annotation), ...))
        schema = model.model_json_schema()
    except (PydanticUserError, PydanticUndefinedAnnotation, TypeError) as error:
        if (
            isinstance(error, PydanticUndefinedAnnotation)
            or getattr(error, "code", None) == "class-not-fully-defined"
        ):
            raise UnresolvedNameError(function, error) from error
        raise UsageError(
            f"{function} returns {format_annotation(annotation)}, which cannot be written as JSON: {str(error).splitlines()[0]}",
            hint="Return a type that pydantic knows, an attrs class, or a composition of them.",
        ) from error
    return OutputSchema(title[-64:], schema, parser=_parser(model))


def parameters_schema(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the JSON schema of a function's arguments by name. Parameters with a default are not required.

    Raises:
        UsageError: An annotation cannot be resolved or written as JSON.
    """
    from pydantic import Field, create_model  # noqa: PLC0415
    from pydantic.errors import PydanticUserError  # noqa: PLC0415

    hints = resolve_annotations(function, {})
    fields: dict[str, Any] = {}
    for index, parameter in enumerate(inspect.signature(function).parameters.values()):
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) or parameter.name in (
            "self",
            "cls",
        ):
            continue
        default: Any = ... if parameter.default is parameter.empty else parameter.default
        told = (
            Field(default, alias=parameter.name)
            if _shows(default)
            else Field(alias=parameter.name, default_factory=lambda: None)
        )
        fields[f"parameter_{index}"] = (_AttrsModels().within(hints.get(parameter.name, Any)), told)
    try:
        schema = create_model("parameters", **fields).model_json_schema()
    except (PydanticUserError, TypeError) as error:
        raise UsageError(
            f"A parameter of {function.__qualname__} cannot be written as JSON: {str(error).splitlines()[0]}",
            hint="Give it a type that pydantic knows, or leave the function out.",
        ) from error
    schema.pop("title", None)
    return {"properties": {}, "required": [], **schema}


def _shows(default: Any) -> bool:
    return default is ... or default is None or isinstance(default, str | int | float | bool)


def _parser(model: type[BaseModel]) -> Callable[[str], Any]:
    from pydantic import ValidationError  # noqa: PLC0415

    def parse(text: str) -> Any:
        try:
            return model.model_validate_json(_unfenced(text)).result  # type: ignore[attr-defined]  # the envelope's only field
        except ValidationError as error:
            raise ValueError(_readable(error)) from error

    return parse


def _unfenced(text: str) -> str:
    """Return the JSON of an answer that a model put into a code block."""
    fenced = re.fullmatch(r"\s*```\w*\s*\n(.*?)\n?\s*```\s*", text, re.DOTALL)
    return fenced[1] if fenced else text


def _readable(error: ValidationError) -> str:
    """Return what is wrong in one line: pydantic's own words, without addresses of its documentation."""
    wrong = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [
        f"{'.'.join(map(str, one['loc']))}: {one['msg']}" if one["loc"] else one["msg"]
        for one in wrong[:_MOST_ERRORS]
    ]
    if len(wrong) > _MOST_ERRORS:
        lines.append(f"and {len(wrong) - _MOST_ERRORS} more")
    return "; ".join(lines)


def unwrap_value(answer: str) -> str:
    """Return the value in an envelope as text: a text as it is, anything else as JSON.

    Raises:
        ValueError: The answer is no envelope.
    """
    value = _value(answer)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def wrap_value(answer: str, text: str) -> str:
    """Return an envelope with another value, given as text in the way of ``unwrap_value``.

    Raises:
        ValueError: The answer is no envelope, or the text is no JSON where the value was none.
    """
    value = text if isinstance(_value(answer), str) else json.loads(text)
    return json.dumps({"result": value}, ensure_ascii=False)


def _value(answer: str) -> Any:
    envelope = json.loads(_unfenced(answer))
    if not isinstance(envelope, dict) or "result" not in envelope:
        raise ValueError("There is no result in the answer.")
    return envelope["result"]


class _AttrsModels:
    """The pydantic models that stand for the attrs classes within one type, recursive ones included."""

    def __init__(self) -> None:
        self._models: dict[type, type[BaseModel]] = {}
        self._names: dict[type, str] = {}

    def within(self, annotation: Any) -> Any:
        """Return the annotation with every attrs class replaced by what pydantic can read it from."""
        _replaced(annotation, self._reference)
        made: set[type] = set()
        while missing := [cls for cls in self._names if cls not in made]:
            for cls in missing:
                self._models[cls] = self._model(cls)
            made.update(missing)
        namespace = {name: self._models[cls] for cls, name in self._names.items()}
        for model in self._models.values():
            model.model_rebuild(_types_namespace=namespace)
        return _replaced(annotation, self._models.__getitem__)

    def _reference(self, cls: type) -> ForwardRef:
        return ForwardRef(self._names.setdefault(cls, f"attrs_class_{len(self._names)}"))

    def _model(self, cls: type) -> type[BaseModel]:
        """Return the model of one class. Its fields have neutral names: a field may be called as a method of pydantic is."""
        from pydantic import ConfigDict, Field, create_model  # noqa: PLC0415

        hints = resolve_annotations(cls, {cls.__name__: cls})
        fields: dict[str, Any] = {}
        for index, attribute in enumerate(attrs.fields(cls)):
            if attribute.init:
                required = attribute.default is attrs.NOTHING
                told = (
                    Field(alias=attribute.alias)
                    if required
                    else Field(alias=attribute.alias, default_factory=lambda: None)
                )
                fields[f"field_{index}"] = (_replaced(hints.get(attribute.name, Any), self._reference), told)
        return create_model(
            cls.__name__, __config__=ConfigDict(extra="forbid"), __doc__=cls.__doc__, **fields
        )


def _replaced(annotation: Any, reference: Callable[[type], Any]) -> Any:
    from pydantic import AfterValidator  # noqa: PLC0415

    if isinstance(annotation, type) and get_origin(annotation) is None and attrs.has(annotation):
        return Annotated[reference(annotation), AfterValidator(functools.partial(_instance, annotation))]
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is None or origin is Literal:
        return annotation
    if origin is Annotated:
        return Annotated[(_replaced(args[0], reference), *args[1:])]
    new = tuple(_replaced(arg, reference) for arg in args)
    if all(one is other for one, other in zip(new, args, strict=True)):
        return annotation
    if origin in (Union, types.UnionType):
        return functools.reduce(operator.or_, new)
    return typing.cast("Any", origin)[new]


def _instance(cls: type, model: BaseModel) -> Any:
    """Return the attrs instance; what its own validators refuse is an answer that does not fit."""
    aliases = type(model).model_fields
    given = {str(aliases[name].alias): getattr(model, name) for name in model.model_fields_set}
    try:
        return cls(**given)
    except (TypeError, ValueError) as error:
        raise ValueError(str(error)) from error
