"""``mellea backends``, ``mellea contexts`` and ``mellea strategies``."""

from __future__ import annotations

import json

import pytest

from mellea.cli import main

EVERYTHING = (
    "toy-backend",
    "lasttwo-context",
    "broken-manifest",
    "missing-dependency",
    "refusing-constructor",
    "future-api",
    "twin-north",
    "twin-south",
)


def test_backends_are_listed_in_aligned_columns(samples):
    done = samples.python(
        "-m", "mellea.cli", "backends", names=("toy-backend", "refusing-constructor"), COLUMNS="80"
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "NAME      DISTRIBUTION          VERSION  STATUS  CAPABILITIES",
        "refusing  refusing-constructor  1.0      ok",
        "toy       toy-backend           1.0      ok      streaming, token_count",
        "",
        "Not installed: hf, litellm, ollama, openai.",
        'Install one with: pip install "mellea-core[hf]"',
    ]


def test_problem_and_remedy_stand_below_the_row(samples):
    done = samples.python("-m", "mellea.cli", "backends", names=("broken-manifest",), COLUMNS="80")

    assert done.stdout.splitlines()[1:5] == [
        "crashing  broken-manifest  0.3      broken",
        "    RuntimeError: the manifest module raised.",
        "    Update or uninstall broken-manifest, or leave it out with",
        "    MELLEA_PLUGINS=-crashing.",
    ]


@pytest.mark.parametrize("command", ["backends", "contexts", "strategies", "doctor"])
def test_listing_keeps_to_the_width_of_the_terminal(samples, command):
    done = samples.python("-m", "mellea.cli", command, names=EVERYTHING, COLUMNS="80")

    assert max(map(len, done.stdout.splitlines())) <= 80
    assert not [line for line in done.stdout.splitlines() if line != line.rstrip()]


def test_nothing_installed_says_what_to_install(samples):
    done = samples.python("-m", "mellea.cli", "backends")

    assert done.returncode == 0
    assert done.stdout.startswith("No backend is installed.")
    assert 'pip install "mellea-core[hf]"' in done.stdout


def test_contexts_are_listed_with_their_summaries(samples):
    done = samples.python("-m", "mellea.cli", "contexts", names=("lasttwo-context",), COLUMNS="120")

    firsts = [line.split()[0] for line in done.stdout.splitlines() if not line.startswith(" ")]
    assert firsts == ["NAME", "chat", "lasttwo", "simple"]
    assert "Shows the last question and its answer." in done.stdout


def test_backends_as_json_say_everything(samples):
    done = samples.python("-m", "mellea.cli", "backends", "--json", names=EVERYTHING)

    rows = {row["distribution"]: row for row in json.loads(done.stdout)}
    assert rows["toy-backend"] == {
        "name": "toy",
        "distribution": "toy-backend",
        "version": "1.0",
        "status": "ok",
        "summary": "A parrot: repeats every word that it is shown.",
        "aliases": ["parrot"],
        "capabilities": ["streaming", "token_count"],
        "default_model_id": "parrot-1",
        "factory": "toy.backend:ToyBackend",
        "problem": "",
        "remedy": "",
    }
    assert {name: row["status"] for name, row in rows.items()} == {
        "broken-manifest": "broken",
        "future-api": "incompatible",
        "missing-dependency": "ok",
        "refusing-constructor": "ok",
        "toy-backend": "ok",
        "twin-north": "ambiguous",
        "twin-south": "ambiguous",
    }


def test_contexts_as_json(capsys, install):
    install("lasttwo-context")

    status = main(["contexts", "--json"])

    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert status == 0
    assert {"simple", "chat", "lasttwo"} <= set(rows)
    assert rows["lasttwo"]["aliases"] == ["last-two"]


def test_strategies_are_listed_with_their_summaries(samples):
    done = samples.python("-m", "mellea.cli", "strategies", COLUMNS="140")

    assert (done.returncode, done.stderr) == (0, "")
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert next(iter(lines)) == "NAME"
    assert {"rejection", "repair", "best-of-n", "majority", "sofai"} <= set(lines)
    assert lines["best-of-n"].endswith("Draws n answers side by side and returns the best.")


def test_strategies_as_json(samples):
    done = samples.python("-m", "mellea.cli", "strategies", "--json")

    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert rows["majority"]["aliases"] == ["majority-voting", "self-consistency"]
    assert {row["distribution"] for row in rows.values()} == {"mellea-core"}


def test_plugin_left_out_is_listed_as_denied(samples):
    done = samples.python(
        "-m", "mellea.cli", "backends", names=("toy-backend",), MELLEA_PLUGINS="-toy", COLUMNS="80"
    )

    assert "toy   toy-backend   1.0      denied\n    MELLEA_PLUGINS leaves it out.\n" in done.stdout


def test_strict_mode_is_an_error_in_one_sentence(samples):
    done = samples.python(
        "-m", "mellea.cli", "backends", names=("broken-manifest",), MELLEA_STRICT_PLUGINS="1"
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("mellea: Plugin 'crashing' of broken-manifest 0.3 failed")
    assert len(done.stderr.splitlines()) == 1
