"""``mellea show``."""

import io
import subprocess
import sys

import pytest

from mellea.cli import main
from mellea.core.trace import as_tree
from tests.trace.traces import varied


@pytest.fixture
def saved(tmp_path):
    """A result and the file it was saved to."""
    result = varied()
    result.save(tmp_path / "trace.json")
    return result, str(tmp_path / "trace.json")


def test_show_prints_the_tree_of_a_saved_result(saved, capsys):
    result, path = saved

    status = main(["show", path])

    assert (status, capsys.readouterr().out) == (0, f"{as_tree(result.to_dict())}\n")


def test_show_reads_standard_input(saved, capsys, monkeypatch):
    result, _ = saved
    monkeypatch.setattr("sys.stdin", io.StringIO(result.to_json()))

    status = main(["show", "-"])

    assert (status, capsys.readouterr().out) == (0, f"{as_tree(result.to_dict())}\n")


def test_show_writes_the_page_of_the_result(saved, tmp_path, capsys):
    result, path = saved
    page = tmp_path / "page.html"

    status = main(["show", path, "--html", str(page)])

    assert (status, capsys.readouterr().out) == (0, f"Wrote {page}\n")
    assert page.read_text(encoding="utf-8") == result.to_html()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "is not JSON"),
        (b'{"a": 1}', "is no trace of attempts: it has no 'success'"),
        (b"\xff\xfe", "is no text in UTF-8"),
    ],
)
def test_broken_and_foreign_files_are_errors_of_ours(tmp_path, capsys, content, words):
    path = tmp_path / "other.json"
    path.write_bytes(content)

    status = main(["show", str(path)])

    printed = capsys.readouterr()
    assert (status, printed.out) == (2, "")
    assert printed.err.startswith(f"mellea: {path} {words}")
    assert printed.err.count("\n") == 1


def test_broken_standard_input_is_called_by_its_name(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("{"))

    assert main(["show", "-"]) == 2
    assert capsys.readouterr().err.startswith("mellea: Standard input is not JSON")


def test_help_of_show_fits_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")

    status = main(["show", "--help"])

    printed = capsys.readouterr().out
    assert status == 0
    assert max(map(len, printed.splitlines())) <= 80


def test_missing_file_is_an_error_of_ours(tmp_path, capsys):
    assert main(["show", str(tmp_path / "none.json")]) == 2
    assert (
        "cannot be read: No such file or directory. Pass a file that result.save(path) wrote."
        in capsys.readouterr().err
    )


def test_page_that_cannot_be_written_is_an_error_of_ours(saved, tmp_path, capsys):
    assert main(["show", saved[1], "--html", str(tmp_path / "none" / "page.html")]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_tree_is_printed_without_the_template_engine(saved):
    program = (
        "import sys; from mellea.cli import main; status = main(sys.argv[1:]); "
        "print(status, 'jinja2' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, "show", saved[1]],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        encoding="utf-8",
    )

    assert done.stdout.endswith("\n0 False\n")
