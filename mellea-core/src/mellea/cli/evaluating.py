"""``mellea eval`` and ``mellea compare``: tasks from the command line."""

from __future__ import annotations

import json
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mellea.cli.reporting import print_finding
from mellea.cli.writing import check_writable
from mellea.core.billing import Spent
from mellea.core.errors import UsageError
from mellea.core.options import ModelOption
from mellea.core.trace import write_text
from mellea.evaluation import running
from mellea.evaluation.candidates import Candidate
from mellea.evaluation.comparing import compare as compare_both
from mellea.evaluation.comparison import Comparison, compared
from mellea.evaluation.outcomes import Outcome, Pair
from mellea.evaluation.reports import Report
from mellea.evaluation.tasks import read_tasks
from mellea.stdlib.program_file import load_program
from mellea.stdlib.prompts import load_prompts

__all__ = ["compare", "evaluate"]

_INTERRUPTED = 130


def evaluate(arguments: Namespace) -> int:
    """Run tasks and report what came of them; interrupted, of those that were run."""
    tasks = read_tasks(*_files(arguments.files))
    if arguments.html:
        check_writable(arguments.html, "--html")
    if arguments.output_path:
        check_writable(_report_path(arguments), "--output-path")
    common: dict[str, Any] = {
        "backend": arguments.backend,
        "model": arguments.model,
        "model_options": _options(arguments),
    }
    if arguments.prompts:
        common["prompts"] = load_prompts(arguments.prompts)
    candidates = [Candidate.of(name, **common) for name in arguments.program] or [Candidate(**common)]
    planned, done, started = len(tasks) * len(candidates), list[Outcome](), time.perf_counter()
    status = 0
    try:
        report = running.evaluate(
            tasks,
            *candidates,
            judge=_judge(arguments),
            judge_options=_limited(arguments.max_judge_tokens),
            concurrency=arguments.concurrency or 8,
            time_limit=arguments.time_limit,
            on_outcome=_progress(done, planned),
        )
    except KeyboardInterrupt:
        status = _INTERRUPTED
        report = Report(tuple(done), planned, time.perf_counter() - started)
    _end_progress()
    if arguments.html:
        write_text(arguments.html, report.to_html())
    if arguments.output_path:
        _write(_report_path(arguments), arguments.output_format, report)
    print_finding(report, as_json=arguments.json)
    return status or _status(report, arguments.at_least)


def compare(arguments: Namespace) -> int:
    """Say which of two is better; interrupted, what is known so far."""
    tasks = read_tasks(arguments.tasks)
    if arguments.html:
        check_writable(arguments.html, "--html")
    common = {"backend": arguments.backend, "model": arguments.model, "model_options": _options(arguments)}
    if arguments.program:
        common["program"] = load_program(arguments.program)
    a, b = (Candidate.of(side, **common) for side in (arguments.a, arguments.b))
    planned = min(len(tasks), arguments.at_most or len(tasks))
    settings: dict[str, Any] = {
        "least": arguments.least / 100,
        "error": arguments.error / 100,
        "by": arguments.by,
    }
    done, status = list[Pair](), 0
    try:
        found = compare_both(
            a,
            b,
            tasks,
            **settings,
            at_most=arguments.at_most,
            judge=arguments.judge,
            concurrency=arguments.concurrency or 4,
            time_limit=arguments.time_limit,
            on_pair=_progress(done, planned),
        )
    except KeyboardInterrupt:
        status = _INTERRUPTED
        found = _so_far(tuple(done), (a.name, b.name), planned, settings)
    _end_progress()
    if arguments.html:
        write_text(arguments.html, found.to_html())
    print_finding(found, as_json=arguments.json)
    return status or (0 if found.is_decided else 1)


def _files(named: list[str]) -> list[str]:
    """Return the files of tasks; programs of 0.8 write ``eval run`` before them."""
    files = named[1:] if named[0] == "run" and not Path("run").exists() else named
    if not files:
        raise UsageError("There is no file of tasks.", hint="Name one: mellea eval tasks.jsonl.")
    return files


def _options(arguments: Namespace) -> dict[str, Any]:
    named = {ModelOption.TEMPERATURE: arguments.temperature, ModelOption.SEED: arguments.seed}
    given = {key: value for key, value in named.items() if value is not None}
    return {**given, **_limited(arguments.max_tokens)}


def _limited(tokens: int | None) -> dict[str, Any]:
    return {} if tokens is None else {ModelOption.MAX_NEW_TOKENS: tokens}


def _judge(arguments: Namespace) -> str | None:
    """Return who judges, as the one option says or the two."""
    if arguments.judge or not (arguments.judge_backend or arguments.judge_model):
        return arguments.judge or None
    backend = arguments.judge_backend or arguments.backend
    if not backend:
        raise UsageError("The judge has a model and no backend.", hint="Pass --judge-backend, too.")
    return f"{backend}/{arguments.judge_model}" if arguments.judge_model else backend


def _progress(done: list[Any], planned: int) -> Callable[[Any], None]:
    """Return what keeps each result, and says on a terminal how many there are."""

    def note(result: Any) -> None:
        done.append(result)
        if sys.stderr.isatty():
            print(f"\r{len(done)} of {planned}", end="", file=sys.stderr, flush=True)

    return note


def _end_progress() -> None:
    if sys.stderr.isatty():
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _report_path(arguments: Namespace) -> Path:
    target = Path(arguments.output_path)
    return target if target.suffix else target.with_name(f"{target.name}.{arguments.output_format}")


def _write(target: Path, form: str, report: Report) -> None:
    if form == "jsonl":
        lines = (json.dumps(outcome.to_dict(), ensure_ascii=False) for outcome in report.outcomes)
        write_text(target, "".join(f"{line}\n" for line in lines))
    else:
        write_text(target, report.to_json())


def _status(report: Report, at_least: float | None) -> int:
    if report.errors:
        return 1
    too_few = at_least is not None and any(100 * one.success.rate < at_least for one in report.summaries)
    return 1 if too_few else 0


def _so_far(
    pairs: tuple[Pair, ...], names: tuple[str, str], planned: int, settings: dict[str, Any]
) -> Comparison:
    """Return what is known of a comparison that was interrupted."""
    spent = sum((one.spent + one.judged for pair in pairs for one in (pair.a, pair.b)), Spent())
    known = (pairs[0].a.candidate, pairs[0].b.candidate) if pairs else names
    return compared(known, pairs, **settings, tasks=planned, spent=spent)
