"""``mellea optimise``: a better program from the command line."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import Any

from mellea.cli.reporting import print_finding
from mellea.cli.writing import check_writable
from mellea.core.budget import Budget
from mellea.core.errors import UsageError
from mellea.core.options import ModelOption
from mellea.core.trace import write_text
from mellea.improving.optimising import optimise as improve
from mellea.improving.past_calls import choose_examples
from mellea.stdlib.program_file import load_program

__all__ = ["optimise"]


def optimise(arguments: Namespace) -> int:
    """Write better prompts for a program to a file, if there are any; status 1 if there are none."""
    check_writable(arguments.output_path, "--output-path")
    if arguments.html:
        check_writable(arguments.html, "--html")
    if arguments.tasks:
        return _with_tasks(arguments)
    if not arguments.history:
        raise UsageError(
            "There is nothing to improve the program with.",
            hint="Give --tasks FILE; or, for examples alone, --history FILE.",
        )
    prompts = choose_examples(load_program(arguments.program), arguments.history, most=arguments.examples)
    prompts.save(arguments.output_path)
    print(f"{arguments.output_path}: {prompts.found['why']}", file=sys.stderr)
    return 0


def _with_tasks(arguments: Namespace) -> int:
    named = {
        ModelOption.TEMPERATURE: arguments.temperature,
        ModelOption.SEED: arguments.seed,
        ModelOption.MAX_NEW_TOKENS: arguments.max_tokens,
    }
    options: dict[str, Any] = {key: value for key, value in named.items() if value is not None}
    found = improve(
        arguments.program,
        arguments.tasks,
        backend=arguments.backend,
        model=arguments.model,
        model_options=options,
        judge=arguments.judge,
        reflector=arguments.reflector,
        budget=Budget(arguments.attempts, arguments.tokens, arguments.seconds, arguments.money),
        rounds=arguments.rounds,
        examples=arguments.examples,
        least=arguments.least / 100,
        error=arguments.error / 100,
        by=arguments.by,
        concurrency=arguments.concurrency or 4,
        time_limit=arguments.time_limit,
    )
    if found.is_better:
        found.save(arguments.output_path)
    if arguments.html and found.comparison is not None:
        write_text(arguments.html, found.comparison.to_html())
    print_finding(found, as_json=arguments.json)
    if found.is_better:
        print(
            f"Written to {arguments.output_path}; a program takes it with @load_prompts(...).",
            file=sys.stderr,
        )
    return 0 if found.is_better else 1
