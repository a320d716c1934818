"""Cutting a text that is still being written into words, sentences or paragraphs."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod

from mellea.core.errors import UsageError

__all__ = [
    "Chunker",
    "ChunkingStrategy",
    "ParagraphChunking",
    "SentenceChunking",
    "WordChunking",
    "get_chunking",
    "resolve_chunking_strategy",
]


class ChunkingStrategy(ABC):
    """Says where a text may be cut. Chunks are verbatim parts of the text, so that they join to it again."""

    @abstractmethod
    def split(self, text: str) -> list[str]:
        """Return the chunks at the beginning of the text that are complete, whatever follows."""

    def flush(self, text: str) -> list[str]:
        """Return the chunks of what is left when nothing follows any more; by default one."""
        return [text] if text else []


_WORD = re.compile(r"\s*+\S++(?=\s)")
_BLANK_LINES = re.compile(r"\n[ \t\r]*+\n\s*+")


def _one_after_the_other(pattern: re.Pattern[str], text: str) -> list[str]:
    """Return what matches at the beginning, what matches after it, and so on.

    One failure ends it, so that it costs its length.
    """
    chunks, position = [], 0
    while found := pattern.match(text, position):
        chunks.append(found.group())
        position = found.end()
    return chunks


class WordChunking(ChunkingStrategy):
    """A chunk is a word with the space before it."""

    def split(self, text: str) -> list[str]:
        """Return the words that are followed by space."""
        return _one_after_the_other(_WORD, text)


class ParagraphChunking(ChunkingStrategy):
    """A chunk is a paragraph with the blank lines after it."""

    def split(self, text: str) -> list[str]:
        """Return the paragraphs that are followed by a blank line and another paragraph's beginning."""
        body = text.rstrip()  # blank lines at the end have nothing behind them yet
        chunks, begin = [], 0
        for blank in _BLANK_LINES.finditer(body, len(text) - len(text.lstrip())):
            chunks.append(text[begin : blank.end()])
            begin = blank.end()
        return chunks


_ABBREVIATIONS = frozenset(
    [
        "dr",
        "mr",
        "mrs",
        "ms",
        "prof",
        "sr",
        "jr",
        "st",
        "vol",
        "fig",
        "figs",
        "eq",
        "eqs",
        "approx",
        "dept",
        "est",
        "inc",
        "ltd",
        "co",
        "corp",
        "vs",
        "etc",
        "al",
        "cf",
        "e.g",
        "i.e",
        "a.m",
        "p.m",
        "u.s",
        "u.k",
        "ph.d",
        "b.sc",
        "m.sc",
        "jan",
        "feb",
        "mar",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "sept",
        "oct",
        "nov",
        "dec",
    ]
)
_QUOTES = "\"'\u201c\u201d\u2018\u2019()[]"
_VISIBLE = re.compile(r"\S")
_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'\u201d\u2019)\]]*+(?=\s)")


class SentenceChunking(ChunkingStrategy):
    """A chunk is a sentence with the space before it.

    A mark at the end of an abbreviation (``Dr.``, ``e.g.``), of an initial (``J. Smith``), of a number in a
    list (``1.``), or before a word in lower case ends no sentence.
    """

    def split(self, text: str) -> list[str]:
        """Return the sentences after which something else has begun."""
        chunks, start = [], 0
        for mark in _SENTENCE_END.finditer(text):
            following = _VISIBLE.search(text, mark.end())
            if following and _ends_sentence(text[start : mark.end()], following.group()):
                chunks.append(text[start : mark.end()])
                start = mark.end()
        return chunks

    def flush(self, text: str) -> list[str]:
        """Return what is left: the complete sentences, and the last one even if no mark ends it."""
        chunks = self.split(text)
        rest = text[sum(map(len, chunks)) :]
        return [*chunks, rest] if rest else chunks


def _ends_sentence(sentence: str, following: str) -> bool:
    if following.islower():
        return False
    word = sentence.rsplit(maxsplit=1)[-1].strip(_QUOTES)
    if not word.endswith("."):
        return True
    stem = word[:-1]
    return not (
        stem.lower() in _ABBREVIATIONS
        or (len(stem) == 1 and stem.isalpha() and stem != "I")
        or _is_list_number(sentence)
    )


def _is_list_number(sentence: str) -> bool:
    return re.fullmatch(r"\s*\d+\.", sentence) is not None


_BY_NAME: dict[str, type[ChunkingStrategy]] = {
    "word": WordChunking,
    "sentence": SentenceChunking,
    "paragraph": ParagraphChunking,
}


def get_chunking(chunking: str | ChunkingStrategy) -> ChunkingStrategy:
    """Return the strategy with a name (``word``, ``sentence``, ``paragraph``), and a strategy as it is.

    Raises:
        UsageError: There is none of that name.
    """
    if isinstance(chunking, ChunkingStrategy):
        return chunking
    if not isinstance(chunking, str) or chunking not in _BY_NAME:
        raise UsageError(
            f"There is no chunking {chunking!r}.",
            hint=f"Choose among {', '.join(_BY_NAME)}, or pass a ChunkingStrategy.",
        )
    return _BY_NAME[chunking]()


def resolve_chunking_strategy(chunking: str | ChunkingStrategy | None) -> ChunkingStrategy | None:
    """Return what ``get_chunking`` does, and None for None.

    Raises:
        UsageError: There is none of that name.
    """
    return None if chunking is None else get_chunking(chunking)


class Chunker:
    """Feeds a growing text through a strategy.

    Args:
        strategy: Where to cut.
    """

    def __init__(self, strategy: ChunkingStrategy) -> None:
        self._strategy = strategy
        self._rest = ""

    def feed(self, delta: str) -> list[str]:
        """Take more text, and return the chunks that are complete now.

        Raises:
            UsageError: The strategy gave a chunk that is empty or no part of the text.
        """
        self._rest += delta
        return self._take(self._strategy.split(self._rest))

    def flush(self) -> list[str]:
        """Return the chunks of what is left; the text is over.

        Raises:
            UsageError: The strategy gave a chunk that is empty or no part of the text.
        """
        return self._take(self._strategy.flush(self._rest))

    def _take(self, chunks: list[str]) -> list[str]:
        for chunk in chunks:
            if not chunk or not self._rest.startswith(chunk):
                name = type(self._strategy).__name__
                raise UsageError(
                    f"{name} gave the chunk {chunk[:40]!r}, which is no beginning of the text left.",
                    hint="Return verbatim parts.",
                )
            self._rest = self._rest[len(chunk) :]
        return chunks
