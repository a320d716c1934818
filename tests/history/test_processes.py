"""Several processes, and ones that are killed."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

from mellea import start_session
from mellea.history import History
from mellea.testing import ScriptedBackend

PROGRAM = """
import sys
from mellea import RejectionSamplingStrategy, start_session
from mellea.stdlib.requirements import contains
from mellea.testing import ScriptedBackend

def answer(request):
    if backend.calls == 22:
        print("ready", flush=True)
        sys.stdin.read()
    return "No."

backend = ScriptedBackend(answer)
m = start_session(backend, history=sys.argv[1])
for number in range(20):
    m.chat(f"There {number}.")
m.instruct("The last.", requirements=[contains("sea")], strategy=RejectionSamplingStrategy(loop_budget=3))
"""


def test_killed_process_leaves_every_finished_call_and_attempt_and_others_write_meanwhile(tmp_path: Path):
    path = tmp_path / "runs.db"
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        with start_session(ScriptedBackend("Yes."), history=path) as m:
            for number in range(20):
                m.chat(f"Here {number}.")
        assert process.stdout is not None
        ready = process.stdout.readline()
        process.kill()

    assert ready == "ready\n"
    history = History(path)
    calls = history.calls()
    assert {call.asked for call in calls if call.outcome == "answered"} == {
        f"{where} {number}." for where in ("There", "Here") for number in range(20)
    }
    last = next(call for call in calls if call.outcome != "answered")
    assert (last.asked, last.outcome, last.attempts, last.requests) == ("The last.", None, 1, 1)
    assert history.trace(last.number)["attempts"][0]["text"] == "No."
    assert [session.ended is None for session in history.sessions()].count(True) == 1


def test_forked_process_writes_too(tmp_path: Path):
    path = tmp_path / "runs.db"
    history = History(path)
    with start_session(ScriptedBackend("a"), history=history) as m:
        m.chat("Before.")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                start_session(ScriptedBackend("b"), history=history).chat("In the child.")
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        m.chat("After.")

    assert sorted(call.asked for call in history.calls()) == ["After.", "Before.", "In the child."]
