"""Free checks on text that know before its end when it cannot be right any more.

Each makes a watcher, which follows one text as it is written. A requirement itself holds no watcher, so that
nothing is shared between streams; ``copy.copy`` of it does, and ``stream`` makes one such copy for each
attempt. Asked without having been copied, a requirement judges the chunk as if it were the beginning of a
text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from mellea.core.chunking import SentenceChunking
from mellea.core.context import Context
from mellea.core.requirement import PartialValidationResult, Requirement, ValidationFunction
from mellea.core.steering.forms import Form

if TYPE_CHECKING:
    from mellea.core.backend import Backend

__all__ = [
    "EarlyRequirement",
    "Watcher",
    "counted_by",
    "growing_characters",
    "growing_sentences",
    "growing_words",
    "watch_for",
]

Watcher: TypeAlias = Callable[[str, Context], PartialValidationResult]
"""Takes a text's next chunk and the conversation with the output on its way; says what is known by now."""

_UNKNOWN = PartialValidationResult("unknown")


class EarlyRequirement(Requirement):
    """A requirement that follows a text while it is written.

    Args:
        description: The requirement in words.
        validation_fn: The check of the complete text.
        watch: Makes the watcher of one text.
        check_only: Whether to keep the description out of the prompt.
        form: What language of texts it admits.
    """

    reads_verbatim = True

    def __init__(
        self,
        description: str,
        validation_fn: ValidationFunction,
        watch: Callable[[], Watcher],
        *,
        check_only: bool = False,
        form: Form | Sequence[Form] = (),
    ) -> None:
        super().__init__(description, validation_fn, check_only=check_only, form=form)
        self._watch = watch
        self._watcher: Watcher | None = None

    def __copy__(self) -> Self:
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._watcher = self._watch()
        return twin

    async def stream_validate(
        self, chunk: str, *, backend: Backend, ctx: Context, flush: bool = False
    ) -> PartialValidationResult:
        """Return ``fail`` as soon as nothing that follows can make the text right."""
        watcher = self._watcher or self._watch()
        return watcher(chunk, ctx)


def counted_by(
    growing: Callable[[], Callable[[str], int]], noun: str, at_least: int | None, at_most: int | None
) -> Callable[[], Watcher]:
    """Return what makes watchers of a count that never falls while a text grows.

    Args:
        growing: Makes a counter of one text: it takes the next chunk and returns the count so far.
        noun: What is counted.
        at_least: The lower bound.
        at_most: The upper bound.
    """

    def watch() -> Watcher:
        count = growing()

        def look(chunk: str, ctx: Context) -> PartialValidationResult:
            number = count(chunk)
            if at_most is not None and number > at_most:
                return PartialValidationResult("fail", reason=f"it has more than {at_most} {noun}s")
            return (
                PartialValidationResult("pass") if at_most is None and number >= (at_least or 0) else _UNKNOWN
            )

        return look

    return watch


def growing_characters() -> Callable[[str], int]:
    """Return a counter of the characters of one growing text."""
    total = 0

    def count(chunk: str) -> int:
        nonlocal total
        total += len(chunk)
        return total

    return count


def growing_words() -> Callable[[str], int]:
    """Return a counter of the words of one growing text; a word that two chunks share counts once."""
    total, in_word = 0, False

    def count(chunk: str) -> int:
        nonlocal total, in_word
        goes_on = in_word and not chunk[:1].isspace()
        total += len(chunk.split()) - (goes_on and bool(chunk))
        in_word = not chunk[-1].isspace() if chunk else in_word
        return total

    return count


def growing_sentences() -> Callable[[str], int]:
    """Return a counter of the sentences of one growing text, the one begun last included."""
    sentences, complete, rest = SentenceChunking(keep_separators=True), 0, ""

    def count(chunk: str) -> int:
        nonlocal complete, rest
        rest += chunk
        for sentence in sentences.split(rest):
            complete += 1
            rest = rest[len(sentence) :]
        return complete + bool(rest.strip())

    return count


def watch_for(texts: Sequence[str]) -> Callable[[], Watcher]:
    """Return what makes watchers of words and phrases that must not occur, whatever their case.

    A word is one only when no letter follows it. Where a chunk ends with it, the text that the model has
    written since tells; if there is none yet, the next chunk does.
    """
    patterns = [(text, re.compile(rf"(?<!\w){re.escape(text)}", re.IGNORECASE)) for text in texts]
    kept = max(map(len, texts)) + 1  # the longest phrase, and the character before it

    def watch() -> Watcher:
        tail, seen = "", 0

        def look(chunk: str, ctx: Context) -> PartialValidationResult:
            nonlocal tail, seen
            text, decided, seen = tail + chunk, len(tail), seen + len(chunk)
            tail = text[-kept:]
            for wanted, pattern in patterns:
                for found in pattern.finditer(text):
                    following = text[found.end() : found.end() + 1] or _written_since(ctx, seen)
                    if found.end() >= decided and following is not None and not re.match(r"\w", following):
                        return PartialValidationResult("fail", reason=f"it contains {wanted!r}")
            return _UNKNOWN

        return look

    return watch


def _written_since(ctx: Any, seen: int) -> str | None:
    """Return the character after those seen: empty at the end of the text, None while it is not known."""
    output = ctx.last_output() if ctx is not None else None
    following = output.text[seen : seen + 1] if output is not None else ""
    return following or ("" if output is not None and output.is_computed() else None)
