"""Cutting text that is still being written."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mellea.core import UsageError
from mellea.stdlib.chunking import (
    Chunker,
    ChunkingStrategy,
    ParagraphChunking,
    SentenceChunking,
    WordChunking,
    get_chunking,
)


def sentences(text):
    chunker = Chunker(SentenceChunking())
    return [chunk.strip() for chunk in [*chunker.feed(text), *chunker.flush()]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Smith came. He left.", ["Dr. Smith came.", "He left."]),
        ("Bring fruit, e.g. apples. Thanks!", ["Bring fruit, e.g. apples.", "Thanks!"]),
        ("J. R. Smith wrote it. Then?", ["J. R. Smith wrote it.", "Then?"]),
        ("It costs 3.50 euros. Fine.", ["It costs 3.50 euros.", "Fine."]),
        ('He said "Go!" Then he went.', ['He said "Go!"', "Then he went."]),
        ("1. Wash. 2. Dry.", ["1. Wash.", "2. Dry."]),
        ("Wait... what? Yes", ["Wait...", "what?", "Yes"]),
    ],
)
def test_sentences(text, expected):
    assert sentences(text) == expected


KEEPING = [kind(keep_separators=True) for kind in (WordChunking, SentenceChunking, ParagraphChunking)]


@pytest.mark.parametrize("strategy", KEEPING, ids=lambda s: type(s).__name__)
@settings(deadline=None)
@given(pieces=st.lists(st.text(alphabet="ab. \n!D", max_size=5)))
def test_chunks_with_separators_join_to_the_text_up_to_the_last_one(strategy, pieces):
    chunker = Chunker(strategy)

    chunks = [chunk for piece in pieces for chunk in chunker.feed(piece)] + chunker.flush()

    text, joined = "".join(pieces), "".join(chunks)
    assert text.startswith(joined)
    assert not text[len(joined) :].strip()


STRATEGIES = [WordChunking(), SentenceChunking(), ParagraphChunking()]


@pytest.mark.parametrize(
    ("strategy", "text", "complete", "rest"),
    [
        (SentenceChunking(), "Hello world. Bye now. ", ["Hello world.", "Bye now."], []),
        (SentenceChunking(), "Hello world. Bye now.", ["Hello world."], ["Bye now."]),
        (SentenceChunking(), 'He said "Go!" \n\t(Really?) x ', ['He said "Go!"', "(Really?)"], ["x"]),
        (WordChunking(), "one two ", ["one", "two"], []),
        (WordChunking(), "  one two", ["one"], ["two"]),
        (ParagraphChunking(), "P one.\n\nP two.\n\n", ["P one.", "P two."], []),
        (ParagraphChunking(), "a \n b\n\n\n\nc\n", ["a \n b"], ["c\n"]),
        *((one, "", [], []) for one in STRATEGIES),
        *((one, "\n\n", [], []) for one in STRATEGIES),
    ],
)
def test_chunks_are_given_without_separators(strategy, text, complete, rest):
    assert (strategy.split(text), strategy.flush(text)) == (complete, rest)


def test_paragraphs_end_at_blank_lines():
    chunker = Chunker(ParagraphChunking())

    assert chunker.feed("One\ntwo.\n\nThree.") == ["One\ntwo."]
    assert chunker.flush() == ["Three."]


def test_sentence_is_given_when_a_space_follows():
    chunker = Chunker(SentenceChunking())

    assert chunker.feed("Hello there.") == []
    assert chunker.feed(" ") == ["Hello there."]


def test_unknown_name_is_our_error():
    with pytest.raises(UsageError, match="sentence"):
        get_chunking("line")


def test_chunk_that_is_no_part_of_the_text_is_our_error():
    class Wrong(ChunkingStrategy):
        def split(self, text):
            return ["other"]

    with pytest.raises(UsageError, match="Wrong"):
        Chunker(Wrong()).feed("text")


@pytest.mark.parametrize(
    "strategy", [WordChunking(), SentenceChunking(), ParagraphChunking()], ids=lambda s: type(s).__name__
)
@settings(deadline=None)
@given(pieces=st.lists(st.text(alphabet="aDr. \n!\u2019\u00e9", max_size=5)))
def test_chunks_are_the_same_however_the_text_arrives(strategy, pieces):
    piecewise, whole = Chunker(strategy), Chunker(strategy)

    chunks = [chunk for piece in pieces for chunk in piecewise.feed(piece)] + piecewise.flush()

    assert chunks == whole.feed("".join(pieces)) + whole.flush()


@pytest.mark.parametrize(
    "strategy", [WordChunking(), SentenceChunking(), ParagraphChunking()], ids=lambda s: type(s).__name__
)
@pytest.mark.parametrize(
    "text", ["a" * 50_000, "\n" * 50_000, "." * 50_000, " " * 50_000], ids=["word", "lines", "marks", "space"]
)
def test_long_text_without_an_end_costs_its_length(strategy, text):
    """A pattern that goes back and forth would take minutes here."""
    assert strategy.split(text) == []


def test_words_go_on_after_a_line_break():
    chunker = Chunker(WordChunking())

    assert chunker.feed("one two\nthree") == ["one", "two"]
    assert chunker.flush() == ["three"]


@pytest.mark.parametrize("chunking", [3, None, ["word"]])
def test_what_is_no_chunking_is_our_error(chunking):
    with pytest.raises(UsageError, match="There is no chunking"):
        get_chunking(chunking)


def test_strategy_may_leave_out_what_lies_between():
    class Lines(ChunkingStrategy):
        def split(self, text):
            return [line for line in text.split("\n")[:-1] if line]

    chunker = Chunker(Lines())
    assert [*chunker.feed("a\n\nb"), *chunker.feed("c\nrest"), *chunker.flush()] == ["a", "bc"]


def test_empty_chunk_is_our_error():
    class Empty(ChunkingStrategy):
        def split(self, text):
            return [""]

    with pytest.raises(UsageError, match="Empty"):
        Chunker(Empty()).feed("text")
