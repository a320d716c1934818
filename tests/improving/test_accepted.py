"""What a history has that can be learned from: accepted answers, each with what was asked at first."""

import pytest

from mellea import start_session
from mellea.core import Capability, Message, ModelOption, Requirement, RequirementsNotMetWarning, UsageError
from mellea.improving import accepted_answers
from mellea.stdlib.requirements import contains
from mellea.testing import ScriptedBackend


def recorded(path, *answers):
    return start_session(ScriptedBackend(list(answers)), history=path)


def test_repaired_answer_is_the_answer_to_the_first_prompt(tmp_path):
    with recorded(tmp_path / "runs.db", "Hm.", "The sea.") as m:
        m.instruct("Name one.", requirements=[contains("sea")], strategy="repair")

    found = accepted_answers(tmp_path / "runs.db")

    (one,) = found.answers
    asked = "Name one.\n\nYour answer must meet these requirements:\n- Mention sea."
    assert (one.messages, one.answer) == ((Message("user", asked),), "The sea.")
    assert (one.provider, one.model, found.text) == ("scripted", "script", "1 accepted answer in 1 call.")


def test_what_is_left_out_is_counted_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("LAMP_API_KEY", "sk-12345678901234567890")
    sea, path = contains("sea"), tmp_path / "runs.db"
    script = ["A sea.", "Old sea.", "New sea.", "Hm.", "Hm.", "Hello.", "The sk-12345678901234567890 sea."]
    with recorded(path, *script, "Its sea.") as m:
        m.instruct("One.", requirements=[sea])
        m.instruct("Two.", requirements=[sea])
        m.instruct("Two.", requirements=[sea])
        with pytest.warns(RequirementsNotMetWarning):
            m.instruct("Three.", requirements=[sea])
        m.chat("Hello.")
        m.instruct("Four.", requirements=[sea])
        m.instruct("Five.", requirements=[Requirement("It is good.", validation_fn=lambda _: True)])

    found = accepted_answers(path)

    assert [one.answer for one in found.answers] == ["A sea.", "New sea.", "Its sea."]
    assert found.calls == 7
    assert found.left_out == {
        "of a request that a later one repeats": 1,
        "did not meet its requirements": 1,
        "had no requirement to meet": 1,
        "had a secret, which is hidden": 1,
    }
    assert found.text.startswith("3 accepted answers in 7 calls. Left out: 1 ")


def test_conversation_with_tools_is_left_out(tmp_path):
    def sea() -> str:
        """Say sea."""
        return "sea"

    backend = ScriptedBackend("The sea.", capabilities=[Capability.TOOLS])
    with start_session(backend, history=tmp_path / "runs.db") as m:
        m.instruct(
            "One.", requirements=[contains("sea")], model_options={ModelOption.TOOLS: [sea]}, tool_calls=True
        )

    assert accepted_answers(tmp_path / "runs.db").left_out == {"had tools, images or sounds": 1}


def test_text_narrows_what_is_taken(tmp_path):
    with recorded(tmp_path / "runs.db", "The sea.", "A sea.") as m:
        m.instruct("Name ONE.", requirements=[contains("sea")])
        m.instruct("Name two.", requirements=[contains("sea")])

    found = accepted_answers(tmp_path / "runs.db", where="one")

    assert [one.answer for one in found.answers] == ["The sea."]
    assert found.left_out == {"asked nothing with 'one' in it": 1}


def test_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(UsageError, match="There is no history"):
        accepted_answers(tmp_path / "none.db")
