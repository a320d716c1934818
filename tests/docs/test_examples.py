"""Every program in docs/examples runs to its end on the embedded model, and prints what it is about."""

from __future__ import annotations

import runpy

import pytest

from tests.docs.pages import EXAMPLES

PRINTED = {
    "async_streaming": ["moon", " words]"],
    "chat_window": ["Paris", "7 spans are remembered", "system    You are a helpful guide to France."],
    "custom_context": ["Paris", "Shown: ['What is the capital of France?', 'What is the capital of Italy?']", "Kept:  4 spans"],
    "custom_session": ["Paris", "2 questions to one guide, 2 to the other."],
    "demo": ["Ready after", "1. An answer, streamed", "Person(name='Olivia', age=34, city='Lisbon')", "Paris", "Done in"],
    "errors_and_remedies": [
        "Did you mean 'huggingface'?",
        "TemplateError:",
        "ContextWindowError:",
        "The session is as it was: True",
        "OutputParseError:",
        "Warned: Backend 'hf' cannot honour THINKING.",
        "ClosedError:",
    ],
    "explicit_state": ["Paris", " tokens]", "The first context holds 0 spans, the second one 2."],
    "hello": ["Paris"],
    "lazy_grounding": ["Olivia", "[False, False]", "[True, True]", "?"],
    "many_calls": ["France: The capital of France is Paris.", "Completed: ['Paris', "],
    "streaming": ["chlorophyll", " tokens, stop]", "[stopped: True, context unchanged: True]"],
    "toy_backend": ["Adding a provider takes one class.\nThis answer is\n"],
    "typed_extraction": ["Olivia    34 Lisbon"],
}


@pytest.mark.parametrize("name", sorted(PRINTED))
def test_example_runs(name, no_settings, capsys):
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")

    printed = capsys.readouterr().out
    assert [text for text in PRINTED[name] if text not in printed] == [], printed


def test_every_example_is_run():
    assert sorted(path.stem for path in EXAMPLES.glob("*.py")) == sorted(PRINTED)
