"""The tour of the files leads where it says."""

import itertools
import re
import sys
from pathlib import Path

import mellea
from mellea import start_session
from mellea.stdlib.requirements import word_count
from tests.docs.pages import DOCS, ROOT, table
from tests.servers.faults import Reply, completion, running_fault_server

TOUR = DOCS / "tour.md"
CORE = Path(mellea.__file__).parent
WAY = [(row[0].strip("`"), row[1].strip("`")) for row in table(TOUR, "file") if row[1].startswith("`")]
NAMES = {name for _, name in WAY}


class Watching:
    """Notes, in order, the places of the way that this thread enters in the block."""

    def __init__(self):
        self.entered = []

    def __enter__(self):
        self._before = sys.getprofile()
        sys.setprofile(self._note)
        return self

    def __exit__(self, *exc):
        sys.setprofile(self._before)

    def _note(self, frame, event, argument):
        name = frame.f_code.co_qualname
        if event == "call" and name in NAMES:
            path = Path(frame.f_code.co_filename)
            file = path.relative_to(CORE) if path.is_relative_to(CORE) else Path(*path.parts[-2:])
            place = (file.as_posix(), name)
            if place in WAY and place not in self.entered:
                self.entered.append(place)


async def test_call_takes_the_way_of_the_table():
    with running_fault_server() as server:
        server.answers(Reply(completion("Hello.")))
        session = start_session("openai", model_id="m", base_url=server.base_url)
        with Watching() as watching:
            await session.ainstruct("Write a mail.", requirements=[word_count(at_most=80)])
        await session.aclose()

    assert watching.entered == WAY


def test_way_enters_no_file_twice():
    files = [file for file, _ in itertools.groupby(WAY, key=lambda place: place[0])]

    assert sorted(set(files)) == sorted(files)


def test_files_of_the_tour_exist():
    roots = [CORE, ROOT, *ROOT.glob("mellea-*/src")]
    named = set(re.findall(r"`([\w/]+/(?:\w+\.py)?)`", TOUR.read_text()))

    assert len(named) > 30
    assert {name for name in named if not any((root / name).exists() for root in roots)} == set()
