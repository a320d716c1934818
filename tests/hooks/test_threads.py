"""Handlers that threads attach and take off at once."""

import sys
from contextlib import nullcontext
from threading import Thread

import pytest

from mellea.core.hooks import HookLayer, around, enter_around, leave_around

THREADS, TIMES = 3, 2_000


class Around:
    """Something that says what is entered around calls, and that only the garbage collector finds."""

    def __init__(self):
        self.itself = self
        self.entered = []

    def enter(self, call_id):
        self.entered.append(call_id)
        return nullcontext()


class Kept:
    """A handler, as far as a layer looks at it."""

    def __init__(self, key):
        self.key = key


@pytest.fixture(autouse=True)
def _often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def at_once(work):
    threads = [Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_what_others_enter_and_drop_takes_nothing_away():
    def work(number):
        for time in range(TIMES):
            dropped, left, kept = Around(), Around(), Around()
            for one in (dropped, left, kept):
                enter_around(one.enter)
            leave_around(left.enter)
            del dropped
            with around(f"{number} {time}"):
                pass
            if f"{number} {time}" not in kept.entered:
                lost.append(time)
            leave_around(kept.enter)

    lost = []
    at_once(work)
    assert lost == []


def test_layer_loses_no_handler():
    def work(number):
        for time in range(TIMES // 10):
            layer.add([Kept((number, time))])
            if time % 2:
                layer.remove([Kept((number, time))])

    layer = HookLayer()
    at_once(work)
    assert {handler.key for handler in layer.handlers} == {
        (number, time) for number in range(THREADS) for time in range(0, TIMES // 10, 2)
    }
