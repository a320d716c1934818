"""The commands and their arguments."""

from __future__ import annotations

import argparse
from typing import Any

from mellea import __version__
from mellea.cli.argument_types import finite, key_and_value, positive
from mellea.cli.program_arguments import add_decompose, add_evaluation, add_map, add_serving, add_training

__all__ = ["make_parser"]


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
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
    add_evaluation(command)
    add_training(command)
    add_serving(command)
    add_map(command)
    add_decompose(command, talking)
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


def _add_history(commands: Any, json: argparse.ArgumentParser) -> None:
    """Add ``mellea history`` with its own commands."""
    text = "show what sessions did that keep a history"
    parser = commands.add_parser("history", help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.set_defaults(handler=None)
    within = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    db = argparse.ArgumentParser(add_help=False)
    db.add_argument("--db", metavar="FILE", help="the history (default: $MELLEA_HISTORY, else runs.db)")
    limit = argparse.ArgumentParser(add_help=False)
    limit.add_argument("-n", "--limit", metavar="N", type=positive, default=20, help="the most to show (20)")
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
    options.add_argument("--max-tokens", metavar="N", type=positive, help="the most tokens to generate")
    options.add_argument("--temperature", metavar="X", type=finite, help="sampling temperature; 0 is greedy")
    options.add_argument("--seed", metavar="N", type=int, help="seed of the random draws")
    options.add_argument(
        "-o",
        "--option",
        metavar="KEY=VALUE",
        type=key_and_value,
        action="append",
        default=[],
        help="any other model option: a common one in capitals (CONTEXT_WINDOW=8192) or the provider's own "
        "(top_p=0.9); the value is read as JSON if it is JSON; may be repeated",
    )
    return options
