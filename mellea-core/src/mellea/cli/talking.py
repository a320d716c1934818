"""``mellea run`` and ``mellea chat``: asking a model from the command line."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import Any

from mellea.cli import print_error
from mellea.core.context import Context
from mellea.core.errors import MelleaError, UsageError
from mellea.core.message import Message
from mellea.core.options import ModelOption
from mellea.core.reasoning import looking_after_answers
from mellea.core.terminal import visible
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.context.chat import ChatContext
from mellea.stdlib.context.simple import SimpleContext
from mellea.stdlib.session import MelleaSession, start_session

__all__ = ["chat", "open_session", "run"]

_STEERING = re.compile(r"[\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What steers a terminal and may stand in JSON as it is."""

_HELP = """\
/reset  forget the conversation
/quit   end; so does Ctrl-D
/help   show this
Ctrl-C stops the answer that is being written."""


def run(arguments: Namespace) -> int:
    """Ask one thing and print the answer."""
    prompt = sys.stdin.read() if arguments.prompt == "-" else arguments.prompt
    if not prompt.strip():
        raise UsageError("The prompt is empty.", hint='Pass it as an argument, or pipe it in and pass "-".')
    with open_session(arguments, SimpleContext()) as m, looking_after_answers():
        output: ModelOutputThunk[Any]
        if arguments.stream:
            output = m.stream_chat(prompt)
            _print_pieces(output)
        else:
            output = m.act(Message("user", prompt))
            if arguments.json:
                print(_as_json(output))
            elif not output.no_answer:
                print(visible(output.text, lines=True))
        return _print_missing(output, with_reasoning=not arguments.json)


def chat(arguments: Namespace) -> int:
    """Talk, line by line, until the input ends."""
    interactive = sys.stdin.isatty()
    with open_session(arguments, ChatContext()) as m:
        if interactive:
            print(f"Talking with {m.backend.model_id} ({m.backend.provider}). /help shows the commands.")
        for line in _typed_lines() if interactive else iter(sys.stdin.readline, ""):
            text = line.strip()
            if text == "/quit":
                break
            if text.startswith("/") and len(text.split()) == 1:
                _obey(text, m)
            elif text:
                _answer(m, text, interactive=interactive)
            sys.stdout.flush()  # whoever reads a pipe gets each answer before the next line is asked for
    return 0


def open_session(arguments: Namespace, ctx: Context) -> MelleaSession:
    """Return a session with the backend and the options of the command line."""
    options = {
        getattr(ModelOption, key, key) if key.isupper() else key: value for key, value in arguments.option
    }
    named = {
        ModelOption.SYSTEM_PROMPT: arguments.system,
        ModelOption.MAX_NEW_TOKENS: arguments.max_tokens,
        ModelOption.TEMPERATURE: arguments.temperature,
        ModelOption.SEED: arguments.seed,
    }
    options.update({key: value for key, value in named.items() if value is not None})
    return start_session(arguments.backend, arguments.model, ctx, model_options=options)


def _print_pieces(output: ModelOutputThunk[Any]) -> None:
    """Print an answer while it is being written."""
    for piece in output:
        print(visible(piece, lines=True), end="", flush=True)
    if not output.no_answer:
        print()


def _print_missing(output: ModelOutputThunk[Any], *, with_reasoning: bool = True) -> int:
    """Say that there is no answer, after the reasoning that came instead, and return the exit status."""
    if not output.no_answer:
        return 0
    sys.stdout.flush()
    if with_reasoning and output.thinking:
        print(_dimmed(visible(output.thinking.strip(), lines=True)), file=sys.stderr)
    remedy = "Raise --max-tokens, or pass -o THINKING=false."
    print(f"mellea: {output.no_answer} {remedy}", file=sys.stderr)
    return 1


def _dimmed(text: str) -> str:
    """Return a text in a weaker colour where standard error is a terminal that has colours."""
    plain = not sys.stderr.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") in (None, "dumb")
    return text if plain else f"\x1b[2m{text}\x1b[0m"


def _as_json(output: ModelOutputThunk[Any]) -> str:
    about = output.generation
    told = json.dumps(
        {
            "text": output.value,
            "thinking": output.thinking,
            "backend": about.provider,
            "model": about.model,
            "finish_reason": about.finish_reasons[-1] if about.finish_reasons else None,
            "usage": dict(about.usage) if about.usage else None,
            "seconds": about.seconds,
        },
        indent=2,
        ensure_ascii=False,
    )
    return _STEERING.sub(lambda sign: f"\\u{ord(sign[0]):04x}", told)


def _typed_lines() -> Iterator[str]:
    """Iterate over what is typed at a terminal, until Ctrl-D. Ctrl-C empties the line."""
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401, PLC0415  gives `input` history and editing, where the platform has it
    while True:
        try:
            line = input("> ")
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            print()
            continue
        yield line


def _obey(command: str, m: MelleaSession) -> None:
    if command == "/reset":
        m.reset()
        print("The conversation is forgotten.")
    elif command == "/help":
        print(_HELP)
    else:
        print(f"There is no command {command}.\n{_HELP}")


def _answer(m: MelleaSession, text: str, *, interactive: bool) -> None:
    """Print the answer.

    An interrupted one is forgotten, with what it answers; the conversation stays as it was before.
    """
    output: ModelOutputThunk[Any] | None = None
    try:
        with looking_after_answers():
            output = m.stream_chat(text)
        _print_pieces(output)
        _print_missing(output)
    except KeyboardInterrupt:
        if output is not None:
            output.cancel()
        kept = output is not None and output.is_computed()
        print(flush=True)
        print("(stopped)" if kept else "(stopped; this question is forgotten)", file=sys.stderr)
    except MelleaError as error:
        if not interactive:
            raise
        print_error(error)
