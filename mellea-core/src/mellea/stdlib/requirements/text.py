"""Requirements on text that cost nothing to check: lengths, patterns, choices, words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from mellea.core.errors import UsageError
from mellea.core.requirement import Requirement
from mellea.core.steering.forms import Avoids, Characters, Contains, Matches, OneOf, Sentences, Words
from mellea.stdlib.requirements._early_stop import (
    EarlyRequirement,
    counted_by,
    growing_characters,
    growing_sentences,
    growing_words,
    watch_for,
)
from mellea.stdlib.requirements.requirement import explained, simple_validate

__all__ = ["avoids", "character_count", "contains", "matches", "one_of", "sentence_count", "word_count"]


def _count_requirement(
    noun: str,
    growing: Callable[[], Callable[[str], int]],
    at_least: int | None,
    at_most: int | None,
    *,
    check_only: bool,
    form: type[Words | Sentences | Characters],
) -> Requirement:
    if at_least is None and at_most is None:
        raise UsageError(f"No bound on the {noun}s is given.", hint="Pass at_least=..., at_most=... or both.")
    for name, bound in (("at_least", at_least), ("at_most", at_most)):
        if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int) or bound < 0):
            raise UsageError(
                f"{name} is {bound!r}, which is no number of {noun}s.", hint="Pass a whole number, 0 or more."
            )
    if at_least is not None and at_most is not None and at_least > at_most:
        raise UsageError(
            f"At least {at_least} and at most {at_most} {noun}s cannot both hold.", hint="Swap the bounds."
        )
    bounds = [f"at least {at_least}"] if at_least is not None else []
    bounds += [f"at most {at_most}"] if at_most is not None else []

    def within(text: str) -> tuple[bool, str]:
        number = growing()(text)
        low, high = at_least is not None and number < at_least, at_most is not None and number > at_most
        return not (low or high), f"it has {number} {noun}{'' if number == 1 else 's'}"

    last = at_least if at_most is None else at_most
    return EarlyRequirement(
        f"Use {' and '.join(bounds)} {noun}{'' if last == 1 else 's'}.",
        simple_validate(explained(within)),
        counted_by(growing, noun, at_least, at_most),
        check_only=check_only,
        form=form(at_least or 0, at_most) if at_least or at_most else (),
    )


def word_count(
    *, at_least: int | None = None, at_most: int | None = None, check_only: bool = False
) -> Requirement:
    """Return the requirement that the output has so many words. It stops a stream that has too many.

    Raises:
        UsageError: No bound is given, one is no count, or they exclude each other.
    """
    return _count_requirement("word", growing_words, at_least, at_most, check_only=check_only, form=Words)


def character_count(
    *, at_least: int | None = None, at_most: int | None = None, check_only: bool = False
) -> Requirement:
    """Return the requirement that the output has so many characters. It stops a stream that has too many.

    Raises:
        UsageError: No bound is given, one is no count, or they exclude each other.
    """
    return _count_requirement(
        "character", growing_characters, at_least, at_most, check_only=check_only, form=Characters
    )


def sentence_count(
    *, at_least: int | None = None, at_most: int | None = None, check_only: bool = False
) -> Requirement:
    """Return the requirement that the output has so many sentences, as ``SentenceChunking`` cuts them.

    It stops a stream that has too many.

    Raises:
        UsageError: No bound is given, one is no count, or they exclude each other.
    """
    return _count_requirement(
        "sentence", growing_sentences, at_least, at_most, check_only=check_only, form=Sentences
    )


def matches(pattern: str, description: str | None = None, *, check_only: bool = False) -> Requirement:
    """Return the requirement that the whole output, apart from space around it, matches a regular expression.

    Args:
        pattern: The expression, as ``re.fullmatch`` takes it.
        description: The requirement in words, for the model.
        check_only: Whether to keep it out of the prompt.

    Raises:
        UsageError: The expression does not compile.
    """
    try:
        compiled = re.compile(pattern, re.DOTALL)
    except re.error as error:
        raise UsageError(
            f"{pattern!r} is no regular expression: {error}.", hint="Correct the pattern."
        ) from error

    def fits(text: str) -> tuple[bool, str]:
        if compiled.fullmatch(text.strip()):
            return True, "it matches"
        return False, f"the text {text.strip()[:60]!r} does not match {pattern!r}"

    return Requirement(
        description or f"The answer matches the regular expression {pattern}",
        simple_validate(explained(fits)),
        check_only=check_only,
        form=Matches(pattern),
    )


def one_of(choices: Iterable[str], *, check_only: bool = False) -> Requirement:
    """Return the requirement that the output is one of some texts, whatever its case.

    Its own fix takes the one choice that the output mentions, if it mentions only one.

    Raises:
        UsageError: There is no choice.
    """
    if isinstance(choices, str):
        raise UsageError("one_of is given one text.", hint='Pass a list: one_of(["yes", "no"]).')
    options = tuple(choices)
    if not options or not all(isinstance(option, str) and option.strip() for option in options):
        raise UsageError(
            "one_of takes one text or more to choose among.", hint="Pass the texts that are allowed."
        )
    folded = {option.strip().casefold() for option in options}

    def is_choice(text: str) -> tuple[bool, str]:
        if text.strip().casefold() in folded:
            return True, "it is one of them"
        return False, f"{text.strip()[:60]!r} is none of {', '.join(options)}"

    def find_mention(text: str) -> str:
        found = [
            option
            for option in options
            if re.search(rf"(?<!\w){re.escape(option)}(?!\w)", text, re.IGNORECASE)
        ]
        return found[0] if len(found) == 1 else text

    return Requirement(
        f"Answer with one of these and nothing else: {', '.join(options)}",
        simple_validate(explained(is_choice)),
        check_only=check_only,
        repair=find_mention,
        form=OneOf(options),
    )


def contains(*texts: str, check_only: bool = False) -> Requirement:
    """Return the requirement that the output contains each of some texts, whatever its case.

    Raises:
        UsageError: There is no text.
    """
    _some(texts, "contains")

    def has_all(text: str) -> tuple[bool, str]:
        missing = [wanted for wanted in texts if wanted.casefold() not in text.casefold()]
        return not missing, f"it lacks {', '.join(map(repr, missing))}" if missing else "it lacks nothing"

    return Requirement(
        f"Mention {', '.join(texts)}.",
        simple_validate(explained(has_all)),
        check_only=check_only,
        form=tuple(map(Contains, texts)),
    )


def avoids(*texts: str, check_only: bool = False) -> Requirement:
    """Return the requirement that the output contains none of some words or phrases, whatever their case.

    It stops a stream in which one occurs. With chunks of whole words or more, the reader never sees it; with
    the pieces as they come, a word is known only when something follows it.

    Raises:
        UsageError: There is no text.
    """
    _some(texts, "avoids")

    def has_none(text: str) -> tuple[bool, str]:
        found = [word for word in texts if re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE)]
        return (
            not found,
            f"it contains {', '.join(map(repr, found))}" if found else "it contains none of them",
        )

    return EarlyRequirement(
        f"Do not use: {', '.join(texts)}.",
        simple_validate(explained(has_none)),
        watch_for(texts),
        check_only=check_only,
        form=Avoids(texts),
    )


def _some(texts: tuple[str, ...], name: str) -> None:
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise UsageError(f"{name} takes one text or more.", hint=f'Write it as {name}("first", "second").')
