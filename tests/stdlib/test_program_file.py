"""Programs that are named on a command line, and those that cannot be loaded."""

from __future__ import annotations

from pathlib import Path

import pytest

from mellea.core.errors import ModelNotFoundError, UsageError
from mellea.stdlib.program_file import load_program

PROGRAMS = {
    "step(:": ("async def step(session, row:\n    pass\n", r"SyntaxError: '\(' was never closed"),
    "raises": ("x = 1\nraise RuntimeError('no folder')\n", r"RuntimeError: no folder \(line 2\)"),
    "imports": ("import nowhere_at_all\n", r"No module named 'nowhere_at_all' \(line 1\)"),
    "below": ("import json\n\njson.loads('{')\n", r"JSONDecodeError: .* \(line 3\)"),
    "exits": ("import sys\nsys.exit(3)\n", r"SystemExit: 3 \(line 2\)"),
    "empty": ("x = 1\n", r"has no function. Define one in it"),
    "two": ("def a(): ...\ndef b(): ...\n", r"more than one function. Name one as .*: a, b"),
}


@pytest.mark.parametrize("case", PROGRAMS)
def test_program_that_cannot_be_loaded_says_why_and_where(tmp_path: Path, case: str):
    text, said = PROGRAMS[case]
    (tmp_path / "program.py").write_text(text)
    with pytest.raises(UsageError, match=said):
        load_program(str(tmp_path / "program.py"))


@pytest.mark.parametrize("name", ["", ".", "..", "a..b", "nowhere_at_all", "nowhere_at_all:step"])
def test_name_of_no_module_is_told(name: str):
    with pytest.raises(UsageError, match="There is no module"):
        load_program(name)


def test_error_with_a_remedy_of_its_own_stays_what_it_is(tmp_path: Path):
    (tmp_path / "program.py").write_text(
        "from mellea.core.errors import ModelNotFoundError\nraise ModelNotFoundError('There is none.')\n"
    )
    with pytest.raises(ModelNotFoundError, match="There is none"):
        load_program(str(tmp_path / "program.py"))
