"""Prompts kept in a file, which take the place of a program's own words.

::

    @load_prompts("prompts.json")
    def program(m, text): ...

``mellea optimise`` writes such files. Each text stands beside the one that it replaces, so that a file is
read as a change, and has no say where the program has been changed since.
"""

from __future__ import annotations

import functools
import inspect
import json
import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Self, TypeVar, get_args

from attrs import field, frozen

from mellea.core.errors import UsageError
from mellea.core.trace import write_text
from mellea.stdlib._wording import Example, TextKind, wording

__all__ = ["Example", "Prompts", "Replacement", "load_prompts"]

F = TypeVar("F", bound=Callable[..., Any])

_FORMAT = "mellea prompts"
_VERSION = 1
_KINDS = get_args(TextKind)


@frozen
class Replacement:
    """A text of a program, and what takes its place.

    Args:
        kind: ``docstring`` of a typed function, ``task`` or ``prefix`` of an instruction, or ``requirement``,
            whose words alone change, not what is checked.
        was: The text as the program has it; of a task with variables, the template.
        now: What takes its place.
        of: The name of the typed function that it belongs to; empty where it is one of an instruction.
    """

    kind: TextKind
    was: str
    now: str
    of: str = ""

    @property
    def place(self) -> tuple[str, str, str]:
        """What it replaces."""
        return self.kind, self.of, self.was


@frozen(slots=False)
class Prompts:
    """Words that take the place of a program's own: within a ``with`` block, or in a function.

    As a decorator they hold while the function runs, a typed function included. Where several say something
    of one text, those that are put into force last do.

    Args:
        texts: The texts that are replaced.
        examples: The examples that typed functions show.
        found: What is known of them, such as the figures of the comparison that they won.
    """

    texts: tuple[Replacement, ...] = ()
    examples: tuple[Example, ...] = ()
    found: Mapping[str, Any] = field(factory=dict, hash=False)

    @functools.cached_property
    def _by_place(self) -> dict[tuple[str, str, str], str]:
        return {one.place: one.now for one in self.texts}

    def reword(self, kind: TextKind, of: str, original: str, text: str) -> str:
        """Return the words in place of a text. See ``Wording``."""
        return self._by_place.get((kind, of, original), text)

    def examples_of(self, head: str) -> tuple[Example, ...] | None:
        """Return the examples that a typed function shows; None where there are none for it.

        Args:
            head: The head of the function: it holds for the same parameters and types alone.
        """
        return tuple(one for one in self.examples if one.of == head) or None

    def __call__(self, function: F) -> F:
        """Return a function that runs with these words in force."""
        if hasattr(function, "with_wording"):  # a typed function
            worded: F = function.with_wording(self)
            return worded
        if not inspect.isroutine(function) or inspect.isgeneratorfunction(function):
            raise UsageError(
                f"{function!r} is no function.", hint="Use a with block: with load_prompts(...):"
            )

        @functools.wraps(function)
        def plain(*args: Any, **kwargs: Any) -> Any:
            with wording(self):
                return function(*args, **kwargs)

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            with wording(self):
                return await function(*args, **kwargs)

        return awaited if inspect.iscoroutinefunction(function) else plain  # type: ignore[return-value]

    def __enter__(self) -> Self:
        block = wording(self)
        block.__enter__()
        _blocks.set((*_blocks.get(), block))
        return self

    def __exit__(self, *exc: object) -> None:
        *before, block = _blocks.get()
        _blocks.set(tuple(before))
        block.__exit__(None, None, None)

    def to_dict(self) -> dict[str, Any]:
        """Return them as JSON values."""
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "texts": [
                {"kind": one.kind, **({"of": one.of} if one.of else {}), "was": one.was, "now": one.now}
                for one in self.texts
            ],
            "examples": [
                {"of": one.of, "arguments": one.arguments, "result": one.result} for one in self.examples
            ],
            "found": dict(self.found),
        }

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write them to a file that ``load_prompts`` reads.

        Raises:
            UsageError: It cannot be written there.
        """
        write_text(path, json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n")


_blocks: ContextVar[tuple[Any, ...]] = ContextVar("mellea_prompt_blocks", default=())


def load_prompts(path: str | os.PathLike[str]) -> Prompts:
    """Return the prompts in a file, for a ``with`` block or as a decorator.

    Args:
        path: The file.

    Raises:
        UsageError: It cannot be read, or holds no prompts.
    """
    try:
        read = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(
            f"{path} cannot be read: {error.strerror}.", hint="Write it with mellea optimise."
        ) from error
    except ValueError as error:
        raise UsageError(f"{path} is no JSON: {error}.", hint="Write it with mellea optimise.") from error
    try:
        if read["format"] != _FORMAT or read["version"] != _VERSION:
            raise ValueError("it is of another format, or of a newer release")
        texts = tuple(map(_replacement, read["texts"]))
        examples = tuple(
            Example(_text(one["of"]), _text(one["arguments"]), one["result"]) for one in read["examples"]
        )
        return Prompts(texts, examples, found=dict(read.get("found", {})))
    except (KeyError, TypeError, ValueError) as error:
        why = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise UsageError(f"{path} holds no prompts: {why}.", hint="Write it with mellea optimise.") from error


def _replacement(written: Mapping[str, Any]) -> Replacement:
    kind = written["kind"]
    if kind not in _KINDS:
        raise ValueError(f"{kind!r} is no kind of text; there are {', '.join(_KINDS)}")
    return Replacement(kind, _text(written["was"]), _text(written["now"]), _text(written.get("of", "")))


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise TypeError(f"{given!r} is no text")
    return given
