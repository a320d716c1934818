"""The sample distributions of ``tests/plugins/packages``, really built and installed with pip.

Each one is installed into a folder of its own, so that a test chooses what is installed, and in which order.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import frozen
from packaging.requirements import Requirement

from mellea.plugins.registry import registry

__all__ = ["Samples", "install", "make_distribution", "no_settings", "samples"]

PACKAGES = Path(__file__).parent / "packages"
CORE = Path(__file__).parents[2] / "mellea-core"
_SETTINGS = ("MELLEA_", "OPENAI_", "OLLAMA_", "HF_", "XDG_", "PYTHON")
_PATIENCE = 60.0
"""Seconds after which a process is taken to hang."""


@frozen
class Samples:
    """The sample distributions, each built into a wheel, and installed when it is first wanted."""

    folder: Path

    def path(self, name: str) -> str:
        """Return the folder into which a sample is installed."""
        target = self.folder / "installed" / name
        if not target.exists():
            wheel = next((self.folder / "wheels").glob(f"{name.replace('-', '_')}-*.whl"))
            _pip("install", "--no-deps", "--no-index", "--target", str(target), str(wheel))
        return str(target)

    def core(self) -> str:
        """Return a folder with ``mellea-core`` and what it depends on, and nothing else."""
        return str(_linked(Path(self.path("mellea-core")), ["mellea-core"]))

    def tools(self) -> str:
        """Return a folder with pytest, what builds a distribution, and what they depend on."""
        folder = self.folder / "tools"
        folder.mkdir(exist_ok=True)
        return str(_linked(folder, ["pytest", "hatchling"]))

    def environment(self, *names: str, **settings: str) -> Mapping[str, str]:
        """Return the environment of a Python that has the core and some samples, and the settings given."""
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(_SETTINGS) and not key.endswith("API_KEY")
        }
        path = os.pathsep.join([self.core(), *map(self.path, names)])
        home = {"HOME": str(self.folder), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
        return {**kept, **home, "OLLAMA_HOST": "127.0.0.1:9", **settings}

    def python(
        self, *arguments: str, names: tuple[str, ...] = (), stdin: str = "", **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a Python that has the core and some samples, and wait for its end."""
        command = [sys.executable, "-S", *arguments]
        environment = self.environment(*names, **settings)
        return subprocess.run(
            command,
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            cwd=self.folder,
            timeout=_PATIENCE,
            check=False,
        )

    @contextmanager
    def started(
        self, *arguments: str, names: tuple[str, ...] = (), **streams: Any
    ) -> Iterator[subprocess.Popen[Any]]:
        """Start a Python that has the core and some samples; whatever hangs is ended after a while."""
        environment = {**self.environment(*names), "TERM": "dumb"}
        process = subprocess.Popen(
            [sys.executable, "-S", *arguments], env=environment, cwd=self.folder, **streams
        )
        watchdog = threading.Timer(_PATIENCE, process.kill)
        watchdog.start()
        try:
            with process:
                yield process
        finally:
            watchdog.cancel()


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(command)} failed; the tests need pip and hatchling:\n{done.stdout}{done.stderr}"
        )


def _linked(folder: Path, names: list[str]) -> Path:
    """Put links to what distributions need into a folder, and return it."""
    for entry in _needed_by(names):
        if not (folder / entry.name).exists():
            (folder / entry.name).symlink_to(entry)
    return folder


def _needed_by(names: list[str]) -> Iterator[Path]:
    """Iterate over what distributions, and those they depend on, have installed at the top level."""
    wanted, seen = [*names], set()
    while wanted:
        distribution = importlib.metadata.distribution(wanted.pop())
        if distribution.name in seen:
            continue
        seen.add(distribution.name)
        requirements = map(Requirement, distribution.requires or ())
        wanted += [
            entry.name
            for entry in requirements
            if entry.marker is None or entry.marker.evaluate({"extra": ""})
        ]
        if distribution.name != "mellea-core":
            tops = {
                file.parts[0]
                for file in distribution.files or ()
                if file.parts[0] not in ("..", "__pycache__")
            }
            yield from (Path(str(distribution.locate_file(top))) for top in sorted(tops))


@functools.cache
def _built() -> Samples:
    # One build for the process: pytest would build once for each conftest that takes these fixtures.
    holder = tempfile.TemporaryDirectory(prefix="mellea-samples-")
    folder = Path(holder.name)
    sources = [*sorted(PACKAGES.iterdir()), CORE]
    _pip(
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(folder / "wheels"),
        *map(str, sources),
    )
    _holders.append(holder)
    return Samples(folder)


_holders: list[tempfile.TemporaryDirectory[str]] = []
"""Keeps the folder until the process ends."""


@pytest.fixture(scope="session")
def samples() -> Samples:
    """The sample distributions."""
    return _built()


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take this project's variables out of the environment for one test."""
    for name in [name for name in os.environ if name.startswith("MELLEA_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def install(
    samples: Samples, no_settings: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., None]]:
    """Install distributions into this process for one test: samples by name, or folders."""
    registry.cache_clear()
    folders: list[str] = []

    def put(*distributions: str | Path) -> None:
        for distribution in distributions:
            folders.append(
                str(distribution) if isinstance(distribution, Path) else samples.path(distribution)
            )
            monkeypatch.syspath_prepend(folders[-1])

    yield put
    registry.cache_clear()
    for name, module in list(sys.modules.items()):
        if (getattr(module, "__file__", None) or "").startswith(tuple(folders)):
            del sys.modules[name]


def make_distribution(
    folder: Path, name: str, entry_points: Mapping[str, str], modules: Mapping[str, str]
) -> Path:
    """Write an installed distribution that no build tool would let through, and return its folder."""
    information = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{key} = {value}" for key, value in entry_points.items()]
    (information / "entry_points.txt").write_text("\n".join(["[mellea]", *lines, ""]))
    for module, source in modules.items():
        (folder / f"{module}.py").write_text(source)
    return folder
