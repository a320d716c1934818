"""The options of the conformance kit, and its report.

Pytest loads this; the kit itself loads when it is run.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

    from mellea.testing.conformance.report import Report

__all__ = [
    "pytest_addoption",
    "pytest_collection_modifyitems",
    "pytest_ignore_collect",
    "pytest_runtest_logreport",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
]

KIT = Path(__file__).with_name("conformance")
_KINDS = ("backend", "context", "strategy")
_reports: dict[str, Report] = {}
"""The report of this run, once there is something to report."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the kit."""
    group = parser.getgroup("mellea", "conformance of Mellea plugins")
    for kind in _KINDS:
        group.addoption(f"--mellea-{kind}", metavar="NAME", help=f"judge the installed {kind} of this name")
    group.addoption(
        "--mellea-option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an argument of its factory, as JSON or plain text",
    )
    group.addoption(
        "--mellea-provider",
        metavar="MODULE:CLASS",
        help="the scripted provider that takes the place of the backend's own",
    )
    group.addoption(
        "--mellea-levels",
        default="manifest,contract,live",
        metavar="LEVELS",
        help="what to judge by, separated by commas; live needs a real model",
    )
    group.addoption(
        "--mellea-report",
        metavar="FILE",
        help="write what came of it as JSON; as a table, if the name ends in .md",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the kit's own files of what was not asked for."""
    if collection_path.parent != KIT or not collection_path.name.startswith("test_"):
        return None
    kind = collection_path.stem.removeprefix("test_")
    return None if config.getoption(f"--mellea-{kind}") else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[Any]) -> None:
    """Take out the tests of the kit that do not apply; the report says why."""
    judged = [item for item in items if hasattr(getattr(item, "function", None), "conformance")]
    if not judged:
        return
    reasons: dict[type, dict[str, str]] = {}
    for item in judged:
        if item.cls not in reasons:
            item.cls.follow(config)
            reasons[item.cls] = item.cls.left_out()
    out = [item for item in judged if item.function.__name__ in reasons[item.cls]]
    items[:] = [item for item in items if item not in out]
    config.hook.pytest_deselected(items=out)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note what came of a test of the kit."""
    for name, told in report.user_properties:
        if name == "conformance" and isinstance(told, dict):
            _report().note(told, str(report.when), report.outcome, str(report.longrepr or ""))


def _report() -> Report:
    if "run" not in _reports:
        from mellea.testing.conformance.report import Report  # noqa: PLC0415  most runs of pytest judge nothing

        _reports["run"] = Report()
    return _reports["run"]


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Print the table."""
    wanted = ["--mellea-report", *(f"--mellea-{kind}" for kind in _KINDS)]
    if "run" in _reports and any(config.getoption(option) for option in wanted):
        terminalreporter.section("conformance")
        terminalreporter.write_line(_report().table())


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the report, where it is asked for, in the process that sees all tests."""
    path = session.config.getoption("--mellea-report")
    if path and not hasattr(session.config, "workerinput"):
        told = _report().markdown() if path.endswith(".md") else _report().to_json()
        Path(path).write_text(told, encoding="utf-8")
