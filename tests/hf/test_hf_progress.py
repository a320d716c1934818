"""Loads and long generations show bars on a terminal, and nothing in a pipe or where they are not wanted."""

import io

import pytest

from mellea_hf import progress
from mellea_hf.progress import progress_bar, progress_is_off


class Terminal(io.StringIO):
    def isatty(self):
        return True


def shown(monkeypatch, file, **options):
    monkeypatch.setattr("sys.stderr", file)
    with progress_bar(3, "Loading", shape="{desc}: {n}/{total}", **options) as bar:
        for _ in range(3):
            bar.update()
    return file.getvalue()


@pytest.fixture(autouse=True)
def no_setting(monkeypatch):
    monkeypatch.delenv("MELLEA_PROGRESS", raising=False)


def test_bar_shows_on_a_terminal_and_goes_away(monkeypatch):
    text = shown(monkeypatch, Terminal())

    assert "Loading: 0/3" in text
    assert text.endswith("\r")


def test_nothing_shows_in_a_pipe(monkeypatch):
    assert shown(monkeypatch, io.StringIO()) == ""


@pytest.mark.parametrize("setting", ["0", "no", "off", "False"])
def test_nothing_shows_where_it_is_not_wanted(monkeypatch, setting):
    monkeypatch.setenv("MELLEA_PROGRESS", setting)

    assert progress_is_off() is True
    assert shown(monkeypatch, Terminal()) == ""


def test_nothing_shows_where_there_is_nothing_to_tell(monkeypatch):
    assert shown(monkeypatch, Terminal(), wanted=False) == ""


def test_nothing_shows_before_it_takes_long(monkeypatch):
    assert "Loading" not in shown(monkeypatch, Terminal(), delay=3600.0)


@pytest.mark.parametrize("setting", ["", "1", "yes"])
def test_bars_are_left_to_the_terminal_otherwise(monkeypatch, setting):
    monkeypatch.setenv("MELLEA_PROGRESS", setting)

    assert progress.progress_is_off() is None
