"""The arguments of the commands that run programs: evaluate, improve, serve, take rows through, make them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from mellea.cli.argument_types import above_zero, finite, not_negative, port, positive

__all__ = ["add_decompose", "add_evaluation", "add_map", "add_serving", "add_training"]


def add_evaluation(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add ``mellea eval``, ``mellea optimise`` and ``mellea compare``."""
    both = argparse.ArgumentParser(add_help=False)
    both.add_argument(
        "-b", "--backend", metavar="NAME", help="an installed backend (default: $MELLEA_BACKEND, else ollama)"
    )
    both.add_argument("-m", "--model", metavar="ID", help="the model (default: the backend's own)")
    both.add_argument("--judge", metavar="NAME/ID", help="the backend, and model, that judges (default: it)")
    both.add_argument("-j", "--concurrency", metavar="N", type=positive, help="how many tasks at a time")
    both.add_argument(
        "--max-tokens", "--max-gen-tokens", metavar="N", type=positive, help="the most tokens of an answer"
    )
    both.add_argument("--temperature", metavar="X", type=finite, help="sampling temperature; 0 is greedy")
    both.add_argument("--seed", metavar="N", type=int, help="seed of the random draws")
    both.add_argument(
        "--time-limit",
        metavar="SECONDS",
        type=above_zero,
        default=600.0,
        help="the longest that an answer may take (600)",
    )
    both.add_argument("--json", action="store_true", help="print JSON")
    both.add_argument("--html", metavar="FILE", help="write a page to this file, too")

    ask = command("eval", "mellea.cli.evaluating:evaluate", "run tasks and check the answers", both)
    ask.add_argument("files", metavar="FILE", nargs="+", help="tasks, one JSON object in each line")
    ask.add_argument(
        "--program", metavar="FILE:NAME", action="append", default=[], help="what answers; may be repeated"
    )
    ask.add_argument("--prompts", metavar="FILE", help="what mellea optimise wrote, in place of its words")
    ask.add_argument("--at-least", metavar="PERCENT", type=finite, help="status 1 if fewer tasks succeed")
    ask.add_argument("-o", "--output-path", metavar="FILE", help="write the report to this file")
    ask.add_argument(
        "--output-format", choices=("json", "jsonl"), default="json", help="one object, or one a line"
    )
    ask.add_argument("--judge-backend", "-jb", metavar="NAME", help="another way to say --judge")
    ask.add_argument("--judge-model", metavar="ID", help="the model of --judge-backend")
    ask.add_argument("--max-judge-tokens", metavar="N", type=positive, help="the most tokens of a verdict")
    ask.add_argument("--continue-on-error", action="store_true", help="what it always does")

    better = command("optimise", "mellea.cli.improving:optimise", "find better prompts for a program", both)
    better.add_argument("program", metavar="FILE:NAME", help="the program, as program.py:function")
    better.add_argument("--tasks", metavar="FILE", help="tasks, one JSON object in each line")
    better.add_argument(
        "--history", metavar="FILE", help="without tasks: where to take a typed function's examples from"
    )
    better.add_argument(
        "-o", "--output-path", metavar="FILE", default="prompts.json", help="write it to this (prompts.json)"
    )
    better.add_argument(
        "--reflector", metavar="NAME/ID", help="what proposes other words (default: the model)"
    )
    better.add_argument(
        "--attempts", metavar="N", type=positive, default=400, help="the most runs of the program (400)"
    )
    better.add_argument("--tokens", metavar="N", type=positive, help="the most tokens read and written")
    better.add_argument("--money", metavar="X", type=above_zero, help="the most US dollars to spend")
    better.add_argument("--seconds", metavar="X", type=above_zero, help="the longest that it may take")
    better.add_argument("--rounds", metavar="N", type=positive, default=20, help="the most proposals (20)")
    better.add_argument(
        "--examples", metavar="N", type=not_negative, default=4, help="the most examples of a function (4)"
    )
    _add_test(better)

    pair = command("compare", "mellea.cli.evaluating:compare", "say which of two is better", both)
    pair.add_argument("a", metavar="A", help="program.py:function, a backend, or backend/model")
    pair.add_argument("b", metavar="B", help="the same")
    pair.add_argument("--tasks", metavar="FILE", required=True, help="tasks, one JSON object in each line")
    pair.add_argument("--program", metavar="FILE:NAME", help="what runs on both, where A and B are backends")
    pair.add_argument("--at-most", metavar="N", type=positive, help="give up after so many tasks")
    _add_test(pair)


