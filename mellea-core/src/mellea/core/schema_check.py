"""Whether a JSON value fits a JSON schema, by the ``jsonschema`` library, loaded with the first question."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import Any

from mellea.core.errors import UsageError

__all__ = ["check_schema", "misfit"]


def check_schema(schema: Mapping[str, Any]) -> None:
    """Check that a JSON schema is one.

    Raises:
        UsageError: It is none.
    """
    _validator(json.dumps(schema))


def misfit(value: Any, schema: Mapping[str, Any]) -> str | None:
    """Return what of a JSON value does not fit a JSON schema, with its place; None if all of it fits.

    Raises:
        UsageError: The schema is none, or refers to what is not in it.
    """
    import jsonschema  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415

    try:
        error = jsonschema.exceptions.best_match(_validator(json.dumps(schema)).iter_errors(value))
    except Unresolvable as missing:
        raise UsageError(
            f"The JSON schema refers to {missing.ref!r}, which is not in it.", hint="Put it under $defs."
        ) from missing
    except RecursionError as deep:
        raise UsageError("The JSON schema refers to itself without end.", hint="Give it a way out.") from deep
    if error is None:
        return None
    message = error.message if len(error.message) <= 300 else f"{error.message[:299]}…"
    return f"{error.json_path}: {message}"


@functools.lru_cache(maxsize=64)
def _validator(schema: str) -> Any:
    import jsonschema  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415

    whole = json.loads(schema)
    validator = jsonschema.validators.validator_for(whole, default=jsonschema.Draft202012Validator)
    try:
        validator.check_schema(whole)
    except jsonschema.SchemaError as error:
        raise UsageError(
            f"It is no JSON schema: {error.message} at {error.json_path}.", hint="Correct the schema."
        ) from error
    # An empty registry: nothing is fetched from the addresses in a schema.
    return validator(whole, registry=Registry(), format_checker=validator.FORMAT_CHECKER)
