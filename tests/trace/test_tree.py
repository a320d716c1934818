"""Attempts as a tree in the terminal."""

import io
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mellea.core import RequirementsNotMetError, UsageError
from mellea.core.trace import as_html, as_tree, print_tree, read_trace
from mellea.stdlib.requirements import check, req
from tests.trace.traces import MARKUP, failed, result_of, varied


def line_with(text, tree):
    return next(line for line in tree.splitlines() if text in line)


def test_tree_shows_every_attempt_and_marks_the_chosen_one():
    tree = as_tree(varied().to_dict())

    heads = [line for line in tree.splitlines() if line.startswith(("├─", "└─"))]
    assert [head[3] for head in heads] == list("✗✗✗✗✓")
    assert [head.endswith("← chosen") for head in heads] == [False] * 4 + [True]
    assert tree.startswith("✓ 5 attempts, ")


def test_tree_shows_verdict_reason_score_time_and_tokens_of_each_requirement():
    tree = as_tree(varied().to_dict())

    assert "✗ It has fewer than 90 characters: 1120 characters [" in tree
    assert "✓ scored [score 0.75, " in line_with("scored", tree)
    assert line_with("✗ It is kind: no, It is not kind at all.", tree).endswith(" tokens]")
    assert "– It is kind: Not judged" in tree  # noqa: RUF001  a dash as a mark


def test_tree_of_a_failure_shows_what_cannot_be_read_and_what_is_empty():
    tree = as_tree(failed().to_dict())

    assert "cannot be read: The output is no output" in tree
    assert "(no text)" in tree
    assert tree.startswith("✗ 2 attempts")


def test_long_answers_are_shortened_and_no_line_is_too_wide():
    tree = as_tree(varied().to_dict())

    assert " …" in tree
    assert max(map(len, tree.splitlines())) <= 104


def test_tree_names_the_lane_where_there_are_several():
    alone = as_tree(varied().to_dict())
    gather_or_cancel = as_tree(
        result_of(
            "a", "b", requirements=[req("Never.", lambda ctx: False)], loop_budget=1, concurrency_budget=2
        ).to_dict()
    )

    assert "lane" not in alone
    assert "lane 2, round 1" in gather_or_cancel


def test_signs_that_steer_a_terminal_are_written_out():
    tree = as_tree(
        result_of(
            "a\x1b[31m\x07\u202eb", requirements=[req("Never \x1b[2J.", lambda ctx: (False, "\x1b]0;x\x07"))]
        ).to_dict()
    )

    assert not {"\x1b", "\x07", "\u202e"} & set(tree)
    assert r"a\x1b[31m\x07\u202eb" in tree


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    for name in ("NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


@pytest.mark.parametrize("columns", [50, 80, 200])
def test_tree_is_as_wide_as_the_terminal(terminal, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("NO_COLOR", "1")
    result_of("word " * 200, requirements=[check("never " * 40, lambda ctx: (False, "no " * 80))]).show(
        terminal
    )

    widths = [len(line) for line in terminal.getvalue().splitlines()]
    assert columns - 8 < max(widths[2:]) <= columns


def test_tree_has_colours_on_a_terminal(terminal):
    varied().show(terminal)

    shown = terminal.getvalue()
    assert "\x1b[32m✓\x1b[0m attempt 5" in shown
    assert "\x1b[31m✗\x1b[0m attempt 1" in shown
    assert "\x1b[1;36m← chosen\x1b[0m" in shown
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert len(plain.splitlines()) == len(shown.splitlines())
    assert "\x1b" not in plain


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_tree_has_no_colours_where_they_are_not_wanted(terminal, monkeypatch, setting):
    for name, value in setting.items():
        monkeypatch.setenv(name, value)
    varied().show(terminal)

    assert "\x1b" not in terminal.getvalue()


def test_tree_in_a_pipe_is_plain_whatever_the_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    file = io.StringIO()
    result = varied()
    result.show(file)

    assert file.getvalue() == as_tree(result.to_dict()) + "\n"


def test_table_shows_signs_that_steer_a_terminal_as_text():
    table = result_of(
        "a\x1b[31mb", requirements=[check("no \x1b[2J", lambda ctx: (False, "\x9b31m"))]
    ).table()

    assert not {"\x1b", "\x9b"} & set(table)
    assert r"a\x1b[31mb" in table


def test_error_shows_signs_that_steer_a_terminal_as_text():
    result = result_of("a", requirements=[check("no \x1b[2J", lambda ctx: (False, "\x9b31m\nsecond"))])

    with pytest.raises(RequirementsNotMetError) as caught:
        result.raise_for_failure()
    assert not {"\x1b", "\x9b"} & set(str(caught.value))
    assert "\nsecond" in str(caught.value)


def test_show_prints_the_tree(capsys):
    result = varied()

    result.show()

    assert capsys.readouterr().out == f"{as_tree(result.to_dict())}\n"


def test_show_writes_to_a_file_of_ones_own():
    result, file = varied(), io.StringIO()

    result.show(file)

    assert file.getvalue() == f"{as_tree(result.to_dict())}\n"


def test_output_that_knows_few_signs_gets_plain_ones():
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii")

    print_tree(result_of("Größe", requirements=[]).to_dict(), file)
    file.flush()

    assert raw.getvalue().decode("ascii").splitlines()[1].startswith("`- + attempt 1: ")
    assert rb"Gr\xf6\xdfe" in raw.getvalue()


def test_saved_trace_shows_as_the_result_did(tmp_path):
    result = varied()

    result.save(tmp_path / "trace.json")

    trace = read_trace((tmp_path / "trace.json").read_text(encoding="utf-8"))
    assert as_tree(trace) == as_tree(result.to_dict())
    assert MARKUP in [attempt["text"] for attempt in trace["attempts"]]


def test_saving_replaces_an_older_trace_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "trace.json"
    path.write_text("old")

    varied().save(path)

    assert json.loads(path.read_text(encoding="utf-8"))["success"]
    assert list(tmp_path.iterdir()) == [path]


def test_saving_where_no_folder_is_says_so(tmp_path):
    with pytest.raises(
        UsageError, match=r"trace\.json cannot be written: No such file or directory\. Choose a folder"
    ):
        varied().save(tmp_path / "none" / "trace.json")


def test_lone_surrogate_can_be_shown_and_saved(tmp_path):
    result = result_of("a\ud800b", requirements=[])
    result.save(tmp_path / "trace.json")

    assert r"a\ud800b" in as_tree(result.to_dict())
    assert "a?b" in result.to_html()


ONE = varied().to_dict()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "it is a list instead of an object"),
        ("null", "it is null instead of an object"),
        ('{"name": "package"}', "it has no 'success'"),
        (json.dumps({**ONE, "attempts": "x"}), "it has text as 'attempts'"),
        (json.dumps({**ONE, "success": 1}), "it has a number as 'success'"),
        (json.dumps({**ONE, "result_index": True}), "it has true or false as 'result_index'"),
        (json.dumps({**ONE, "result_index": 9}), "there is no attempt number 9"),
        (json.dumps({**ONE, "result_index": -1}), "there is no attempt number -1"),
        (json.dumps({**ONE, "attempts": []}), "there is no attempt number 4"),
        (json.dumps({**ONE, "attempts": [5]}), r"attempts\[0\] is a number instead of an object"),
        (
            json.dumps({**ONE, "attempts": [{**ONE["attempts"][0], "text": None}]}),
            r"attempts\[0\] has null as 'text'",
        ),
        (
            json.dumps({**ONE, "attempts": [{**ONE["attempts"][0], "usage": {"total_tokens": "x"}}]}),
            r"attempts\[0\]\.usage has text as 'total_tokens'",
        ),
        (
            json.dumps({**ONE, "attempts": [{**ONE["attempts"][0], "requirements": [{}]}]}),
            r"requirements\[0\] has no 'requirement'",
        ),
    ],
)
def test_text_that_is_no_trace_is_refused_with_the_place(text, words):
    with pytest.raises(UsageError, match=rf"^x\.json .*{words}.*Write the file with result\.save\(path\)\.$"):
        read_trace(text, "x.json")


