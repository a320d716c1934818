"""Requirements on text that cost nothing to check."""

import asyncio
import copy
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mellea.core import UsageError
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements import (
    avoids,
    character_count,
    contains,
    matches,
    one_of,
    sentence_count,
    word_count,
)
from mellea.testing import ScriptedBackend

BACKEND = ScriptedBackend("never asked")


def after(text):
    return SimpleContext().add(ModelOutputThunk(text))


async def verdict(requirement, text):
    return await requirement.validate(BACKEND, after(text))


@pytest.mark.parametrize(
    ("requirement", "text", "met", "reason"),
    [
        (word_count(at_most=2), "one two", True, "it has 2 words"),
        (word_count(at_most=2), "one two three", False, "it has 3 words"),
        (word_count(at_least=2), " one ", False, "it has 1 word"),
        (word_count(at_least=2, at_most=3), "one\ntwo", True, "it has 2 words"),
        (word_count(at_most=0), "", True, "it has 0 words"),
        (character_count(at_most=3), "abcd", False, "it has 4 characters"),
        (character_count(at_least=1), "😀", True, "it has 1 character"),
        (sentence_count(at_most=1), "Dr. Smith paid 3.50 euros.", True, "it has 1 sentence"),
        (sentence_count(at_most=1), "He came. He left.", False, "it has 2 sentences"),
        (sentence_count(at_least=1), "", False, "it has 0 sentences"),
        (sentence_count(at_least=2), "No mark. At the end", True, "it has 2 sentences"),
        (matches(r"\d+"), " 42\n", True, "it matches"),
        (matches(r"\d+"), "42 is it", False, "the text '42 is it' does not match '\\\\d+'"),
        (one_of(["yes", "no"]), " Yes ", True, "it is one of them"),
        (one_of(["yes", "no"]), "maybe", False, "'maybe' is none of yes, no"),
        (contains("Ada", "36"), "ada is 36", True, "it lacks nothing"),
        (contains("Ada", "36"), "ada", False, "it lacks '36'"),
        (avoids("cat", "new york"), "category in York, new", True, "it contains none of them"),
        (avoids("cat", "new york"), "A CAT in New York", False, "it contains 'cat', 'new york'"),
        (avoids("C++"), "I like C++.", False, "it contains 'C++'"),
    ],
)
async def test_verdict_and_reason(requirement, text, met, reason):
    result = await verdict(requirement, text)

    assert (result.result, result.reason) == (met, reason)


@pytest.mark.parametrize(
    ("requirement", "description"),
    [
        (word_count(at_least=2, at_most=3), "Use at least 2 and at most 3 words."),
        (word_count(at_most=1), "Use at most 1 word."),
        (contains("Ada"), "Mention Ada."),
        (avoids("a", "b"), "Do not use: a, b."),
        (matches("x", "Answer x."), "Answer x."),
    ],
)
def test_description_says_what_is_wanted(requirement, description):
    assert requirement.description == description


@pytest.mark.parametrize(
    ("text", "mended"),
    [("I say yes!", "yes"), ("yes or no", "yes or no"), ("yesterday", "yesterday"), ("none", "none")],
)
def test_one_of_takes_the_one_choice_that_is_mentioned(text, mended):
    assert one_of(["yes", "no"]).repair(text) == mended


@pytest.mark.parametrize(
    "make",
    [
        word_count,
        lambda: word_count(at_least=3, at_most=2),
        lambda: word_count(at_most=-1),
        lambda: character_count(at_most=2.5),
        lambda: sentence_count(at_least=True),
        lambda: matches("("),
        lambda: one_of([]),
        lambda: one_of("yes"),
        lambda: one_of(["yes", ""]),
        contains,
        lambda: avoids(""),
        lambda: avoids(3),
    ],
)
def test_what_can_never_be_met_is_refused_at_once(make):
    with pytest.raises(UsageError):
        make()


@pytest.mark.parametrize("make", [word_count, character_count, sentence_count])
def test_check_only_keeps_a_count_out_of_the_prompt(make):
    assert make(at_most=3, check_only=True).check_only


# Early verdicts


def early(requirement, pieces):
    """Return the verdict after each piece, as a stream asks for them."""
    check = copy.copy(requirement)

    async def verdicts():
        ctx = after("".join(pieces))
        return [(await check.stream_validate(piece, backend=BACKEND, ctx=ctx)).success for piece in pieces]

    return asyncio.run(verdicts())


COUNTS = {
    "words": (word_count, lambda text: len(text.split())),
    "characters": (character_count, len),
}


@pytest.mark.parametrize(("make", "count"), COUNTS.values(), ids=COUNTS)
@settings(deadline=None)
@given(pieces=st.lists(st.text(alphabet="ab é\n\u2003", max_size=4), max_size=6), most=st.integers(0, 6))
def test_stream_fails_exactly_when_there_is_too_much(make, count, pieces, most):
    verdicts = early(make(at_most=most), pieces)

    counts = [count("".join(pieces[: end + 1])) for end in range(len(pieces))]
    assert verdicts == ["fail" if number > most else "unknown" for number in counts]


@settings(deadline=None)
@given(pieces=st.lists(st.text(alphabet="aD. !\n", max_size=4), max_size=6), most=st.integers(0, 3))
def test_sentences_that_fail_early_fail_in_the_end(pieces, most):
    requirement = sentence_count(at_most=most)

    failed = early(requirement, pieces)[-1:] == ["fail"]

    assert failed == (not asyncio.run(verdict(requirement, "".join(pieces))).result and bool(pieces))


@settings(deadline=None)
@given(pieces=st.lists(st.text(alphabet="cat xC-", max_size=4), max_size=8))
def test_words_that_fail_early_are_those_that_fail_in_the_end(pieces):
    requirement = avoids("cat", "a-c")

    assert ("fail" in early(requirement, pieces)) == (
        not asyncio.run(verdict(requirement, "".join(pieces))).result
    )


def test_lower_bound_passes_early():
    assert early(word_count(at_least=2), ["one ", "two ", "three"]) == ["unknown", "pass", "pass"]
    assert early(word_count(at_least=1, at_most=5), ["one ", "two"]) == ["unknown", "unknown"]


def test_word_that_may_go_on_waits_for_what_follows():
    assert early(avoids("cat"), ["a cat", "egory"]) == ["unknown", "unknown"]


async def test_word_at_the_end_of_what_is_written_so_far_is_not_judged_yet():
    check, live = copy.copy(avoids("cat")), ModelOutputThunk()

    first = await check.stream_validate("a cat", backend=BACKEND, ctx=SimpleContext().add(live))
    second = await check.stream_validate(" sat", backend=BACKEND, ctx=SimpleContext().add(live))

    assert (first.success, second.success) == ("unknown", "fail")


async def test_requirement_itself_keeps_nothing_of_a_text():
    requirement = word_count(at_most=2)

    verdicts = [
        await requirement.stream_validate("one two", backend=BACKEND, ctx=SimpleContext()) for _ in range(3)
    ]

    assert [found.success for found in verdicts] == ["unknown"] * 3


def test_two_copies_follow_two_texts():
    requirement = character_count(at_most=3)

    assert early(requirement, ["ab", "c"]) == early(requirement, ["ab", "c"]) == ["unknown", "unknown"]


def test_reason_of_an_early_failure_says_what_came():
    check = copy.copy(avoids("New York"))

    found = asyncio.run(check.stream_validate("in new york.", backend=BACKEND, ctx=SimpleContext()))

    assert re.search("New York", found.reason)
