"""What structured output has to look like."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from attrs import field, frozen

from mellea.core.errors import OutputParseError, UsageError

__all__ = ["OutputSchema"]


@frozen
class OutputSchema:
    """What structured output has to look like.

    Args:
        name: A name for the provider: letters, digits, ``_`` and ``-``.
        json_schema: The JSON schema.
        model: The pydantic class it comes from, when it comes from one.
        parser: Reads the text instead of the class; a ValueError that it raises says what is wrong with the
            text.
    """

    name: str
    json_schema: Mapping[str, Any] = field(hash=False)
    model: type[Any] | None = None
    parser: Callable[[str], Any] | None = field(default=None, eq=False, repr=False)

    @classmethod
    def of(cls, format: object) -> OutputSchema:
        """Return the schema of a pydantic class or of a JSON schema given as a mapping.

        Raises:
            UsageError: It is neither.
        """
        if isinstance(format, OutputSchema):
            return format
        if isinstance(format, Mapping):
            return cls(_plain(str(format.get("title") or "output")), format)
        if isinstance(format, type) and hasattr(format, "model_json_schema"):
            return _schema_of_model(format)
        raise UsageError(
            f"{format!r} is no output format.", hint="Pass a pydantic class or a JSON schema as a dict."
        )

    def prompt(self) -> str:
        """Return what asks for such output in words, for a backend that cannot constrain it."""
        schema = json.dumps(self.json_schema, ensure_ascii=False)
        return f"Answer with one JSON value that fits this JSON schema, and nothing else:\n{schema}"

    def parse(self, text: str) -> Any:
        """Return what the text describes.

        What the parser makes of it, else an instance of the class, else plain JSON values.

        Raises:
            OutputParseError: The text is not JSON, or does not fit the class.
        """
        try:
            if self.parser is not None:
                return self.parser(text)
            return self.model.model_validate_json(text) if self.model is not None else json.loads(text)
        except (ValueError, RecursionError) as error:
            raise OutputParseError(
                f"The output is no {self.name}: {error}.",
                hint="Raise MAX_NEW_TOKENS if the text was cut; otherwise ask again.",
            ) from error


@functools.lru_cache(maxsize=256)
def _schema_of_model(model: Any) -> OutputSchema:
    try:
        schema = model.model_json_schema()
    except Exception as error:
        raise UsageError(
            f"{model.__qualname__} has no JSON schema: {error}.",
            hint="Use fields that JSON can hold, such as str, int, list, dict.",
        ) from error
    return OutputSchema(_plain(model.__name__), schema, model)


def _plain(name: str) -> str:
    """Return a name that every provider takes: a generic class has brackets in its own."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:64].strip("_") or "output"