def add_training(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add ``mellea train-adapter``."""
    adapter = command(
        "train-adapter", "mellea.cli.training:train_adapter", "make an adapter of what sessions accepted"
    )
    adapter.add_argument("history", metavar="FILE", help="the history of the sessions, such as runs.db")
    adapter.add_argument(
        "-o", "--output-path", metavar="DIR", default="adapter", help="the folder to write (adapter)"
    )
    adapter.add_argument("--name", help="what requests call it (default: the folder's name)")
    adapter.add_argument(
        "-b", "--backend", metavar="NAME", default="hf", help="the installed backend that trains (hf)"
    )
    adapter.add_argument(
        "-m", "--model", metavar="ID", help="the model (default: the one that wrote the answers, or its own)"
    )
    adapter.add_argument("--where", metavar="TEXT", help="learn from prompts with this text in them alone")
    adapter.add_argument(
        "--check", metavar="FILE:NAME", help="compare by what this function says of new answers"
    )
    adapter.add_argument(
        "--max-tokens",
        metavar="N",
        type=positive,
        default=256,
        help="the most tokens of such an answer (256)",
    )
    numbers: tuple[tuple[str, str, Any, str], ...] = (
        ("--rank", "N", positive, "numbers that each pair of matrices goes through (8)"),
        ("--layers", "N", positive, "act on the model's last N layers alone, which is faster"),
        ("--epochs", "N", positive, "how often each example is seen (4)"),
        ("--steps", "N", positive, "end after N steps"),
        ("--seconds", "X", above_zero, "end after so many seconds of training"),
        ("--learning-rate", "X", above_zero, "how far the first step goes (0.001)"),
        ("--seed", "N", int, "seed of the first weights and of the order (0)"),
    )
    for option, metavar, kind, text in numbers:
        adapter.add_argument(option, metavar=metavar, type=kind, help=text)
    _add_error(adapter)
    adapter.add_argument("--json", action="store_true", help="print JSON")


def _add_test(parser: argparse.ArgumentParser) -> None:
    """Add how sure a comparison has to be, and by what."""
    _add_error(parser)
    parser.add_argument(
        "--by", choices=("success", "share"), default="success", help="what counts of the requirements"
    )


def _add_error(parser: argparse.ArgumentParser) -> None:
    """Add how sure a comparison has to be."""
    parser.add_argument(
        "--least", metavar="POINTS", type=finite, default=15, help="the least difference worth finding (15)"
    )
    parser.add_argument(
        "--error", metavar="PERCENT", type=finite, default=5, help="how often it may be wrong (5)"
    )


def add_serving(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add ``mellea serve`` and ``mellea mcp``."""
    both = argparse.ArgumentParser(add_help=False)
    both.add_argument(
        "-b", "--backend", metavar="NAME", help="of typed functions (default: $MELLEA_BACKEND, else ollama)"
    )
    both.add_argument("-m", "--model", metavar="ID", help="the model (default: the backend's own)")

    serve = command(
        "serve", "mellea.cli.serving:serve", "serve a program to clients of OpenAI's chat completions", both
    )
    serve.add_argument(
        "program", metavar="PROGRAM", help="program.py, with serve() or typed functions; or program.py:NAME"
    )
    serve.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1)")
    serve.add_argument("--port", type=port, default=8080, help="the port; 0 for a free one (8080)")
    serve.add_argument(
        "--api-key", metavar="KEY", help="what clients must send (default: $MELLEA_SERVE_API_KEY)"
    )
    serve.add_argument("--insecure", action="store_true", help="listen beyond this machine without a key")
    serve.add_argument(
        "--allow-host", metavar="NAME", action="append", default=[], help="a name it is reached under"
    )
    numbers: tuple[tuple[str, str, Any, Any, str], ...] = (
        ("--concurrency", "N", positive, 64, "how many requests run at a time"),
        ("--queue", "N", positive, 256, "how many may wait"),
        ("--timeout", "SECONDS", above_zero, 600, "how long a request may take"),
        ("--max-body", "MIB", above_zero, 16, "how large a request may be"),
        ("--grace", "SECONDS", above_zero, 10, "how long requests may go on when it is stopped"),
    )
    for option, metavar, kind, default, text in numbers:
        serve.add_argument(option, metavar=metavar, type=kind, default=default, help=f"{text} ({default})")

    tools = command("mcp", "mellea.cli.serving:mcp", "serve typed functions as MCP tools", both)
    tools.add_argument("program", metavar="PROGRAM", help="program.py, or program.py:NAME")
    tools.add_argument(
        "--http",
        metavar="PORT",
        type=port,
        nargs="?",
        const=8081,
        help="over HTTP on this machine (8081), in place of standard input and output",
    )


