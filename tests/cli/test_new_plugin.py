"""``mellea new-plugin``: names that will not do, places that are taken, and what is never half written."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from mellea.cli import main
from mellea.cli.new_plugin import bounds_of


def new(name: str, kind: str = "backend", directory: str | Path = ".") -> int:
    return main(["new-plugin", name, "--kind", kind, "--directory", str(directory)])


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("../escape", "backend", "is no name of a distribution"),
        ("a/b", "context", "is no name of a distribution"),
        (".", "backend", "is no name of a distribution"),
        ("", "backend", "is no name of a distribution"),
        ("zwei wörter", "backend", "is no name of a distribution"),
        ("-x", "backend", "the following arguments are required"),
        ("3cpo", "backend", "No module can be called '3cpo'"),
        ("mellea-3cpo", "backend", "No module can be called 'mellea_3cpo'"),
        ("class", "backend", "'class' is a word of Python's. Call it mellea-class."),
        ("json", "backend", "'json' is a module that is there already. Call it mellea-json."),
        ("mellea", "backend", "is a module that is there already"),
        ("pytest", "requirements", f"pytest {version('pytest')} is installed"),
        (
            "cached",
            "backend",
            "cached:... is how a composition of backends is written. Call it mellea-cached",
        ),
        ("HuggingFace", "backend", "'huggingface' is a backend of Mellea's own"),
        ("mellea-chat", "context", " provides the context 'chat'"),
        ("mellea.best_of_n", "strategy", " provides the strategy 'best-of-n'"),
        ("toy", "backend", "toy-backend 1.0 provides the backend 'toy'"),
    ],
)
def test_name_that_will_not_do_is_a_sentence_and_writes_nothing(install, capsys, tmp_path, name, kind, words):
    install("toy-backend")

    status = new(name, kind, tmp_path)

    assert status == 2
    assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert not (tmp_path.parent / "escape").exists()


def test_folder_that_is_there_stays_as_it_is(capsys, tmp_path):
    (tmp_path / "mellea-brook").mkdir()
    (tmp_path / "mellea-brook" / "mine.txt").write_text("mine")

    assert new("mellea-brook", directory=tmp_path) == 2
    assert "is there already" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "mellea-brook").iterdir()] == ["mine.txt"]


def test_place_that_is_not_there_is_named(capsys, tmp_path):
    assert new("mellea-brook", directory=tmp_path / "nowhere") == 2
    assert "There is no folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_package_that_cannot_be_written_whole_is_not_there(capsys, tmp_path, monkeypatch):
    def full(self: Path, *_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)

    assert new("mellea-brook", directory=tmp_path) == 2
    assert "cannot be written: No space left on device" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_was_written_is_told(capsys, tmp_path):
    assert new("mellea-My.Brook", directory=tmp_path) == 0

    printed = capsys.readouterr().out
    source = tmp_path / "mellea-My.Brook" / "src" / "mellea_my_brook"
    assert f"Its part to replace: {source / 'backend.py'}" in printed
    assert "class MyBrookBackend(Backend)" in (source / "backend.py").read_text()
    assert 'my-brook = "mellea_my_brook.plugin"' in (source.parents[1] / "pyproject.toml").read_text()
    assert "$" not in (source / "backend.py").read_text()


@pytest.mark.parametrize(
    ("running", "bounds"),
    [
        ("0.9.0", ">=0.9,<0.10"),
        ("0.12.3", ">=0.12,<0.13"),
        ("1.4.2", ">=1.4,<2"),
        ("0.10.0rc1", ">=0.10.0rc1,<0.11"),
    ],
)
def test_bounds_follow_from_the_running_version(running, bounds):
    assert bounds_of(running) == bounds
