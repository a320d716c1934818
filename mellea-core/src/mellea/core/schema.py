"""What structured output has to look like."""

from __future__ import annotations

import functools
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from mellea.core.capabilities import SchemaDialect
from mellea.core.errors import MelleaError, OutputParseError, UsageError
from mellea.core.pickling import picklable_or_none

if TYPE_CHECKING:
    from mellea.core.schema_dialects import DialectSchema
    from mellea.core.steering.casing import LetterCase
    from mellea.core.steering.forms import Form

__all__ = ["OutputSchema", "misfits", "with_bound_quotes"]

_MOST_MISFITS = 5
"""How many things that are wrong with an answer are told at once."""


def _comes_to_an_end(_: object, attribute: Any, value: Mapping[str, Any]) -> None:
    from mellea.core.schema_end import check_end  # noqa: PLC0415  only structured output needs it

    check_end(value)


@frozen
class OutputSchema:
    """What structured output has to look like.

    Args:
        name: A name for the provider: letters, digits, ``_`` and ``-``.
        json_schema: The JSON schema.
        model: The pydantic class it comes from, when it comes from one.
        parser: Reads the JSON instead of the class; a ValueError that it raises says what is wrong.
        plain_pattern: Of a plain text that is held to a pattern: that pattern, for engines that hold the text
            itself to it. The schema then carries the same for a JSON string, and is sent as it is.
        forms: Of a plain text that is held to forms instead: those, for engines that have automata for them.
        cases: The case in which the text of a property is put as it is read, by the property's name.

    Raises:
        UsageError: The schema is nested too deeply, or no value of it comes to an end.
    """

    name: str
    json_schema: Mapping[str, Any] = field(hash=False, validator=_comes_to_an_end)
    model: type[Any] | None = None
    parser: Callable[[str], Any] | None = field(default=None, eq=False, repr=False)
    plain_pattern: str | None = field(default=None, repr=False)
    forms: tuple[Form, ...] = field(default=(), repr=False)
    cases: Mapping[str, LetterCase] = field(factory=dict, hash=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        held = self.plain_pattern, self.forms, dict(self.cases)
        model, parser = picklable_or_none(self.model), picklable_or_none(self.parser)
        return type(self), (self.name, dict(self.json_schema), model, parser, *held)

    @classmethod
    def of(cls, format: object) -> OutputSchema:
        """Return the schema of a pydantic class or of a JSON schema given as a mapping.

        Raises:
            UsageError: It is neither, or no value of it comes to an end.
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

    def in_dialect(self, dialect: SchemaDialect) -> DialectSchema:
        """Return the JSON schema in the words that an engine keeps, with what could not be said.

        Args:
            dialect: What the engine understands.

        Raises:
            UsageError: The schema is nested too deeply to be read, or no value that ends fits it.
        """
        from mellea.core.schema_dialects import in_dialect  # noqa: PLC0415  only structured output needs it

        if dialect is SchemaDialect.PLAIN or self.plain_pattern is not None:
            dialect = SchemaDialect.PLAIN
            return in_dialect(self.json_schema, dialect)
        try:
            written = json.dumps(self.json_schema)
        except RecursionError:
            return in_dialect(self.json_schema, dialect)  # which says so in words
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"The JSON schema of {self.name} holds what is no JSON: {error}.",
                hint="Write it in texts, numbers, lists and dicts.",
            ) from error
        return _in_dialect(written, dialect)

    def prompt(self) -> str:
        """Return what asks for such output in words, for a backend that cannot constrain it."""
        schema = json.dumps(self.json_schema, ensure_ascii=False)
        return f"Answer with one JSON value that fits this JSON schema, and nothing else:\n{schema}"

    def parse(self, text: str) -> Any:
        """Return what the one JSON value in a text describes.

        That is what the parser makes of it, an instance of the class, or JSON values that fit the schema.

        Args:
            text: What a model wrote: the value, perhaps in a code block, or with words around it.

        Raises:
            OutputParseError: There is no JSON in the text, or two values, or the value does not fit.
        """
        from mellea.core.json_text import json_in  # noqa: PLC0415  only structured output needs it

        try:
            return self._read(json_in(text, self._kind()))
        except OutputParseError as error:
            raise OutputParseError(
                f"The output is no {self.name}. {error.message}", hint=error.hint
            ) from error
        except MelleaError:
            raise
        except Exception as error:
            # A validator may raise anything; whatever it is, the answer does not fit.
            raise OutputParseError(
                f"The output is no {self.name}: {_reason(error)}.", hint="Ask again, or change the format."
            ) from error

    def _read(self, text: str) -> Any:
        if self.parser is not None:
            return self.parser(text)
        if self.model is not None:
            return self.model.model_validate_json(text)
        from mellea.core.schema_check import misfit  # noqa: PLC0415  only schemas given as mappings need it

        value = json.loads(text)
        wrong = misfit(value, self.json_schema) if self.json_schema else None
        if wrong is not None:
            raise ValueError(wrong)
        return value

    def _kind(self) -> type[dict[str, Any] | list[Any]] | None:
        """Return ``dict`` or ``list`` if the output is an object or an array."""
        from mellea.core.schema_parts import types_of, with_own_root  # noqa: PLC0415

        types = types_of(with_own_root(self.json_schema))
        return dict if types == {"object"} else list if types == {"array"} else None


def with_bound_quotes(schema: OutputSchema, spans: Sequence[Any]) -> OutputSchema:
    """Return a schema whose unbound quotes are from the documents among some spans. See ``bind_quotes``."""
    quote = sys.modules.get("mellea.core.quote")  # without it there are none
    bound: OutputSchema = schema if quote is None else quote.bind_quotes(schema, spans)
    return bound


def _reason(error: Exception) -> str:
    """Return what is wrong in one line; of an error that is none of a parser's, with its class."""
    if type(error).__name__ == "ValidationError" and hasattr(error, "errors"):
        return misfits(error.errors(include_url=False, include_context=False, include_input=False))
    try:
        said = " ".join(str(error).split()).rstrip(".")
    except Exception:  # noqa: BLE001  an error may fail to tell itself
        said = ""
    return said if isinstance(error, ValueError) and said else f"{type(error).__name__}: {said}".rstrip(": ")


def misfits(wrong: list[dict[str, Any]]) -> str:
    """Return what pydantic finds wrong, each with its place, in one line."""
    lines = [
        f"{'.'.join(map(str, one['loc']))}: {one['msg']}" if one["loc"] else one["msg"]
        for one in wrong[:_MOST_MISFITS]
    ]
    if len(wrong) > _MOST_MISFITS:
        lines.append(f"and {len(wrong) - _MOST_MISFITS} more")
    return "; ".join(lines).rstrip(".")


@functools.lru_cache(maxsize=256)
def _in_dialect(schema: str, dialect: SchemaDialect) -> DialectSchema:
    from mellea.core.schema_dialects import in_dialect  # noqa: PLC0415  only structured output needs it

    return in_dialect(json.loads(schema), dialect)


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
