"""``mellea run``: one question to the sample backend, as a user types it."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys

import pytest

from mellea.cli import main

TOY = ("--backend", "toy")
PIPES = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE) | {"text": True, "bufsize": 0}


@pytest.fixture
def run(samples):
    """Run ``mellea run`` with the sample backend and return the finished process."""

    def process(*arguments: str, stdin: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        return samples.python(
            "-m", "mellea.cli", "run", *arguments, names=("toy-backend",), stdin=stdin, **settings
        )

    return process


def test_answer_is_printed(run):
    done = run("one two three", *TOY)

    assert (done.returncode, done.stdout, done.stderr) == (0, "one two three\n", "")


def test_streamed_answer_is_printed(run):
    done = run("one two three", *TOY, "--stream")

    assert (done.returncode, done.stdout, done.stderr) == (0, "one two three\n", "")


@pytest.mark.parametrize("how", [(), ("--stream",)])
def test_answer_that_would_steer_the_terminal_is_shown_as_text(run, how):
    done = run("one\x1b[31m \u202etwo\x9b2J", *TOY, *how)

    assert done.stdout == "one\\x1b[31m \\u202etwo\\x9b2J\n"


def test_answer_in_json_cannot_steer_the_terminal(run):
    done = run("one\x1b[31m \u202etwo\x9b2J", *TOY, "--json")

    assert not {"\x1b", "\x9b", "\u202e"} & set(done.stdout)
    assert json.loads(done.stdout)["text"].split() == ["one\x1b[31m", "\u202etwo\x9b2J"]


@pytest.mark.parametrize("how", [(), ("--stream",)])
def test_reasoning_without_an_answer_is_an_error_in_words(run, how):
    done = run("<think> It is \x1b[31m4.", *TOY, *how)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "It is \\x1b[31m4.\nmellea: The model reasoned and gave no answer (finish reason 'stop'). "
        "Raise --max-tokens, or pass -o THINKING=false.\n"
    )


def test_reasoning_without_an_answer_is_told_in_json_too(run):
    done = run("<think> four", *TOY, "--json")

    assert done.returncode == 1
    assert (json.loads(done.stdout)["text"], json.loads(done.stdout)["thinking"].strip()) == ("", "four")
    assert "gave no answer" in done.stderr


def test_reasoning_is_dimmed_on_a_terminal(samples):
    main_end, other_end = pty.openpty()
    command = [sys.executable, "-S", "-m", "mellea.cli", "run", "<think> four", *TOY]
    environment = samples.environment("toy-backend", TERM="xterm", NO_COLOR="")
    done = subprocess.run(
        command, check=False, env=environment, stdout=subprocess.PIPE, stderr=other_end, timeout=60
    )
    os.close(other_end)
    shown = os.read(main_end, 65536).decode()
    os.close(main_end)

    assert done.returncode == 1
    assert "\x1b[2mfour\x1b[0m" in shown


def test_prompt_is_read_from_standard_input(run):
    done = run("-", *TOY, stdin="one\ntwo\n")

    assert done.stdout == "one two\n"


def test_prompt_is_text_and_no_template(run):
    done = run("{{ name }} {% raw %} <|im_start|>", *TOY)

    assert done.stdout == "{{ name }} {% raw %} <|im_start|>\n"


def test_backend_and_model_come_from_the_environment(run):
    done = run("one", MELLEA_BACKEND="toy", MELLEA_MODEL="cockatoo")

    assert done.stderr == "mellea: The toy provider has no model 'cockatoo'. Its only model is parrot-1.\n"


def test_options_reach_the_model(run):
    done = run("one two three", *TOY, "--system", "zero", "--max-tokens", "3", "--option", "delay=0.001")

    assert done.stdout == "zero one two\n"


def test_common_option_may_be_given_in_capitals(run):
    done = run("one two three", *TOY, "--option", "MAX_NEW_TOKENS=1")

    assert done.stdout == "one\n"


def test_answer_as_json_says_where_it_comes_from(run):
    done = run("one two three", *TOY, "--json", "--max-tokens", "2")

    answer = json.loads(done.stdout)
    assert answer.pop("seconds") >= 0
    assert answer.pop("usage") | {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5} == {
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "total_tokens": 5,
        "cached_tokens": 0,
        "reasoning_tokens": 0,
    }
    assert answer == {
        "text": "one two",
        "thinking": None,
        "backend": "toy",
        "model": "parrot-1",
        "finish_reason": "length",
    }


def test_option_that_is_not_supported_is_one_line_on_standard_error(run):
    done = run("one", *TOY, "--seed", "1", "--temperature", "0")

    assert (done.returncode, done.stdout) == (0, "one\n")
    assert (
        done.stderr
        == "mellea: warning: Backend 'toy' cannot honour TEMPERATURE, SEED. The call goes on without.\n"
    )


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["one", "-b", "toi"], 1, "mellea: No installed plugin provides backend 'toi'. Did you mean 'toy'"),
        (
            ["one", "-b", "hf"],
            1,
            "mellea: Backend 'hf' is not installed. Install it with: pip install \"mellea-core[hf]\"",
        ),
        (
            ["one"],
            1,
            "mellea: Backend 'ollama' is not installed. Install it with: pip install \"mellea-core[ollama]\"",
        ),
        (["one", *TOY, "-m", "cockatoo"], 1, "mellea: The toy provider has no model 'cockatoo'."),
        (
            ["one", *TOY, "-o", "sing=1"],
            1,
            "mellea: Backend 'toy' (plugin 'toy' of toy-backend 1.0) failed: TypeError: ",
        ),
        (["  ", *TOY], 2, "mellea: The prompt is empty."),
        (["-", *TOY], 2, "mellea: The prompt is empty."),
        (["one", "-b", " "], 2, "mellea: ' ' is no name of a backend."),
    ],
)
def test_error_is_one_sentence_without_traceback(run, arguments, status, sentence):
    done = run(*arguments)

    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(sentence)
    assert len(done.stderr.splitlines()) == 1


def test_debugging_shows_the_traceback_and_its_cause(run):
    done = run("one", *TOY, "-m", "cockatoo", MELLEA_DEBUG="1")

    assert done.returncode == 1
    assert "NoSuchParrotError: cockatoo" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("mellea: The toy provider has no model")


def test_error_of_the_command_line_itself_is_not_hidden(install, capsys, monkeypatch):
    install("toy-backend")
    monkeypatch.setattr("sys.stdin", None)

    with pytest.raises(AttributeError):
        main(["run", "-", *TOY])


def test_interrupt_ends_the_answer_at_once(samples):
    arguments = ("one two", *TOY, "--stream", "--option", "delay=3600")
    with samples.started("-m", "mellea.cli", "run", *arguments, names=("toy-backend",), **PIPES) as process:
        first = process.stdout.read(3)
        process.send_signal(signal.SIGINT)
        rest, complaint = process.stdout.read(), process.stderr.read()

    assert (first, rest, complaint) == ("one", "", "")
    assert process.returncode == 130


def test_reader_that_leaves_ends_the_answer_quietly(samples):
    arguments = ("word " * 2000, *TOY, "--stream", "--option", "delay=0.01")
    with samples.started("-m", "mellea.cli", "run", *arguments, names=("toy-backend",), **PIPES) as process:
        process.stdout.read(4)
        process.stdout.close()
        complaint = process.stderr.read()

    assert (process.returncode, complaint) == (141, "")
