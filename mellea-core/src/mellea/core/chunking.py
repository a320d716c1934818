"""Cutting a text that is still being written into words, sentences or paragraphs."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator

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
    """Says where a text may be cut.

    Chunks are verbatim parts of the text, in its order; what lies between them is left out.
    """

    @abstractmethod
    def split(self, text: str) -> list[str]:
        """Return the chunks at the beginning of the text that are complete, whatever follows."""

    def flush(self, text: str) -> list[str]:
        """Return the chunks behind those of ``split``, when nothing follows; by default none."""
        return []


class _SeparatedChunking(ChunkingStrategy):
    """Chunks with separators between them.

    Args:
        keep_separators: Whether a chunk begins with what separates it from the one before, so that chunks
            join to the text again.
    """

    def __init__(self, *, keep_separators: bool = False) -> None:
        self.keep_separators = keep_separators

    def split(self, text: str) -> list[str]:
        """Return the chunks whose separator has been written."""
        chunks, kept = [], 0
        for begin, end in self._complete(text):
            chunks.append(text[kept if self.keep_separators else begin : end])
            kept = end
        return chunks

    def flush(self, text: str) -> list[str]:
        """Return what stands behind the last separator; nothing if the text ends with one."""
        end = 0
        for _, end in self._complete(text):  # noqa: B007  the last one
            pass
        rest = text[end:]
        unfinished = self._rest(rest)
        return [rest if self.keep_separators else unfinished] if unfinished else []

    @abstractmethod
    def _complete(self, text: str) -> Iterator[tuple[int, int]]:
        """Iterate over where the complete chunks begin and end."""

    def _rest(self, rest: str) -> str:
        """Return the unfinished chunk in what is left behind the last complete one."""
        return rest.strip()


_WORD = re.compile(r"(?<!\S)\S++(?=\s)")
_PARAGRAPH_END = re.compile(r"\n{2,}+")


class WordChunking(_SeparatedChunking):
    """A chunk is a word."""

    def _complete(self, text: str) -> Iterator[tuple[int, int]]:
        return (found.span() for found in _WORD.finditer(text))

    def _rest(self, rest: str) -> str:
        return "" if rest[-1:].isspace() else rest.strip()


class ParagraphChunking(_SeparatedChunking):
    """A chunk is a paragraph; two or more line ends separate them."""

    def _complete(self, text: str) -> Iterator[tuple[int, int]]:
        begin = 0
        for blank in _PARAGRAPH_END.finditer(text):
            if blank.start() > begin:
                yield begin, blank.start()
            begin = blank.end()

    def _rest(self, rest: str) -> str:
        blank = _PARAGRAPH_END.match(rest)
        return rest[blank.end() :] if blank else rest


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
_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'\u201d\u2019)\]\u00bb]*+(?=\s)")


class SentenceChunking(_SeparatedChunking):
    """A chunk is a sentence: up to a mark, with the quotes and brackets that close behind it.

    A mark at the end of an abbreviation (``Dr.``, ``e.g.``), of an initial (``J. Smith``), or of a number in
    a list (``1.``) ends no sentence. What follows does not matter: the last sentence is complete, too.
    """

    def _complete(self, text: str) -> Iterator[tuple[int, int]]:
        begin = len(text) - len(text.lstrip())
        for mark in _SENTENCE_END.finditer(text):
            if mark.end() > begin and _ends_sentence(text[begin : mark.end()]):
                yield begin, mark.end()
                begin = mark.end()
                while begin < len(text) and text[begin].isspace():
                    begin += 1


def _ends_sentence(sentence: str) -> bool:
    word = sentence.rsplit(maxsplit=1)[-1].strip(_QUOTES)
    if not word.endswith("."):
        return True
    stem = word[:-1]
    return not (
        stem.lower() in _ABBREVIATIONS
        or (len(stem) == 1 and stem.isalpha() and stem != "I")
        or re.fullmatch(r"\d+\.", sentence)
    )


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
        return [chunk for chunk, _ in self.feed_verbatim(delta)]

    def flush(self) -> list[str]:
        """Return the chunks of what is left; the text is over.

        Raises:
            UsageError: The strategy gave a chunk that is empty or no part of the text.
        """
        return [chunk for chunk, _ in self.flush_verbatim()]

    def feed_verbatim(self, delta: str) -> list[tuple[str, str]]:
        """Do what ``feed`` does, and give with each chunk the text from the end of the one before."""
        self._rest += delta
        return self._take(self._strategy.split(self._rest))

    def flush_verbatim(self) -> list[tuple[str, str]]:
        """Do what ``flush`` does, and give with each chunk the text from the end of the one before."""
        return self._take(self._strategy.flush(self._rest))

    def _take(self, chunks: list[str]) -> list[tuple[str, str]]:
        taken = []
        for chunk in chunks:
            begin = self._rest.find(chunk) if chunk else -1
            if begin < 0:
                name = type(self._strategy).__name__
                raise UsageError(
                    f"{name} gave the chunk {chunk[:40]!r}, which is no part of the text left.",
                    hint="Return verbatim parts, in their order.",
                )
            end = begin + len(chunk)
            taken.append((chunk, self._rest[:end]))
            self._rest = self._rest[end:]
        return taken
