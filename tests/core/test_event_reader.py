"""The events of a stream, however its bytes are cut and framed."""

import pytest

from mellea.core.errors import MalformedResponseError, ServerError
from mellea.core.event_reader import DONE, EventReader

PIECE = b'data: {"choices": [1]}'


def reader(**kwargs):
    return EventReader(MalformedResponseError, backend="b", model_id="m", **kwargs)


def read(stream, size, **kwargs):
    """Return the values, read in pieces of a size."""
    of_stream = reader(**kwargs)
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    values = [event.value for piece in pieces for event in of_stream.feed(piece)]
    values += [event.value for event in of_stream.rest()]
    of_stream.check()
    return values


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize(
    "stream",
    [
        PIECE + b"\n\ndata: [DONE]\n\n",
        PIECE + b"\r\n\r\ndata: [DONE]\r\n\r\n",
        b'data:{"choices":[1]}\n\ndata:[DONE]\n\n',
        PIECE + b"\ndata: [DONE]\n",
        PIECE + b"\n\ndata: [DONE]",
        b": hello\nid: 7\nretry: 10\nevent: x\n" + PIECE + b"\n\ndata: [DONE]\n\n",
        b'data: {"choices":\ndata: [1]}\n\ndata: [DONE]\n\n',
        b"data: \n\ndata:\n\n" + PIECE + b"\n\ndata: [DONE]\n\n",
    ],
    ids=["plain", "CRLF", "no blank", "one line each", "no end", "fields", "two lines", "no data"],
)
def test_events_are_the_same_however_they_are_framed(stream, size):
    assert read(stream, size) == [{"choices": [1]}, DONE]


def test_lines_of_json_are_events_where_the_protocol_is_another():
    assert read(b'{"message": {}}\n{"done": true}', 5, is_chat=False) == [{"message": {}}, {"done": True}]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: {broken\n\n", MalformedResponseError),
        (b"data: " + b"[" * 20_000 + b"\n\n", MalformedResponseError),
        (b"<html>a page</html>", MalformedResponseError),
        (b'{\n "choices": [1]\n}', MalformedResponseError),
        (b"data: [DONE]\n\n", MalformedResponseError),
        (b'event: error\ndata: {"anything": 1}\n\n', ServerError),
        (b"event: error\ndata: it died", ServerError),
        (b'{\n "error": "it died"\n}', ServerError),
        (PIECE + b'\n\n{"error": "it died"}\n', ServerError),
    ],
    ids=["broken", "deep", "page", "whole", "end", "named", "words", "indented", "bare"],
)
def test_what_is_no_stream_of_events_is_told(stream, expected):
    with pytest.raises(expected):
        read(stream, 7)


@pytest.mark.parametrize("stream", [b"", b": alive\n\n", PIECE + b"\n\ndata: {"])
def test_stream_that_breaks_off_is_left_to_who_waits_for_its_end(stream):
    of_stream = reader()

    events = [*of_stream.feed(stream), *of_stream.rest()]
    of_stream.check()

    assert len(events) == stream.count(b"choices")
    assert not of_stream.done