def add_map(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add ``mellea map``."""
    rows = command("map", "mellea.cli.mapping:map_file", "take the rows of a file through a program")
    rows.add_argument("program", metavar="PROGRAM", help="program.py, or program.py:function")
    rows.add_argument(
        "--input", metavar="FILE", required=True, help="the rows: .jsonl, .json, .csv, .tsv or .parquet"
    )
    rows.add_argument("--output", metavar="FILE", help="write the results there, one JSON object a line")
    rows.add_argument("--failed", metavar="FILE", help="and those of rows that failed there")
    kept = rows.add_mutually_exclusive_group()
    kept.add_argument("--journal", metavar="FILE", help="what is done by now ($MELLEA_HISTORY, else runs.db)")
    kept.add_argument("--no-journal", action="store_true", help="keep none: all is paid for again next time")
    rows.add_argument(
        "--estimate", metavar="N", type=positive, nargs="?", const=20,
        help="try a sample (20), say what all would take, and write nothing",
    )  # fmt: skip
    rows.add_argument("--limit", metavar="N", type=positive, help="take the first N rows alone")
    rows.add_argument(
        "--passes", metavar="N", type=positive, default=2, help="how often a row that fails is tried (2)"
    )
    rows.add_argument("--as-they-come", action="store_true", help="write results in no order, none waits")
    rows.add_argument("-j", "--concurrency", metavar="N", type=positive, help="the most at a time (32)")
    rows.add_argument("-b", "--backend", metavar="NAME", help="an installed backend")
    rows.add_argument("-m", "--model", metavar="ID", help="the model (default: the backend's own)")
    rows.add_argument("--max-tokens", metavar="N", type=positive, help="the most tokens of an answer")
    rows.add_argument("--temperature", metavar="X", type=finite, help="sampling temperature; 0 is greedy")
    rows.add_argument("--seed", metavar="N", type=int, help="seed of the random draws")
    rows.add_argument("--engine", choices=("local", "ray"), default="local", help="where rows run (local)")
    rows.add_argument("--workers", metavar="N", type=positive, help="how many actors of Ray")
    rows.add_argument("--num-gpus", metavar="X", type=finite, help="GPUs of each actor of Ray")


def add_decompose(command: Callable[..., argparse.ArgumentParser], talking: argparse.ArgumentParser) -> None:
    """Add ``mellea decompose``."""
    apart = command("decompose", "mellea.cli.decomposing:decompose", "take a task apart", talking)
    apart.add_argument("task", metavar="TASK", nargs="*", help="what is to be done")
    apart.add_argument("--input-file", metavar="FILE", help="the file that the task is in")
    apart.add_argument(
        "--input-var",
        metavar="NAME",
        action="append",
        default=[],
        help="what is given along with it; may be repeated (default: the model finds it)",
    )
    apart.add_argument("--out-dir", metavar="DIR", help="write the program and its JSON to this folder")
    apart.add_argument(
        "--out-name", metavar="NAME", default="m_decomp_result", help="what they are called there"
    )
    apart.add_argument("--model-id", metavar="ID", dest="model", help="another way to say --model")
    apart.add_argument("--json", action="store_true", help="print JSON")
