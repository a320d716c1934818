"""A server that cannot start says which processor or wheel is to blame, and what to do."""

import platform
import signal

import pytest

from tests.servers.llama import why_not_started


def test_illegal_instruction_blames_the_wheel_and_names_the_processor():
    said = why_not_started(-signal.SIGILL)

    assert "illegal instruction" in said
    assert "the wheel xllamacpp 20" in said
    assert platform.machine() in said
    assert "another version of xllamacpp" in said


@pytest.mark.parametrize(
    ("code", "words"), [(-signal.SIGKILL, "SIGKILL"), (1, "code 1"), (None, "not healthy")]
)
def test_every_other_end_is_told_with_the_wheel(code, words):
    said = why_not_started(code)

    assert words in said
    assert "the wheel xllamacpp" in said
