"""The answer of a typed function: the JSON envelope ``{"result": ...}`` and how it is read."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from attrs import frozen

from mellea.core.errors import UsageError
from mellea.core.json_text import read_json
from mellea.core.schema import OutputSchema
from mellea.stdlib._annotations import UnresolvedNameError, format_annotation
from mellea.stdlib._function_schema import AttrsModels

if TYPE_CHECKING:
    from pydantic import BaseModel

__all__ = ["answer_schema", "unwrap_value", "wrap_value"]


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
        model = create_model(title, __config__=config, result=(AttrsModels().within(annotation), ...))
        schema = model.model_json_schema()
    except (PydanticUserError, PydanticUndefinedAnnotation, TypeError, ImportError) as error:
        if (
            isinstance(error, PydanticUndefinedAnnotation)
            or getattr(error, "code", None) == "class-not-fully-defined"
        ):
            raise UnresolvedNameError(function, error) from error
        why = str(error).splitlines()[0]
        raise UsageError(
            f"{function} returns {format_annotation(annotation)}, which cannot be written as JSON: {why}",
            hint="Return a type that pydantic knows, an attrs class, or a composition of them.",
        ) from error
    return OutputSchema(title[-64:], schema, parser=_Reader(model))


@frozen
class _Reader:
    """Reads an envelope.

    Args:
        model: Its class.
    """

    model: type[BaseModel]

    def __call__(self, text: str) -> Any:
        return self.model.model_validate_json(text).result  # type: ignore[attr-defined]  # the envelope's only field


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
    envelope = read_json(answer, dict)
    if not isinstance(envelope, dict) or "result" not in envelope:
        raise ValueError("There is no result in the answer.")
    return envelope["result"]
