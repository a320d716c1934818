"""Requirements on code that draws a plot."""

from pathlib import Path

import pytest

from mellea.core import UsageError
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.context import SimpleContext
from mellea.stdlib.requirements.plotting import (
    MatplotlibHeadlessBackend,
    PlotDependenciesAvailable,
    PlotFileSaved,
    python_plotting_requirements,
)
from mellea.stdlib.requirements.python_tools import is_installed
from mellea.stdlib.requirements.validate import validate_all
from mellea.testing import ScriptedBackend

BACKEND = ScriptedBackend("never asked")
PYPLOT = "import matplotlib.pyplot as plt\n"


async def verdict(requirement, code):
    return await requirement.validate(
        BACKEND, SimpleContext().add(ModelOutputThunk(f"```python\n{code}\n```"))
    )


@pytest.mark.parametrize(
    ("code", "met"),
    [
        ("import matplotlib\nmatplotlib.use('Agg')\n" + PYPLOT, True),
        ("import matplotlib as mpl\nmpl.use(backend='agg')\n" + PYPLOT, True),
        ("import os\nos.environ['MPLBACKEND'] = 'Agg'\n" + PYPLOT, True),
        ("import os\nos.environ.setdefault('MPLBACKEND', 'Agg')\n" + PYPLOT, True),
        (PYPLOT + "plt.switch_backend('Agg')", True),
        ("import matplotlib\nmatplotlib.rcParams['backend'] = 'Agg'\n" + PYPLOT, True),
        ("x = 1", False),
        ("import matplotlib\nmatplotlib.use('SVG')\n" + PYPLOT, True),
        (PYPLOT, False),
        ("import matplotlib\nmatplotlib.use('TkAgg')\n" + PYPLOT, False),
        (PYPLOT + "name = 'Agg'", False),
        ("from matplotlib import pyplot = 3", False),
    ],
)
async def test_headless_backend(code, met):
    assert (await verdict(MatplotlibHeadlessBackend(), code)).result is met


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("plt.savefig('out/plot.png')", None),
        ("fig.savefig(fname='./out/plot.png', dpi=90)", None),
        ("path = 'out/plot.png'\nplt.savefig(path)", None),
        ("from pathlib import Path\npath = Path('out') / 'plot.png'\nplt.savefig(str(path))", None),
        ("import os\nfolder = 'out'\nplt.savefig(os.path.join(folder, 'plot.png'))", None),
        ("plt.savefig(Path('out/plot.png'))", None),
        ("plt.savefig('a.png')\nplt.savefig('out/plot.png')", None),
        ("plt.savefig('other.png')", "'other.png' instead of 'out/plot.png'"),
        ("plt.savefig(name())", "a path that is not written out"),
        ("plt.savefig()", "not written out"),
        ("plt.show()", "It never calls savefig()"),
        ("x = =", "Syntax error at line 1"),
    ],
)
async def test_file_is_saved(code, reason):
    result = await verdict(PlotFileSaved("out/plot.png"), code)

    assert result.result is (reason is None)
    assert (reason or "") in (result.reason or "")


async def test_missing_libraries_are_named():
    result = await verdict(PlotDependenciesAvailable(), "no code at all")

    missing = [name for name in ("matplotlib", "numpy") if not is_installed(name)]
    assert result.result is (not missing)
    assert all(name in result.reason for name in missing)


async def test_installed_modules_are_enough(tmp_path, monkeypatch):
    (tmp_path / "matplotlib.py").touch()
    (tmp_path / "numpy.py").touch()
    monkeypatch.syspath_prepend(tmp_path)

    assert await verdict(PlotDependenciesAvailable(), PYPLOT + "import math")


def test_empty_path_is_our_error():
    with pytest.raises(UsageError, match="path"):
        PlotFileSaved("")


def test_path_object_is_a_path():
    assert PlotFileSaved(Path("a.png")).output_path == "a.png"


async def test_bundle_accepts_a_good_program():
    code = "import matplotlib\nmatplotlib.use('Agg')\n" + PYPLOT + "plt.plot([1])\nplt.savefig('a.png')"
    requirements = python_plotting_requirements("a.png", ["matplotlib"])
    ctx = SimpleContext().add(ModelOutputThunk(code))

    results = await validate_all(
        [entry for entry in requirements if type(entry) is not PlotDependenciesAvailable], ctx, BACKEND
    )

    assert all(results)


def test_bundle_runs_only_when_asked():
    static = [type(entry).__name__ for entry in python_plotting_requirements("a.png")]

    assert static == [
        "PythonCodeExtraction",
        "PythonSyntaxValid",
        "PythonExecutionReq",
        "NoImportRestrictions",
        "MatplotlibHeadlessBackend",
        "PlotFileSaved",
        "PlotDependenciesAvailable",
    ]
    assert not python_plotting_requirements("a.png")[2].runs
    assert python_plotting_requirements("a.png", use_sandbox=True)[2].runs
    assert type(python_plotting_requirements("a.png", ["numpy"])[3]).__name__ == "ImportRestrictions"


async def test_the_plots_folder_can_be_written_from_the_sandbox(tmp_path):
    execution = python_plotting_requirements(tmp_path / "a.png", timeout_seconds=20, use_sandbox=True)[2]
    assert await verdict(execution, f"open({str(tmp_path / 'a.png')!r}, 'wb').write(b'png')")
    assert (tmp_path / "a.png").read_bytes() == b"png"
