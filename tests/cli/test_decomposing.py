"""``mellea decompose``, as a user types it, and ``decompose`` as programs of 0.8 call it."""

from __future__ import annotations

import json

import pytest

from mellea.cli import main
from mellea.cli.decompose.pipeline import DecompBackend, decompose
from mellea.plugins.registry import registry
from tests.plugins.samples import make_distribution

SCRIPT = """
import json
from mellea.testing import ScriptedBackend

class Scripted(ScriptedBackend):
    def __init__(self, model_id=None, **others):
        super().__init__(answer)

def answer(request):
    prompt = request.messages[-1].content
    if "def list_variables" in prompt:
        return json.dumps({"result": ["mail"]})
    if "def list_steps" in prompt:
        needs = [] if "clueless" in prompt else ["mail"]
        return json.dumps({"result": [{"name": "reply", "task": "Answer the mail.", "needs": needs}]})
    return json.dumps({"result": []})
"""
MANIFEST = """
from mellea.plugins import BackendManifest, hookimpl

@hookimpl
def mellea_register_backends(register):
    register(BackendManifest(name="ollama", summary="", factory="apart_script:Scripted"))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {"apart_manifest": MANIFEST, "apart_script": SCRIPT}
    monkeypatch.syspath_prepend(
        str(make_distribution(tmp_path, "apart", {"ollama": "apart_manifest"}, files))
    )
    monkeypatch.setenv("MELLEA_BACKEND_OLLAMA", "apart")
    registry.cache_clear()
    yield tmp_path
    registry.cache_clear()


def test_program_is_printed(capsys):
    status = main(["decompose", "Answer", "the mail."])

    assert status == 0
    assert "def program(m: MelleaSession, *, mail: str) -> str:" in capsys.readouterr().out


def test_files_of_08_are_written(folder, capsys):
    (folder / "task.txt").write_text("Answer the mail.\n")
    of_old = ["run", "--out-dir", ".", "--input-file", "task.txt", "--input-var", "mail", "--model-id", "m"]

    status = main(["decompose", *of_old])

    written = json.loads((folder / "m_decomp_result.json").read_text())
    assert (status, written["original_task_prompt"]) == (0, "Answer the mail.")
    assert "reply = m.instruct(" in (folder / "m_decomp_result.py").read_text()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        (["Be clueless."], 1, "The model could not list the subtasks."),
        ([], 2, "There is no task."),
        (["A task.", "--input-file", "task.txt"], 2, "There are two tasks."),
        (["--input-file", "none.txt"], 2, "none.txt cannot be read"),
        (["Answer the mail.", "--out-dir", "nowhere"], 2, "There is no folder nowhere"),
    ],
)
def test_what_cannot_be_done_is_told_and_nothing_is_written(given, status, said, folder, capsys):
    assert main(["decompose", *given]) == status

    printed = capsys.readouterr()
    assert (printed.out, list(folder.glob("m_decomp*"))) == ("", [])
    assert said in printed.err


@pytest.mark.parametrize("where", [["--out-dir", "none"], ["--out-dir", ".", "--out-name", "none/x"]])
def test_place_that_is_not_there_is_told_before_anything_is_sent(folder, monkeypatch, capsys, where):
    monkeypatch.chdir(folder)
    monkeypatch.delenv("MELLEA_BACKEND_OLLAMA")

    assert main(["decompose", "Answer the mail.", "--backend", "nowhere", *where]) == 2
    assert "mellea: " in capsys.readouterr().err


def test_pipeline_of_08_gives_its_json():
    found = decompose("Answer the mail.", ["mail"], backend=DecompBackend.ollama)

    assert found["subtasks"][0]["tag"] == "REPLY"
    assert found["subtasks"][0]["input_vars_required"] == ["mail"]
