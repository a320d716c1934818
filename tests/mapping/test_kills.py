"""Maps that are killed, and run again: what was paid for is paid for once."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mapping.counting import CountingServer, counting_server
from tests.warm import Warm, warm

ROWS, KILLS = (1000, 20) if os.environ.get("MELLEA_TEST_LONG") else (120, 5)
AT_ONCE = 8
PROGRAM = """
from mellea import RejectionSamplingStrategy, check, simple_validate

short = check("It is short.", simple_validate(lambda text: len(text) < 3))


async def step(session, row):
    written = await session.ainstruct(
        "Write {{row}}.",
        user_variables={"row": str(row["n"])},
        requirements=[short],
        strategy=RejectionSamplingStrategy(loop_budget=3),
    )
    return {"text": written.text, "n": row["n"]}
"""
RUN = "import sys; from mellea.cli import main; sys.exit(main(sys.argv[1:]))"


@pytest.fixture(scope="module")
def process() -> Iterator[Warm]:
    with warm(
        "import mellea.cli.mapping, mellea_openai.backend, mellea.history, pydantic, jinja2"
    ) as waiting:
        yield waiting


@pytest.fixture
def server() -> Iterator[CountingServer]:
    with counting_server() as running:
        yield running


class Map:
    """The command in a folder of its own."""

    def __init__(self, folder: Path, process: Warm, server: CountingServer) -> None:
        folder.mkdir()
        (folder / "program.py").write_text(PROGRAM)
        # Some rows are alike.
        (folder / "rows.jsonl").write_text("".join(f'{{"n": {n % (ROWS - 10)}}}\n' for n in range(ROWS)))
        self.folder, self.process, self.server = folder, process, server

    def start(self, *more):
        asked = ["map", f"{self.folder / 'program.py'}:step", "--input", str(self.folder / "rows.jsonl")]
        asked += ["--output", str(self.folder / "out.jsonl"), "--journal", str(self.folder / "runs.db")]
        asked += ["--backend", "openai", "--model", "m", "-j", str(AT_ONCE), *more]
        environment = {"OPENAI_BASE_URL": self.server.url, "OPENAI_API_KEY": "none"}
        return self.process.start(RUN, *asked, environment=environment)

    def run(self, *more):
        done = self.start(*more).end()
        assert done.returncode == 0, done.stderr
        return done

    @property
    def results(self):
        lines = [json.loads(line) for line in (self.folder / "out.jsonl").read_text().splitlines()]
        for line in lines:
            del line["spent"]["seconds"]
        return lines

    @property
    def bill(self) -> int:
        with sqlite3.connect(self.folder / "runs.db") as file:
            (tokens,) = file.execute("SELECT sum(prompt_tokens + completion_tokens) FROM requests").fetchone()
        file.close()
        return int(tokens)


def test_killed_again_and_again_it_pays_once_and_comes_to_the_same(
    tmp_path: Path, process: Warm, server: CountingServer
):
    undisturbed = Map(tmp_path / "undisturbed", process, server)
    undisturbed.run()
    needed, tokens = server.calls, server.tokens
    chance = random.Random(os.environ.get("MELLEA_TEST_SEED", "kills"))

    killed = Map(tmp_path / "killed", process, server)
    for _ in range(KILLS):
        running = killed.start()
        server.wait_for(server.calls + chance.randrange(1, needed // KILLS))
        running.send_signal(signal.SIGKILL)
        assert running.end().returncode == -signal.SIGKILL
    killed.run()

    assert needed > ROWS  # some were repaired
    assert killed.results == undisturbed.results
    assert [line["place"] for line in killed.results] == list(range(ROWS))
    # Lost is at most what was on its way, and of each place the last answer, which was being kept.
    assert server.calls - needed <= needed + KILLS * 2 * AT_ONCE
    assert killed.bill == undisturbed.bill == tokens
    assert sum(
        line["spent"]["prompt_tokens"] + line["spent"]["completion_tokens"] for line in killed.results
    ) == (tokens)


def test_interrupted_it_ends_what_is_under_way_and_says_how_to_go_on(
    tmp_path: Path, process: Warm, server: CountingServer
):
    interrupted = Map(tmp_path / "interrupted", process, server)
    running = interrupted.start()
    server.wait_for(20)
    running.send_signal(signal.SIGINT)
    done = running.end()
    before = server.calls

    assert done.returncode == 130, done.stderr
    assert "nothing that was answered is lost" in done.stderr
    assert "go on with: mellea map " in done.stderr
    assert interrupted.bill == server.tokens  # what was under way came to its end, and is kept
    interrupted.run()
    assert len(interrupted.results) == ROWS
    assert interrupted.bill == server.tokens
    assert server.calls > before
