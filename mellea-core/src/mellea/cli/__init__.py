"""The command line.

``mellea backends``, ``contexts``, ``strategies``, ``hooks``, ``doctor``, ``run``, ``chat``, ``map``,
``eval``, ``compare``, ``serve``, ``mcp``, ``show``, ``history`` and ``new-plugin``.

The commands live in modules of their own, imported when they run: help costs nothing, and listings import no
backend.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from mellea import __version__

__all__ = ["main"]

_INTERRUPTED = 130
_BROKEN_PIPE = 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: The arguments; by default those of the process.

    Returns:
        The exit status: 0, 1 for an error, 2 for a usage error, 130 when interrupted, 141 when the reader of
        a pipe left.
    """
    parser = _parser()
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as end:  # help, the version or a usage error is printed by now
        return end.code if isinstance(end.code, int) else 0
    if arguments.handler is None:
        parser.print_help(sys.stderr)
        return 2
    arguments.asked = sys.argv[1:] if argv is None else list(argv)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        return _carry_out(arguments)


def _carry_out(arguments: argparse.Namespace) -> int:
    """Import the module of a command, run it, and turn what it raises into an exit status."""
    try:
        module, _, function = arguments.handler.partition(":")
        status: int = getattr(importlib.import_module(module), function)(arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        if sys.stderr.isatty():
            print(file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes once more when it ends, and would complain about it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    except Exception as error:
        from mellea.core.errors import MelleaError, UsageError  # noqa: PLC0415  help and version do without the core

        if not isinstance(error, MelleaError):
            raise
        print_error(error)
        return 2 if isinstance(error, UsageError) else 1


def print_error(error: Exception) -> None:
    """Print one of our errors as a sentence; with ``MELLEA_DEBUG=1`` with its traceback before it."""
    sys.stdout.flush()
    if os.environ.get("MELLEA_DEBUG", "") not in ("", "0"):
        traceback.print_exception(error)
    from mellea.core.terminal import visible  # noqa: PLC0415  help and version do without the core

    print(f"mellea: {visible(' '.join(str(error).split()))}", file=sys.stderr)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    from mellea.core.terminal import visible  # noqa: PLC0415  help and version do without the core

    print(f"mellea: warning: {visible(' '.join(str(message).split()))}", file=file or sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mellea",
        description="Generative programs in Python: see what is installed, and talk to a model.",
        epilog='Begin with "mellea doctor": it says what is ready, and what to do about the rest.',
    )
    parser.add_argument("-V", "--version", action="version", version=f"mellea {__version__}")
    parser.set_defaults(handler=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    json = argparse.ArgumentParser(add_help=False)
    json.add_argument("--json", action="store_true", help="print JSON")
    check = argparse.ArgumentParser(add_help=False)
    check.add_argument(
        "--check", action="store_true", help="import each, and say what is wrong; status 1 if anything is"
    )
    talking = _talking_options()

    def command(
        name: str, handler: str, text: str, *parents: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = commands.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}.", parents=parents
        )
        made.set_defaults(handler=handler)
        return made

    run = command("run", "mellea.cli.talking:run", "ask a model one thing", talking)
    run.add_argument(
        "prompt", metavar="PROMPT", help='what to ask, as it is; "-" reads it from standard input'
    )
    form = run.add_mutually_exclusive_group()
    form.add_argument("--stream", action="store_true", help="print the answer while it is being written")
    form.add_argument(
        "--json", action="store_true", help="print the answer, its model, usage and finish reason as JSON"
    )
    command("chat", "mellea.cli.talking:chat", "talk with a model, which remembers the conversation", talking)
    show = command("show", "mellea.cli.showing:show", "show the attempts of a result that was saved")
    show.add_argument(
        "trace",
        metavar="FILE",
        help='the file that result.save(path) wrote; "-" reads it from standard input',
    )
    show.add_argument(
        "--html", metavar="FILE", help="write them to this file as an HTML page, instead of printing them"
    )
    _add_history(commands, json)
    _add_evaluation(command)
    _add_serving(command)
    _add_map(command)
    _add_decompose(command, talking)
    listing = (json, check)
    command("backends", "mellea.cli.listing:backends", "list the installed backends", *listing)
    command("contexts", "mellea.cli.listing:contexts", "list the installed context types", *listing)
    command("strategies", "mellea.cli.listing:strategies", "list the installed sampling strategies", *listing)
    command("hooks", "mellea.cli.listing:hooks", "list the installed handlers of hooks", *listing)
    command(
        "doctor", "mellea.cli.doctor:doctor", "say what is installed, what is reachable, and what to do", json
    )
    new = command(
        "new-plugin", "mellea.cli.new_plugin:new_plugin", "write a package of your own that passes its tests"
    )
    new.add_argument("name", metavar="NAME", help="what is installed with pip, such as mellea-brook")
    new.add_argument(
        "--kind",
        required=True,
        choices=("backend", "context", "strategy", "requirements"),
        help="what it provides",
    )
    new.add_argument(
        "--directory", metavar="DIR", default=".", help="where to make its folder (default: here)"
    )
    return parser


def _add_evaluation(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add ``mellea eval``, ``mellea optimise`` and ``mellea compare``."""
    both = argparse.ArgumentParser(add_help=False)
    both.add_argument(
        "-b", "--backend", metavar="NAME", help="an installed backend (default: $MELLEA_BACKEND, else ollama)"
    )
    both.add_argument("-m", "--model", metavar="ID", help="the model (default: the backend's own)")
    both.add_argument("--judge", metavar="NAME/ID", help="the backend, and model, that judges (default: it)")
    both.add_argument("-j", "--concurrency", metavar="N", type=_positive, help="how many tasks at a time")
    both.add_argument(
        "--max-tokens", "--max-gen-tokens", metavar="N", type=_positive, help="the most tokens of an answer"
    )
    both.add_argument("--temperature", metavar="X", type=float, help="sampling temperature; 0 is greedy")
    both.add_argument("--seed", metavar="N", type=int, help="seed of the random draws")
    both.add_argument(
        "--time-limit",
        metavar="SECONDS",
        type=_above_zero,
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
    ask.add_argument("--at-least", metavar="PERCENT", type=float, help="status 1 if fewer tasks succeed")
    ask.add_argument("-o", "--output-path", metavar="FILE", help="write the report to this file")
    ask.add_argument(
        "--output-format", choices=("json", "jsonl"), default="json", help="one object, or one a line"
    )
    ask.add_argument("--judge-backend", "-jb", metavar="NAME", help="another way to say --judge")
    ask.add_argument("--judge-model", metavar="ID", help="the model of --judge-backend")
    ask.add_argument("--max-judge-tokens", metavar="N", type=_positive, help="the most tokens of a verdict")
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
        "--attempts", metavar="N", type=_positive, default=400, help="the most runs of the program (400)"
    )
    better.add_argument("--tokens", metavar="N", type=_positive, help="the most tokens read and written")
    better.add_argument("--money", metavar="X", type=_above_zero, help="the most US dollars to spend")
    better.add_argument("--seconds", metavar="X", type=_above_zero, help="the longest that it may take")
    better.add_argument("--rounds", metavar="N", type=_positive, default=20, help="the most proposals (20)")
    better.add_argument(
        "--examples", metavar="N", type=int, default=4, help="the most examples of a function (4)"
    )
    _add_test(better)

    pair = command("compare", "mellea.cli.evaluating:compare", "say which of two is better", both)
    pair.add_argument("a", metavar="A", help="program.py:function, a backend, or backend/model")
    pair.add_argument("b", metavar="B", help="the same")
    pair.add_argument("--tasks", metavar="FILE", required=True, help="tasks, one JSON object in each line")
    pair.add_argument("--program", metavar="FILE:NAME", help="what runs on both, where A and B are backends")
    pair.add_argument("--at-most", metavar="N", type=_positive, help="give up after so many tasks")
    _add_test(pair)


def _add_test(parser: argparse.ArgumentParser) -> None:
    """Add how sure a comparison has to be."""
    parser.add_argument(
        "--least", metavar="POINTS", type=float, default=15, help="the least difference worth finding (15)"
    )
    parser.add_argument(
        "--error", metavar="PERCENT", type=float, default=5, help="how often it may be wrong (5)"
    )
    parser.add_argument(
        "--by", choices=("success", "share"), default="success", help="what counts of the requirements"
    )


def _add_serving(command: Callable[..., argparse.ArgumentParser]) -> None:
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
    serve.add_argument("--port", type=int, default=8080, help="the port; 0 for a free one (8080)")
    serve.add_argument(
        "--api-key", metavar="KEY", help="what clients must send (default: $MELLEA_SERVE_API_KEY)"
    )
    serve.add_argument("--insecure", action="store_true", help="listen beyond this machine without a key")
    serve.add_argument(
        "--allow-host", metavar="NAME", action="append", default=[], help="a name it is reached under"
    )
    numbers: tuple[tuple[str, str, Any, Any, str], ...] = (
        ("--concurrency", "N", _positive, 64, "how many requests run at a time"),
        ("--queue", "N", _positive, 256, "how many may wait"),
        ("--timeout", "SECONDS", _above_zero, 600, "how long a request may take"),
        ("--max-body", "MIB", _above_zero, 16, "how large a request may be"),
        ("--grace", "SECONDS", _above_zero, 10, "how long requests may go on when it is stopped"),
    )
    for option, metavar, kind, default, text in numbers:
        serve.add_argument(option, metavar=metavar, type=kind, default=default, help=f"{text} ({default})")

    tools = command("mcp", "mellea.cli.serving:mcp", "serve typed functions as MCP tools", both)
    tools.add_argument("program", metavar="PROGRAM", help="program.py, or program.py:NAME")
    tools.add_argument(
        "--http",
        metavar="PORT",
        type=int,
        nargs="?",
        const=8081,
        help="over HTTP on this machine (8081), in place of standard input and output",
    )


def _add_map(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add ``mellea map``."""
    rows = command("map", "mellea.cli.mapping:map_file", "take the rows of a file through a program")
    rows.add_argument("program", metavar="PROGRAM", help="program.py, or program.py:function")
    rows.add_argument(
        "--input", metavar="FILE", required=True, help="the rows: .jsonl, .json, .csv, .tsv or .parquet"
    )
    rows.add_argument("--output", metavar="FILE", help="write the results there, one JSON object a line")
    rows.add_argument("--failed", metavar="FILE", help="and those of rows that failed there")
    rows.add_argument("--journal", metavar="FILE", help="what is done by now ($MELLEA_HISTORY, else runs.db)")
    rows.add_argument("--no-journal", action="store_true", help="keep none: all is paid for again next time")
    rows.add_argument(
        "--estimate", metavar="N", type=_positive, nargs="?", const=20,
        help="try a sample (20), say what all would take, and write nothing",
    )  # fmt: skip
    rows.add_argument("--limit", metavar="N", type=_positive, help="take the first N rows alone")
    rows.add_argument(
        "--passes", metavar="N", type=_positive, default=2, help="how often a row that fails is tried (2)"
    )
    rows.add_argument("--as-they-come", action="store_true", help="write results in no order, none waits")
    rows.add_argument("-j", "--concurrency", metavar="N", type=_positive, help="the most at a time (32)")
    rows.add_argument("-b", "--backend", metavar="NAME", help="an installed backend")
    rows.add_argument("-m", "--model", metavar="ID", help="the model (default: the backend's own)")
    rows.add_argument("--max-tokens", metavar="N", type=_positive, help="the most tokens of an answer")
    rows.add_argument("--temperature", metavar="X", type=float, help="sampling temperature; 0 is greedy")
    rows.add_argument("--seed", metavar="N", type=int, help="seed of the random draws")
    rows.add_argument("--engine", choices=("local", "ray"), default="local", help="where rows run (local)")
    rows.add_argument("--workers", metavar="N", type=_positive, help="how many actors of Ray")
    rows.add_argument("--num-gpus", metavar="X", type=float, help="GPUs of each actor of Ray")


def _add_decompose(command: Callable[..., argparse.ArgumentParser], talking: argparse.ArgumentParser) -> None:
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


def _add_history(commands: Any, json: argparse.ArgumentParser) -> None:
    """Add ``mellea history`` with its own commands."""
    text = "show what sessions did that keep a history"
    parser = commands.add_parser("history", help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.set_defaults(handler=None)
    within = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    db = argparse.ArgumentParser(add_help=False)
    db.add_argument("--db", metavar="FILE", help="the history (default: $MELLEA_HISTORY, else runs.db)")
    limit = argparse.ArgumentParser(add_help=False)
    limit.add_argument("-n", "--limit", metavar="N", type=_positive, default=20, help="the most to show (20)")
    session = argparse.ArgumentParser(add_help=False)
    session.add_argument(
        "--session", metavar="ID", help="of this session alone; the beginning of its id is enough"
    )

    def command(
        name: str, function: str, text: str, *parents: argparse.ArgumentParser
    ) -> argparse.ArgumentParser:
        description = f"{text[0].upper()}{text[1:]}."
        made: argparse.ArgumentParser = within.add_parser(
            name, help=text, description=description, parents=(db, *parents)
        )
        made.set_defaults(handler=f"mellea.cli.history:{function}")
        return made

    command("list", "list_calls", "list the newest calls, below their sessions", session, limit, json)
    show = command(
        "show", "show", "show a call with its attempts and requests, or a session with its calls", json
    )
    show.add_argument("id", metavar="ID", help="the number of a call, or the beginning of a session's id")
    show.add_argument("--full", action="store_true", help="of a call: print prompts and answers in full")
    show.add_argument(
        "--html", metavar="FILE", help="of a call: write its attempts to this file as an HTML page"
    )
    search = command("search", "search", "find prompts and answers by their words", limit, json)
    search.add_argument(
        "words", metavar="WORD", nargs="+", help="all of them occur; a star at the end is any ending"
    )
    export = command("export", "export", "print all that is known of each call, as JSON", session)
    export.add_argument("--jsonl", action="store_true", help="print one JSON value a line, for each call one")


def _talking_options() -> argparse.ArgumentParser:
    """Return the options that ``run`` and ``chat`` have in common."""
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument(
        "-b", "--backend", metavar="NAME", help="an installed backend (default: $MELLEA_BACKEND, else ollama)"
    )
    options.add_argument(
        "-m", "--model", metavar="ID", help="the model (default: $MELLEA_MODEL, else the backend's own)"
    )
    options.add_argument("--system", metavar="TEXT", help="a system message put first")
    options.add_argument("--max-tokens", metavar="N", type=_positive, help="the most tokens to generate")
    options.add_argument("--temperature", metavar="X", type=float, help="sampling temperature; 0 is greedy")
    options.add_argument("--seed", metavar="N", type=int, help="seed of the random draws")
    options.add_argument(
        "-o",
        "--option",
        metavar="KEY=VALUE",
        type=_key_and_value,
        action="append",
        default=[],
        help="any other model option: a common one in capitals (CONTEXT_WINDOW=8192) or the provider's own "
        "(top_p=0.9); the value is read as JSON if it is JSON; may be repeated",
    )
    return options


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def _above_zero(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no positive number")
    return number


_above_zero.__name__ = "number"
_positive.__name__ = "number"  # argparse names the type in "invalid number value: 'x'"


def _key_and_value(text: str) -> tuple[str, Any]:
    import json  # noqa: PLC0415  help does without it

    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    try:
        return key.strip(), json.loads(value)
    except ValueError:
        return key.strip(), value