@pytest.mark.parametrize("number", ["9" * 400, "1e999", "-1e999", "NaN"])
@pytest.mark.parametrize(
    ("written", "where"),
    [
        ('"seconds": 0.5', r"attempts\[0\] has a number that is too large as 'seconds'"),
        ('"total_tokens": 5', r"attempts\[0\]\.usage has .* as 'total_tokens'"),
        ('"lane": 0', r"attempts\[0\] has .* as 'lane'"),
        ('"tokens": 0', r"attempts\[0\]\.requirements\[0\] has .* as 'tokens'"),
    ],
)
def test_number_that_cannot_be_is_refused_with_the_place(number, written, where):
    first = {**ONE["attempts"][0], "seconds": 0.5, "usage": {"total_tokens": 5}}
    text = json.dumps({**ONE, "attempts": [first], "result_index": 0})
    assert written in text

    with pytest.raises(UsageError, match=where):
        read_trace(text.replace(written, f"{written.partition(': ')[0]}: {number}", 1))


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"prompt": "x"}, r"attempts\[0\] has text as 'prompt'"),
        ({"prompt": [{"role": "user"}]}, r"attempts\[0\]\.prompt\[0\] has no 'content'"),
        ({"options": []}, r"attempts\[0\] has a list as 'options'"),
        ({"seed": "1"}, r"attempts\[0\] has text as 'seed'"),
        ({"feedback": 1}, r"attempts\[0\] has a number as 'feedback'"),
        ({"model": {}}, r"attempts\[0\] has an object as 'model'"),
    ],
)
def test_what_newer_traces_hold_is_checked_too(changed, where):
    first = {**ONE["attempts"][0], **changed}

    with pytest.raises(UsageError, match=where):
        read_trace(json.dumps({**ONE, "attempts": [first], "result_index": 0}))


def test_trace_without_what_newer_ones_hold_is_shown():
    newer = ("prompt", "options", "seed", "feedback", "strategy", "started", "model")
    first = {key: value for key, value in ONE["attempts"][0].items() if key not in newer}
    older = read_trace(json.dumps({**ONE, "attempts": [first], "result_index": 0}))

    assert as_tree(older)
    assert "What was sent" not in as_html(older)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*ONE, *ONE["attempts"][0], "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_json_is_shown_or_refused(value):
    with pytest.raises(UsageError):
        read_trace(json.dumps(value))


@given(st.text(st.characters()), st.text(st.characters()), st.none() | st.floats())
def test_any_text_gives_a_tree_and_a_page(text, reason, score):
    requirement = {**ONE["attempts"][0]["requirements"][0], "reason": reason, "score": score}
    trace = {
        **ONE,
        "result_index": 0,
        "attempts": [{**ONE["attempts"][0], "text": text, "requirements": [requirement]}],
    }

    from mellea.core.trace import as_html

    assert as_tree(read_trace(json.dumps(trace))).isprintable() or "\n" in as_tree(trace)
    assert as_html(trace).encode("utf-8").startswith(b"<!doctype html>")
