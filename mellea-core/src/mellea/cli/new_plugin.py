"""``mellea new-plugin``: a package of one's own, which passes its tests as it is."""

from __future__ import annotations

import keyword
import re
import shlex
import sys
import tempfile
from argparse import Namespace
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TypeAlias, cast

from attrs import frozen

from mellea import __version__
from mellea.core.errors import PluginError, UsageError
from mellea.plugins.discovery import normalise
from mellea.plugins.manifests import API_VERSION, Kind
from mellea.plugins.registry import registry
from mellea.plugins.wellknown import WELL_KNOWN

__all__ = ["bounds_of", "new_plugin"]

Files: TypeAlias = Mapping[str, str]

_COMMON = {
    ".github/workflows/tests.yml": "tests.yml",
    ".gitignore": "gitignore",
    "README.md": "README.md",
    "pyproject.toml": "pyproject.toml",
}
_SUMMARIES = {
    "backend": "A model that says again what it hears.",
    "context": "Shows the model the last turns of a conversation.",
    "strategy": "Asks again with what was wrong, until an answer repeats.",
    "requirements": "Requirements on what models write.",
}
_DISTRIBUTION = re.compile(r"[a-z0-9]([a-z0-9._-]*[a-z0-9])?", re.IGNORECASE)
_SUFFIX = ".txt"  # so that no tool takes a template for the file that it becomes


@frozen
class _Names:
    """The names of a new plugin.

    Args:
        distribution: What is installed: ``mellea-brook``.
        module: What is imported: ``mellea_brook``.
        plugin: What sessions ask for: ``brook``.
        name: What its class is called: ``BrookBackend``.
    """

    distribution: str
    module: str
    plugin: str
    name: str


def new_plugin(arguments: Namespace) -> int:
    """Write a package and say what to do with it.

    Raises:
        UsageError: The name will not do, or there is something under it already.
    """
    kind: str = arguments.kind
    names = _names(arguments.name, kind)
    folder = Path(arguments.directory) / names.distribution
    _write(folder, _files(names, kind))
    print(f"Wrote {folder}.")
    print(f"Its part to replace: {folder / _replaced(names, kind)}")
    print("\nNext:")
    print(f"  cd {shlex.quote(str(folder))}")
    print('  pip install --editable ".[test]"')
    print("  pytest")
    return 0


def _names(name: str, kind: str) -> _Names:
    """Return the names that follow from a distribution's.

    Raises:
        UsageError: It is no name of a distribution or of what is imported from it, or it is taken.
    """
    hint = "Use letters, digits and '-', with a letter first, such as mellea-brook."
    if not _DISTRIBUTION.fullmatch(name):
        raise UsageError(f"{name!r} is no name of a distribution.", hint=hint)
    module = normalise(name).replace("-", "_")
    plugin = normalise(name).removeprefix("mellea-")
    if not module.isidentifier() or not plugin[0].isalpha():
        raise UsageError(f"No module can be called {module!r}, as {name!r} would need.", hint=hint)
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or module == "mellea":
        whose = "a word of Python's" if keyword.iskeyword(module) else "a module that is there already"
        raise UsageError(f"{module!r} is {whose}.", hint=f"Call it mellea-{plugin}.")
    _look_for_others(name, plugin, kind)
    title = "".join(part.capitalize() for part in plugin.split("-"))
    return _Names(name, module, plugin, f"{title.removesuffix(kind.capitalize())}{kind.capitalize()}")


def _look_for_others(name: str, plugin: str, kind: str) -> None:
    """Look whether somebody has the name.

    Raises:
        UsageError: Somebody has.
    """
    try:
        found = distribution(name)
    except PackageNotFoundError:
        pass
    else:
        raise UsageError(
            f"{found.name} {found.version} is installed, so that yours could not be beside it.",
            hint="Choose another name.",
        )
    if kind == "requirements":
        return
    from mellea.composition.names import is_composition  # noqa: PLC0415  only new names need it

    if kind == "backend" and is_composition(f"{normalise(name)}:"):
        raise UsageError(
            f"{name}:... is how a composition of backends is written.", hint=f"Call it mellea-{plugin}."
        )
    if kind == "backend" and plugin in WELL_KNOWN:
        raise UsageError(f"{plugin!r} is a backend of Mellea's own.", hint="Choose another name.")
    try:
        taken = registry().resolve(cast("Kind", kind), plugin)
    except PluginError:
        return
    raise UsageError(
        f"{taken.source} provides the {kind} {plugin!r}, and one name of two would be ambiguous.",
        hint="Choose another name.",
    )


def bounds_of(version: str) -> str:
    """Return the versions of the core that a plugin made with one of them goes with: ``>=0.9,<0.10``."""
    found = re.match(r"(\d+)\.(\d+)(?:\.\d+)?(.*)", version)
    assert found is not None  # noqa: S101  the core's own version
    major, minor, rest = int(found[1]), int(found[2]), found[3]
    following = f"0.{minor + 1}" if major == 0 else f"{major + 1}"
    return f">={version if rest else f'{major}.{minor}'},<{following}"


def _replaced(names: _Names, kind: str) -> str:
    return f"src/{names.module}/{kind}.py"


def _files(names: _Names, kind: str) -> Files:
    """Return the files of a package by their paths."""
    bounds = bounds_of(__version__)
    known = {
        "distribution": names.distribution,
        "module": names.module,
        "plugin": names.plugin,
        "name": names.name,
        "description": _SUMMARIES[kind],
        "bounds": bounds,
        "oldest": bounds.removeprefix(">=").partition(",")[0],
        "api": str(API_VERSION),
        "entry_point": "",
    }
    source = f"src/{names.module}"
    own = {f"{source}/__init__.py": "init.py", _replaced(names, kind): f"{kind}.py"}
    if kind != "requirements":
        own[f"{source}/plugin.py"] = "plugin.py"
        known["entry_point"] = f'[project.entry-points.mellea]\n{names.plugin} = "{names.module}.plugin"\n\n'
    own[f"tests/test_{kind}.py"] = f"test_{kind}.py"
    known["body"] = _filled(kind, "README.md", known)
    return {
        **{path: _filled("common", name, known) for path, name in _COMMON.items()},
        **{path: _filled(kind, name, known) for path, name in own.items()},
        f"{source}/py.typed": "",
    }


def _filled(folder: str, name: str, known: Mapping[str, str]) -> str:
    """Return a template of the package's own with its names put in."""
    template = files("mellea").joinpath("templates", "plugins", folder, f"{name}{_SUFFIX}")
    return Template(template.read_text(encoding="utf-8")).substitute(known)


def _write(folder: Path, contents: Files) -> None:
    """Write a package, all of it or nothing.

    Raises:
        UsageError: Its place is taken, or it cannot be written there.
    """
    if folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder} is there already.", hint="Choose another name, or pass --directory.")
    if not folder.parent.is_dir():
        raise UsageError(f"There is no folder {folder.parent}.", hint="Make it first, or pass another one.")
    try:
        with tempfile.TemporaryDirectory(prefix=".new-plugin-", dir=folder.parent) as holder:
            made = Path(holder) / folder.name
            for path, text in contents.items():
                file = made / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8", newline="\n")
            made.rename(folder)
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be written: {error.strerror or error}.", hint="Pass another --directory."
        ) from error
