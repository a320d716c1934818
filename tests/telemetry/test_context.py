import asyncio
import logging
import threading

import pytest

from mellea.core import UsageError
from mellea.telemetry import (
    MelleaContextFilter,
    async_with_context,
    generate_request_id,
    get_current_context,
    get_model_id,
    get_request_id,
    get_sampling_iteration,
    get_session_id,
    with_context,
)


def test_nothing_is_set_outside():
    assert get_current_context() == {}
    assert [get_session_id(), get_request_id(), get_model_id(), get_sampling_iteration()] == [None] * 4


async def test_fields_hold_within_blocks_and_end_with_them():
    with with_context(session_id="s", model_id="m"):
        async with async_with_context(request_id="r", sampling_iteration=2):
            assert get_current_context() == {
                "session_id": "s",
                "model_id": "m",
                "request_id": "r",
                "sampling_iteration": 2,
            }
        assert get_current_context() == {"session_id": "s", "model_id": "m"}
    assert get_current_context() == {}


def test_fields_end_after_an_error():
    with pytest.raises(ZeroDivisionError), with_context(session_id="s"):
        raise ZeroDivisionError
    assert get_session_id() is None


def test_unknown_field_is_named():
    with pytest.raises(ValueError, match="user.*session_id"), with_context(user="me"):
        pass


async def test_tasks_and_threads_are_apart():
    async def within(name):
        with with_context(session_id=name):
            await asyncio.sleep(0)
            return get_session_id()

    assert await asyncio.gather(within("a"), within("b")) == ["a", "b"]
    seen = []
    with with_context(session_id="here"):
        thread = threading.Thread(target=lambda: seen.append(get_session_id()))
        thread.start()
        thread.join()
    assert seen == [None]


def test_filter_puts_the_fields_on_records_and_keeps_what_they_have():
    record = logging.makeLogRecord({"request_id": "own"})
    with with_context(session_id="s", request_id="r"):
        assert MelleaContextFilter().filter(record)
    assert (record.session_id, record.request_id) == ("s", "own")


def test_request_ids_are_fresh_and_hexadecimal():
    first, second = generate_request_id(), generate_request_id()
    assert first != second
    assert int(first, 16) > 0


def test_error_is_ours_too():
    with pytest.raises(UsageError), with_context(sesion_id="s"):
        pass
