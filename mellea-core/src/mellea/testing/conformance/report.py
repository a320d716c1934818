"""What came of the kit's tests: a table to read, and JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import define, field

from mellea.plugins.manifests import API_VERSION

__all__ = ["Report"]

_ORDER = ("failed", "error", "undeclared", "passed", "not declared", "skipped", "left out")
_LEVELS = ("manifest", "contract", "live")
_SIGNS = {
    "passed": "yes",
    "failed": "NO",
    "error": "NO",
    "undeclared": "undeclared",
    "not declared": "-",
    "left out": "left out",
    "skipped": "skipped",
}


@define
class Report:
    """What came of each test of each plugin."""

    _subjects: dict[str, dict[str, Any]] = field(factory=dict)

    def note(self, told: Mapping[str, Any], phase: str, outcome: str, words: str) -> None:
        """Take what pytest says of one phase of a test."""
        subject = self._subjects.setdefault(
            told["subject"], {"kind": told["kind"], "tests": {}, "left_out": {}}
        )
        subject["left_out"] |= told.get("left_out", {})
        if phase != "call" and outcome == "passed":
            return
        came = "error" if phase != "call" and outcome == "failed" else outcome
        came = told.get("outcome", came) if came == "passed" else came
        entry = {key: told[key] for key in ("level", "since", "shows", "about")}
        subject["tests"][told["test"]] = {**entry, "outcome": came, "words": words[-2000:]}

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {
            "api_version": API_VERSION,
            "subjects": {
                name: {
                    "kind": subject["kind"],
                    "passed": not any(
                        test["outcome"] in ("failed", "error") for test in subject["tests"].values()
                    ),
                    "counts": _counts(subject["tests"].values()),
                    "undeclared": sorted(
                        {
                            test["shows"]
                            for test in subject["tests"].values()
                            if test["outcome"] == "undeclared"
                        }
                    ),
                    **{key: dict(sorted(subject[key].items())) for key in ("tests", "left_out")},
                }
                for name, subject in sorted(self._subjects.items())
            },
        }

    def to_json(self) -> str:
        """Return the report as JSON text."""
        return json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_dict(cls, told: Mapping[str, Any], names: Iterable[str]) -> Report:
        """Return the report on some of the plugins of a report in JSON values."""
        return cls({name: told["subjects"][name] for name in names})

    def markdown(self) -> str:
        """Return the table for a page: what holds, by level, and one column for each plugin."""
        names = list(self._subjects)
        outcomes, rows = self._outcomes(), {}
        for name in names:
            for test, entry in self._subjects[name]["tests"].items():
                rows[test.partition("[")[0]] = (_LEVELS.index(entry["level"]), entry["about"])
        lines = [["what holds", *names], ["---"] * (len(names) + 1)]
        for test in sorted(rows, key=lambda test: (rows[test][0], test)):
            cells = [_SIGNS[outcomes[test].get(name, "left out")] for name in names]
            lines.append([rows[test][1].replace("``", "`"), *cells])
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)

    def _outcomes(self) -> dict[str, dict[str, str]]:
        """Return what came of each test for each plugin, the worst of its variants."""
        outcomes: dict[str, dict[str, str]] = {}
        for name, subject in self._subjects.items():
            for test, entry in subject["tests"].items():
                row = outcomes.setdefault(test.partition("[")[0], {})
                row[name] = min(row.get(name, "left out"), entry["outcome"], key=_ORDER.index)
            for test in subject["left_out"]:
                outcomes.setdefault(test, {})[name] = "left out"
        return outcomes

    def table(self) -> str:
        """Return one line for each test, without its variants, and one column for each plugin."""
        names = sorted(self._subjects)
        tests = self._outcomes()
        width = max((len(test) for test in tests), default=4)
        columns = [max(len(name), 12) for name in names]
        lines = [_line("test", names, width, columns)]
        lines += [
            _line(test, [_SIGNS.get(row.get(name, ""), "") for name in names], width, columns)
            for test, row in tests.items()
        ]
        left_out = [
            f"{name}: {test} is left out: {reason}."
            for name in names
            for test, reason in sorted(self._subjects[name]["left_out"].items())
        ]
        return "\n".join([*lines, "", *left_out])


def _counts(tests: Any) -> dict[str, int]:
    outcomes = [test["outcome"] for test in tests]
    return {outcome: outcomes.count(outcome) for outcome in _ORDER if outcome in outcomes}


def _line(first: str, cells: list[str], width: int, columns: list[int]) -> str:
    shown = [cell.ljust(column) for cell, column in zip(cells, columns, strict=True)]
    return "  ".join([first.removeprefix("test_").ljust(width), *shown]).rstrip()
