"""``mellea chat``: piped, and at a terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

COMMAND = ("-m", "mellea.cli", "chat", "--backend", "toy")
PIPES = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE) | {"text": True, "bufsize": 0}


@pytest.fixture
def chat(samples):
    """Pipe lines into ``mellea chat`` with the sample backend and return the finished process."""

    def process(stdin: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return samples.python(
            "-m", "mellea.cli", "chat", "--backend", "toy", *arguments, names=("toy-backend",), stdin=stdin
        )

    return process


class Terminal:
    """The user's end of a terminal that a process runs at."""

    def __init__(self, process: subprocess.Popen[bytes], end: int) -> None:
        self.process = process
        self._end = end
        self._seen = b""

    def type(self, text: str) -> None:
        os.write(self._end, text.encode())

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def interrupt_until_printed(self) -> None:
        """Interrupt until something is printed: readline overlooks a signal between prompt and wait."""
        while not select.select([self._end], [], [], 0.5)[0]:
            self.interrupt()

    def read_until(self, text: str) -> str:
        """Return what was printed up to and with a text."""
        while text.encode() not in self._seen:
            self._seen += os.read(self._end, 1024)
        shown, mark, self._seen = self._seen.partition(text.encode())
        return (shown + mark).decode()


@contextmanager
def at_a_terminal(samples, *arguments: str) -> Iterator[Terminal]:
    """Start ``mellea chat`` at a terminal of its own."""
    user, program = pty.openpty()
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), program)
    try:
        with samples.started(*COMMAND, *arguments, names=("toy-backend",), **streams) as process:
            os.close(program)
            yield Terminal(process, user)
    finally:
        os.close(user)


def test_piped_lines_are_answered_one_by_one_in_one_conversation(chat):
    done = chat("one\n\ntwo\nthree\n")

    assert (done.returncode, done.stdout, done.stderr) == (0, "one\none two\none two three\n", "")


def test_reset_forgets_the_conversation(chat):
    done = chat("one\n/reset\ntwo\n")

    assert done.stdout == "one\nThe conversation is forgotten.\ntwo\n"


def test_quit_ends_it(chat):
    done = chat("one\n/quit\ntwo\n")

    assert (done.returncode, done.stdout) == (0, "one\n")


def test_help_lists_the_commands(chat):
    done = chat("/help\n")

    assert "/reset" in done.stdout
    assert "/quit" in done.stdout


def test_unknown_command_is_not_sent_to_the_model(chat):
    done = chat("/dance\none\n")

    assert done.stdout.startswith("There is no command /dance.")
    assert done.stdout.endswith("\none\n")


def test_text_that_begins_with_a_slash_is_sent(chat):
    done = chat("/etc/hosts is a file\n")

    assert done.stdout == "/etc/hosts is a file\n"


def test_options_are_those_of_run(chat):
    done = chat("one two\n", "--system", "zero", "--max-tokens", "2")

    assert done.stdout == "zero one\n"


def test_last_line_needs_no_line_end(chat):
    assert chat("one").stdout == "one\n"


def test_error_ends_a_piped_chat(chat):
    done = chat("one\ntwo\n", "--model", "cockatoo")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "mellea: The toy provider has no model 'cockatoo'. Its only model is parrot-1.\n"


def test_interrupt_stops_the_answer_and_keeps_the_conversation(samples):
    with samples.started(*COMMAND, "--option", "delay=0.1", names=("toy-backend",), **PIPES) as process:
        process.stdin.write("one\n")
        first = process.stdout.readline()
        process.stdin.write("two " * 1000 + "\n")
        begun = process.stdout.read(7)
        process.send_signal(signal.SIGINT)
        stopped = process.stderr.readline()
        process.stdout.readline()
        process.stdin.write("three\n")
        last = process.stdout.readline()
        process.stdin.close()

    assert (first, begun, last) == ("one\n", "one two", "one three\n")
    assert stopped == "(stopped; this question is forgotten)\n"
    assert process.returncode == 0


def test_interrupt_between_piped_lines_ends_the_chat(samples):
    with samples.started(*COMMAND, names=("toy-backend",), **PIPES) as process:
        process.stdin.write("/reset\n")
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        complaint = process.stderr.read()

    assert (process.returncode, complaint) == (130, "")


def test_terminal_shows_a_prompt_and_ends_with_the_input(samples):
    with at_a_terminal(samples) as terminal:
        greeting = terminal.read_until("> ")
        terminal.type("one two\n")
        answer = terminal.read_until("> ")
        terminal.type("\x04")

    assert "Talking with parrot-1 (toy). /help shows the commands." in greeting
    assert "one two\r\none two\r\n" in answer
    assert terminal.process.returncode == 0


def test_interrupt_at_a_terminal_stops_the_answer_and_keeps_the_conversation(samples):
    with at_a_terminal(samples, "--option", "delay=3600") as terminal:
        terminal.read_until("> ")
        terminal.type("one two\n")
        terminal.read_until("one two\r\none")
        terminal.interrupt()
        terminal.read_until("(stopped; this question is forgotten)")
        terminal.read_until("> ")
        terminal.type("three four\n")
        answer = terminal.read_until("three four\r\nthree")
        terminal.interrupt()
        terminal.read_until("> ")
        terminal.type("/quit\n")

    assert "one" not in answer
    assert terminal.process.returncode == 0


def test_interrupt_at_the_prompt_only_empties_the_line(samples):
    with at_a_terminal(samples) as terminal:
        terminal.read_until("> ")
        terminal.type("zero ")
        terminal.read_until("zero ")
        terminal.interrupt_until_printed()
        terminal.read_until("> ")
        terminal.type("one\n")
        terminal.read_until("one\r\none\r\n")
        terminal.type("/quit\n")

    assert terminal.process.returncode == 0


def test_error_at_a_terminal_does_not_end_the_chat(samples):
    with at_a_terminal(samples, "--model", "cockatoo") as terminal:
        terminal.read_until("> ")
        terminal.type("one\n")
        answer = terminal.read_until("> ")
        terminal.type("/quit\n")

    assert "mellea: The toy provider has no model 'cockatoo'." in answer
    assert terminal.process.returncode == 0
