"""Requirements as a file of tasks names them: in words, or by the name of a check and its arguments."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mellea.core.errors import UsageError
from mellea.core.requirement import Requirement
from mellea.stdlib import requirements as library

__all__ = ["CHECKS", "requirement_of"]


def _constant(requirement: Requirement) -> Callable[[], Requirement]:
    return lambda: requirement


CHECKS: Mapping[str, Callable[..., Requirement]] = {
    "words": library.word_count,
    "characters": library.character_count,
    "sentences": library.sentence_count,
    "contains": library.contains,
    "avoids": library.avoids,
    "matches": library.matches,
    "one_of": library.one_of,
    "json": library.is_json,
    "schema": library.fits_schema,
    "markdown_list": _constant(library.is_markdown_list),
    "markdown_table": _constant(library.is_markdown_table),
    "graded": library.graded,
}
"""What each name makes a requirement with."""
_FORMER = {
    "word_count": "words",
    "character_count": "characters",
    "sentence_count": "sentences",
    "is_json": "json",
    "fits_schema": "schema",
    "is_markdown_list": "markdown_list",
    "is_markdown_table": "markdown_table",
}
_EACH = {"contains", "avoids"}
"""Those that take several texts, one argument each."""
_ONE = {"schema", "one_of"}
"""Those whose one argument is itself an object or a list."""


def requirement_of(written: Any) -> Requirement:
    """Return the requirement that a JSON value stands for.

    Args:
        written: Words that a model judges; or an object with the name of a check and its arguments:
            ``{"words": {"at_most": 80}}``, ``{"contains": ["river", "boat"]}``, ``{"json": true}``.

    Raises:
        UsageError: It is neither, there is no such check, or the arguments do not fit.
    """
    if isinstance(written, Requirement):
        return written
    if isinstance(written, str) and written.strip():
        return Requirement(written)
    if not isinstance(written, Mapping) or len(written) != 1:
        raise UsageError(
            f"{written!r} is no requirement.",
            hint='Write words, or one check with its arguments, such as {"words": {"at_most": 80}}.',
        )
    ((key, arguments),) = written.items()
    given = str(key)
    name = _FORMER.get(given, given)
    if name not in CHECKS:
        near = difflib.get_close_matches(given, [*CHECKS, *_FORMER], 1)
        meant = f"Did you mean {near[0]!r}? " if near else ""
        raise UsageError(f"There is no check {given!r}.", hint=f"{meant}There are: {', '.join(CHECKS)}.")
    positional, named = _arguments(name, arguments)
    try:
        return CHECKS[name](*positional, **named)
    except TypeError as error:
        raise UsageError(
            f"The check {given!r} cannot be made with {arguments!r}: {error}.",
            hint="Give the arguments of the requirement of that name in mellea.stdlib.requirements.",
        ) from error


def _arguments(name: str, written: Any) -> tuple[Sequence[Any], Mapping[str, Any]]:
    if written is True or written is None:
        return (), {}
    if name in _EACH and isinstance(written, list):
        return written, {}
    if isinstance(written, Mapping) and name not in _ONE:
        return (), written
    return (written,), {}
