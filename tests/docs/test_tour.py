"""The tour of the files leads where it says."""

import itertools
import re
import sys
from pathlib import Path

import pytest

import mellea
from mellea import start_session
from mellea.stdlib.requirements import word_count
from tests.docs.pages import DOCS, ROOT, table
from tests.servers.faults import Reply, completion, running_fault_server

TOUR = DOCS / "tour.md"
CORE = Path(mellea.__file__).parent
WAY = [(row[0].strip("`"), row[1].strip("`")) for row in table(TOUR, "file") if row[1].startswith("`")]


@pytest.fixture
def calls():
    """The places of the way down that this thread enters, in order."""
    entered = []

    def note(frame, event, argument):
        if event == "call":
            path = Path(frame.f_code.co_filename)
            place = (
                path.relative_to(CORE) if path.is_relative_to(CORE) else Path(*path.parts[-2:])
            ).as_posix()
            if (place, frame.f_code.co_qualname) in WAY and (place, frame.f_code.co_qualname) not in entered:
                entered.append((place, frame.f_code.co_qualname))

    before = sys.getprofile()
    sys.setprofile(note)
    yield entered
    sys.setprofile(before)


async def test_call_takes_the_way_of_the_table(calls):
    with running_fault_server() as server:
        server.answers(Reply(completion("Hello.")))
        session = start_session("openai", model_id="m", base_url=server.base_url)
        await session.ainstruct("Write a mail.", requirements=[word_count(at_most=80)])
        await session.aclose()

    assert calls == WAY


def test_way_enters_no_file_twice():
    files = [file for file, _ in itertools.groupby(WAY, key=lambda place: place[0])]

    assert sorted(set(files)) == sorted(files)


def test_files_of_the_tour_exist():
    roots = [CORE, ROOT, *ROOT.glob("mellea-*/src")]
    named = set(re.findall(r"`([\w/]+/(?:\w+\.py)?)`", TOUR.read_text()))

    assert len(named) > 30
    assert {name for name in named if not any((root / name).exists() for root in roots)} == set()
