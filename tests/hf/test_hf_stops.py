"""Stop strings and answers do not depend on the pieces that text comes in."""

from hypothesis import given
from hypothesis import strategies as st

from mellea_hf.answer import Answer
from mellea_hf.stops import StopScanner
from tests.hf import tiny

LETTERS = st.text("abc", max_size=30)
STOPS = st.lists(st.text("abc", min_size=1, max_size=4), max_size=3)


def cut_at_first_stop(text: str, stops: list[str]) -> str:
    ends = [
        (end, end - len(stop)) for stop in stops for end in range(len(text) + 1) if text[:end].endswith(stop)
    ]
    return text[: min(ends)[1]] if ends else text


def scan(pieces: list[str], stops: list[str]) -> tuple[list[str], bool]:
    scanner = StopScanner(stops)
    shown = [scanner.push(piece) for piece in pieces]
    return [*shown, scanner.finish()], scanner.stopped


@given(st.lists(st.text("abc", max_size=5), max_size=8), STOPS)
def test_text_in_pieces_is_cut_where_the_whole_text_is_cut(pieces, stops):
    shown, stopped = scan(pieces, stops)

    assert "".join(shown) == cut_at_first_stop("".join(pieces), stops)
    assert stopped == any(stop in "".join(pieces) for stop in stops)


@given(LETTERS)
def test_without_stop_strings_text_goes_through_at_once(text):
    shown, stopped = scan(list(text), [])

    assert shown == [*text, ""]
    assert not stopped


def test_suffix_that_may_begin_a_stop_string_is_held_back():
    shown, stopped = scan(["Hello\n", "world"], ["\n\n"])

    assert shown == ["Hello", "\nworld", ""]
    assert not stopped


def test_longest_of_stop_strings_with_the_same_end_cuts():
    shown, stopped = scan(["x", "a", "b", "y"], ["b", "ab"])

    assert "".join(shown) == "x"
    assert stopped


@given(st.text(max_size=20), st.text(max_size=5))
def test_answer_decodes_characters_that_span_tokens(text, context):
    backend = tiny.tokenizer().backend_tokenizer
    pieces: list[str] = []
    answer = Answer(backend, {0}, continued=backend.encode(context).ids, emit=pieces.append)

    ended = [answer.push(token) for token in backend.encode(text, add_special_tokens=False).ids]
    answer.finish("length")

    assert "".join(pieces) == answer.text == text
    assert not any(ended)
    assert "\ufffd" not in "".join(pieces).replace(text, "")


def test_answer_shows_an_unfinished_character_at_its_end():
    backend = tiny.tokenizer().backend_tokenizer
    answer = Answer(backend, {0})

    answer.push(backend.encode("é").ids[0])
    answer.finish("length")

    assert answer.text == "\ufffd"


def test_end_token_ends_an_answer_without_a_trace_in_the_text():
    backend = tiny.tokenizer().backend_tokenizer
    answer = Answer(backend, {0}, stops=["hidden"])

    ended = [answer.push(token) for token in [*backend.encode("hi").ids, 0]]

    assert ended == [False, False, True]
    assert (answer.text, answer.finish_reason, len(answer.tokens)) == ("hi", "stop", 3)
