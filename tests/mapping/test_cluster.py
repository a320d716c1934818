"""A real local Ray: workers that are killed, and a journal that all of them share."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mellea.core.errors import UsageError
from mellea.mapping import map as map_rows
from mellea.testing import ScriptedBackend
from tests.mapping.counting import counting_server
from tests.mapping.test_kills import PROGRAM

ROWS = 24
RUN = """
import json, os, signal, sys, warnings
import ray
from mellea.mapping import map

folder, url, number = sys.argv[1:]
warnings.simplefilter("ignore")
ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
         object_store_memory=100_000_000)
given = dict(engine="ray", workers=2, concurrency=2, resources={"num_cpus": 0.5}, journal=f"{folder}/runs.db",
             backend="openai", model="m", base_url=url, api_key="none", progress=False)
rows = [{"n": n} for n in range(int(number))]
results, killed = [], None


def told(result):
    told = result.to_dict()
    del told["spent"]["seconds"]
    return told


for result in map(f"{folder}/program.py:step", rows, **given):
    results.append(told(result))
    if killed is None:
        killed = result.value["process"]
        os.kill(killed, signal.SIGKILL)
del given["engine"], given["workers"], given["resources"]
again = map(f"{folder}/program.py:step", rows, **given)
same = sorted((told(each) for each in again), key=lambda one: one["place"])
ray.shutdown()
print(json.dumps([results, killed, same, again.progress.paid.requests]))
"""


def test_killed_worker_is_replaced_and_nothing_is_lost_or_paid_twice(tmp_path: Path):
    named = PROGRAM.replace('"n": row["n"]', '"n": row["n"], "process": os.getpid()')
    (tmp_path / "program.py").write_text(f"import os\n{named}")
    with counting_server(0.02) as server:
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(tmp_path), server.url, str(ROWS)],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-3000:]
    results, killed, same, paid = json.loads(done.stdout.splitlines()[-1])

    assert [each.get("error") for each in results] == [None] * ROWS
    processes = {each["value"]["process"] for each in results}
    assert len(processes | {killed}) >= 3  # the third took the place of the one that was killed
    needed = sum(each["spent"]["requests"] for each in results)
    assert needed <= server.calls <= needed + 4  # those of the killed one that were on their way
    assert paid == 0  # whoever goes on finds all that the workers were answered
    assert same == sorted(results, key=lambda one: one["place"])


def test_open_backend_is_not_sent_to_workers(tmp_path: Path):
    with pytest.raises(UsageError, match="cannot be sent to the workers"):
        map_rows(
            "json:dumps", [{"n": 1}], engine="ray", backend=ScriptedBackend(), journal=tmp_path / "runs.db"
        )
    with pytest.raises(UsageError, match="for a cluster"):
        map_rows("json:dumps", [{"n": 1}], workers=2, journal=False)


CROWDED = """
import sys
import ray
from mellea.core.errors import UsageError
from mellea.mapping import map

ray.init(num_cpus=2, num_gpus=0, include_dashboard=False, log_to_driver=False, logging_level="ERROR",
         object_store_memory=100_000_000)
for wanted in ({"workers": 5}, {"workers": 1, "resources": {"num_gpus": 2}}):
    try:
        list(map("json:dumps", [1], engine="ray", journal=False, progress=False, **wanted))
    except UsageError as error:
        print(error)
ray.shutdown()
"""


def test_workers_that_nothing_has_room_for_are_refused_and_not_waited_for():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CROWDED],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    cpu, gpu = done.stdout.splitlines()
    assert cpu.startswith("The workers want 5 CPU, each 1, and Ray has 2.")
    assert gpu.startswith("The workers want 2 GPU, each 2, and Ray has 0.")


def test_ray_that_cannot_begin_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAY_ADDRESS", "nowhere")
    with pytest.raises(UsageError, match="Ray cannot begin: .* look whether RAY_ADDRESS is right"):
        list(map_rows("json:dumps", [1], engine="ray", journal=False, progress=False))
