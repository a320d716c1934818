import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellea.core.steering import TextDecoder

TEXTS = [
    "plain",
    'a "quoted" word',
    "back\\slash",
    "line\nand\ttab",
    "caf\u00e9 \u4e16\u754c",
    "\U0001f600 and \U0001f9d1\u200d\U0001f680",
    "",
]
FRAMES = ["{}", ' {{ "text" : {} }}', '{{"a\\"b": {}}}\n']


def decoded(pieces):
    decoder = TextDecoder()
    text = "".join(map(decoder.feed, pieces)) + decoder.flush()
    return text, decoder.complete


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("text", TEXTS)
def test_text_is_the_same_wherever_its_json_is_split(text, ascii_only, frame):
    written = frame.format(json.dumps(text, ensure_ascii=ascii_only))

    for first in range(len(written) + 1):
        for second in range(first, len(written) + 1, 3):
            assert decoded([written[:first], written[first:second], written[second:]]) == (text, True)


@given(st.text(), st.booleans())
def test_text_comes_out_of_single_characters(text, ascii_only):
    assert decoded(json.dumps(text, ensure_ascii=ascii_only)) == (text, True)


def test_pieces_are_handed_on_as_they_come():
    decoder = TextDecoder()

    assert [decoder.feed(piece) for piece in ['"One', " tw", "o\\", 'n"']] == ["One", " tw", "o", "\n"]


def test_half_a_surrogate_pair_becomes_the_replacement_character():
    assert decoded(['"\\ud83d', 'x"']) == ("\ufffdx", True)
    assert decoded(['"\\ude00"']) == ("\ufffd", True)


def test_cut_text_keeps_what_came():
    assert decoded(['"half \\u00']) == ("half ", False)
    assert decoded(['"half \\ud83d']) == ("half \ufffd", False)


def test_what_follows_the_text_is_dropped():
    assert decoded(['"a"', ' and "b"']) == ("a", True)
