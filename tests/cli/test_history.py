"""``mellea history``: what sessions did, as people and as programs read it."""

from __future__ import annotations

import json
import re

import pytest

from mellea import start_session
from mellea.cli import main
from mellea.core.errors import ProviderError
from mellea.core.trace import read_trace
from mellea.stdlib.requirements import contains
from mellea.testing import ScriptedBackend


@pytest.fixture
def history(tmp_path, monkeypatch):
    """A history of three calls, which the environment names."""
    path = tmp_path / "runs.db"
    monkeypatch.setenv("MELLEA_HISTORY", str(path))
    monkeypatch.setenv("COLUMNS", "100")
    answers = [
        "A \x1b[31mred\x1b[0m lake.",
        "The sea is wide.",
        ProviderError("It is \x1b]0;down."),
        "Hello, café.",
    ]
    with start_session(ScriptedBackend(answers)) as m:
        m.instruct("Write one sentence\nabout the sea.", requirements=[contains("sea")])
        with pytest.raises(ProviderError):
            m.chat("Are you there?")
        m.chat("Say hello.")
    return m


def printed(capsys, *arguments):
    status = main(["history", *arguments])
    out = capsys.readouterr().out
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", out)
    return status, out


def test_list_shows_the_newest_calls_below_their_session(capsys, history):
    status, out = printed(capsys, "list")

    title, *rows = out.splitlines()
    assert status == 0
    assert re.match(
        rf"session {history.id[:8]} · \d{{4}}-\d\d-\d\d \d\d:\d\d · scripted \(script\) · ", title
    )
    cells = [re.split(r"\s{2,}", row.strip()) for row in rows]
    assert [(cell[0], cell[2], cell[-1]) for cell in cells] == [
        ("– 3", "answered", "Say hello."),  # noqa: RUF001  a dash as a mark
        ("✗ 2", "error", "Are you there?"),
        ("✓ 1", "met", "Write one sentence about the sea."),
    ]
    assert len({row.index(cell[-1]) for row, cell in zip(rows, cells, strict=True)}) == 1
    assert len(printed(capsys, "list", "-n", "1")[1].splitlines()) == 2
    assert printed(capsys, "list", "--session", history.id[:5])[1] == out


def test_show_tells_a_call_with_its_attempts_and_requests(capsys, history):
    status, out = printed(capsys, "show", "1")

    assert status == 0
    assert out.startswith("call 1 · met in ")
    assert "Write one sentence\nabout the sea.\n\n✓ 2 attempts, " in out
    assert "│  A \\x1b[31mred\\x1b[0m lake.\n│  ✗ Mention sea: it lacks 'sea'" in out
    assert re.search(r"\n2 requests: \d+ tokens read, \d+ written\n  1\. scripted \(script\): ", out)
    full = printed(capsys, "show", "1", "--full")[1]
    assert full.count("     user\n       Write one sentence\n       about the sea.\n") == 2
    assert "     answer\n       The sea is wide.\n" in full


def test_show_tells_why_a_call_failed(capsys, history):
    out = printed(capsys, "show", "2")[1]

    assert out.count("✗ ProviderError: It is \\x1b]0;down.") == 2
    assert "1 request: 0 tokens read, 0 written" in out


def test_show_tells_a_session(capsys, history):
    out = printed(capsys, "show", history.id[:10])[1]

    assert out.startswith(f"session {history.id[:8]} · ")
    assert "\n3 calls, closed " in out


def test_page_is_written_of_a_call_with_attempts(capsys, history, tmp_path):
    page = tmp_path / "page.html"

    assert printed(capsys, "show", "1", "--html", str(page)) == (0, f"Wrote {page}\n")
    assert "The sea is wide." in page.read_text()
    assert printed(capsys, "show", "3", "--html", str(page))[0] == 1


def test_search_shows_where_words_are(capsys, history):
    status, out = printed(capsys, "search", "CAFE")

    assert status == 0
    assert re.fullmatch(r"    3  [\d :-]{16}  assistant  Hello, café\.\n", out)
    assert printed(capsys, "search", "nowhere")[0] == 1


def test_exports_are_json(capsys, history):
    lines = [json.loads(line) for line in printed(capsys, "export", "--jsonl")[1].splitlines()]

    assert [call["number"] for call in lines] == [1, 2, 3]
    assert json.loads(printed(capsys, "export")[1]) == lines
    assert read_trace(json.dumps(lines[0]["trace"]))["attempts"][1]["text"] == "The sea is wide."
    assert json.loads(printed(capsys, "show", "1", "--json")[1]) == lines[0]
    assert [call["number"] for call in json.loads(printed(capsys, "list", "--json")[1])] == [3, 2, 1]
    assert [hit["call"] for hit in json.loads(printed(capsys, "search", "--json", "sea")[1])] == [1, 1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["show", "99"], "There is no call 99"),
        (["show", "zz"], "No session, and no call, begins with 'zz'"),
        (["list", "--db", "none.db"], "There is no history none.db"),
        (["list", "--session", "zz"], "No session"),
        (["search", " "], "There is nothing to search for"),
    ],
)
def test_what_is_not_there_is_said(capsys, history, arguments, words):
    assert main(["history", *arguments]) == 2
    assert words in capsys.readouterr().err
