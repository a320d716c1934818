"""``mellea optimise``, as a user types it."""

from __future__ import annotations

import json

import pytest

from mellea import load_prompts
from mellea.cli import main
from mellea.plugins.registry import registry
from tests.plugins.samples import make_distribution

PROGRAM = '''
import json
from mellea import generative, start_session
from mellea.testing import ScriptedBackend

@generative
def name_of(text: str) -> str:
    """Name the thing."""

@generative
def lost(text: str) -> str:
    """Name the thing."""

class Scripted(ScriptedBackend):
    def __init__(self, model_id=None, **others):
        super().__init__(answer)

def answer(request):
    prompt = request.messages[-1].content
    if "better_text" in prompt:
        return json.dumps({"result": "Name it in capitals."})
    return json.dumps({"result": "THING" if "capitals" in prompt and "lost" not in prompt else "thing"})
'''
MANIFEST = """
from mellea.plugins import BackendManifest, hookimpl

@hookimpl
def mellea_register_backends(register):
    register(BackendManifest(name="played", summary="", factory="program:Scripted"))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program.py").write_text(PROGRAM)
    monkeypatch.syspath_prepend(
        str(
            make_distribution(
                tmp_path, "played", {"played": "played_manifest"}, {"played_manifest": MANIFEST}
            )
        )
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    registry.cache_clear()
    lines = [{"inputs": {"text": f"Thing {n}"}, "requirements": [{"matches": "THING"}]} for n in range(24)]
    (tmp_path / "tasks.jsonl").write_text("\n".join(map(json.dumps, lines)))
    yield tmp_path
    registry.cache_clear()


def test_better_prompts_are_written(folder, capsys):
    given = ["--tasks", "tasks.jsonl", "-b", "played", "--rounds", "2", "--json", "--html", "page.html"]

    status = main(["optimise", "program.py:name_of", *given])

    said = capsys.readouterr()
    assert (status, json.loads(said.out)["verdict"]) == (0, "better")
    assert "Written to prompts.json" in said.err
    assert "is better than" in (folder / "page.html").read_text()
    assert load_prompts("prompts.json").texts[0].now == "Name it in capitals."

    asked = ["eval", "tasks.jsonl", "--program", "program.py:name_of", "-b", "played", "--at-least", "100"]
    assert (main(asked), main([*asked, "--prompts", "prompts.json"])) == (1, 0)


def test_what_is_no_better_is_refused_and_nothing_is_written(folder, capsys):
    given = ["--tasks", "tasks.jsonl", "-b", "played", "--rounds", "1"]

    status = main(["optimise", "program.py:lost", *given])

    assert (status, capsys.readouterr().out[:8]) == (1, "Refused:")
    assert not (folder / "prompts.json").exists()


@pytest.mark.parametrize("where", [["-o", "none/prompts.json"], ["--html", "none/page.html"]])
def test_file_that_cannot_be_written_is_told_before_anything_is_sent(folder, capsys, where):
    given = ["--tasks", "tasks.jsonl", "-b", "nowhere"]

    assert main(["optimise", "program.py:name_of", *given, *where]) == 2
    assert "cannot be written: " in capsys.readouterr().err


def test_examples_come_from_a_history(folder, capsys):
    kept = "with start_session(ScriptedBackend(answer), history='runs.db') as m:\n    name_of(m, text='a')\n"
    (folder / "kept.py").write_text(PROGRAM + kept)

    status = main(["optimise", "kept.py:name_of", "--history", "runs.db", "-o", "shown.json"])

    assert status == 0
    assert load_prompts("shown.json").examples[0].arguments == "text (str): a"
    assert "1 of 1 calls in a history" in capsys.readouterr().err


def test_something_has_to_be_given_to_improve_with(folder, capsys):
    assert main(["optimise", "program.py:name_of"]) == 2
    assert "Give --tasks FILE" in capsys.readouterr().err
