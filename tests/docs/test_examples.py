"""Every program in docs/examples runs to its end on the embedded model, and prints what it is about."""

from __future__ import annotations

import runpy
import subprocess
import sys

import pytest

from tests.docs.pages import EXAMPLES

LOCAL_SERVER = "http://127.0.0.1:8080/v1"
ON_A_SERVER = {
    "agent_on_a_server": [
        "find_office({'name': 'Kenji'})",
        "-> Kenji works in Osaka.",
        "city='",
        "spans are",
    ],
}
ON_A_CLUSTER = [
    "40 rows are done, 0 failed.",
    "It took 3 processes",
    "with the same journal: 40 rows.\n0 requests were paid for again.",
]
PRINTED = {
    "agent": [
        "1. count_stock({'item': 'lamp'})",
        "   -> There are 12 lamps in stock.",
        "   accepted: True\nAnswer: 12",
        "in 1 turn, and the budget of 10 tokens is spent.",
        "The session is as it was: True",
    ],
    "async_validator": ["France: the answer names Paris (attempt 1)", "Japan: the answer "],
    "best_of_n": ["* ", "Chosen, because: of 4 answers, it meets "],
    "budget": ["2 attempts, ", "the budget of 2 attempts is spent", "the budget of 100 tokens is spent"],
    "calibrated_verdicts": [
        "after   right in ",
        "and errs in at most 20% of those.",
        "Refused: The judge is no better than a constant answer: of 48 known cases, 26 met",
    ],
    "cascade": ["The capital of France is Paris.", "from backend 1 of 2", "Tokyo", "from backend 2 of 2"],
    "checked_stream": ["[success: ", "attempt  lane  round"],
    "compare_programs": [
        "checked on scripted/script is better than once on scripted/script: ",
        "Each point costs ",
    ],
    "decompose_task": [
        "1. points (needs letter): List the points of the letter.",
        "2. answer (needs points): Write a kind answer to the points.",
        "   checked by word_count(at_most=30)",
        "We have twelve lamps. Kind regards.",
    ],
    "document_query": ["Who joins the design team? ", "On which day does Olivia join? "],
    "evaluate_tasks": ["as it is", "repaired on hf", "  Use at most 20 words.", " of 2 succeed with "],
    "first_program": [
        "Person(name='Olivia', age=34, city='Lisbon')",
        "Person(name='Kenji', age=51, city='Osaka')",
        "← chosen",
    ],
    "growing_object": [
        "[] Person(name=None, age=None, city=None)",
        "name='Olivia', age=34, city=None",
        "city='Lisbon'",
    ],
    "history": [
        "2. answered, 1 requests: Name an animal of the sea.",
        "requests: Write one sentence that welcomes Kenji",
        "Kenji is in call 1.",
        " tokens under the key ",
    ],
    "how_sure": ["The capital of France is: '", "% sure"],
    "improve_program": [
        "city_of, improved is better than city_of: 100% to 0% of 9 tasks",
        "+ Name the city of the address, in capitals.",
        "Loaded: OSLO",
    ],
    "judged_requirement": ["✓ Use at most 40 words", "The answer is about the sea: ", "met: ", " tokens, "],
    "majority": ["Votes: {", "Elected: ", "of 5 answers agree on it"],
    "many_rows": [
        "200 rows, from a sample of 20",
        "I love lamp 1. -> positive",
        "133 of 200 are positive.",
        "All of it took 200 requests, 24,000 tokens read",
        " of these rows were done before.",
    ],
    "mcp_tools": [
        "The server has: count_stock",
        "count_stock({'item': 'lamp'}) -> 12",
        "Answer: ",
        "A note: The lamps are on sale.",
    ],
    "mified_object": [
        "Lisbon",
        "name: Olivia Reyes\ncity: Lisbon\n\n",
        "True 57200 57200",
        "['raise_salary']",
    ],
    "optional_result": ["Please send 12 lamps. -> ", "Do you sell lamps? -> None"],
    "own_fix": ["[success: True, attempts: 1, fixed by: Write whole sentences.]"],
    "own_loop": [
        "Paris. [1 attempt]",
        "True - it lacks nothing",
        "0 spans at the start, 2 after the instruction",
    ],
    "record_and_replay": [
        "Recorded 3 answers in animals.json",
        "with 0 calls left over",
        "The same answers: True",
    ],
    "rejection_or_repair": ["RejectionSamplingStrategy", "RepairTemplateStrategy", "MultiTurnStrategy", "/2"],
    "scripted_faults": [
        "quantity=3 after 5 calls",
        "quantity=3 after 6 calls",
        "RateLimitError, to be tried again after 3 s",
    ],
    "serve_a_program": ["Answer: ", "Tokens: ", "It is one word. True"],
    "strict_mode": [
        "success: False, the best meets ",
        "RequirementsNotMetError: The best of 2",
        "the session is as it was: True",
    ],
    "table_transform": ["| item | lamp | chair |", "| pieces | 3 | 5 |"],
    "tools": [
        "count_stock({'item': 'lamp'}) -> 12",
        "Answer: ",
        "nothing may be ordered today; there are still 5 chairs",
    ],
    "typed_function": ["France: Paris", "Spain: ", "Drawn: "],
    "typed_postcondition": ["Olivia    34 Lisbon", "Kenji     51 Osaka", "do not meet the preconditions"],
    "validated_instruction": ["Olivia", "<SamplingResult success: attempt "],
    "async_streaming": ["moon", " words]"],
    "chat_window": ["Paris", "3 spans are remembered", "system    You are a helpful guide to France."],
    "custom_context": [
        "Paris",
        "Shown: ['What is the capital of France?', 'What is the capital of Italy?']",
        "Kept:  4 spans",
    ],
    "custom_session": ["Paris", "2 questions to one guide, 2 to the other."],
    "demo": [
        "Ready after",
        "1. An answer, streamed",
        "Person(name='Olivia', age=34, city='Lisbon')",
        "✓ Mention bridge, boats.",
        "✓ Do not use: water.",
        "✓ Use small letters only.",
        "Paris",
        "Done in",
    ],
    "errors_and_remedies": [
        "Did you mean 'huggingface'?",
        "TemplateError:",
        "ContextWindowError:",
        "The session is as it was: True",
        "LimitTooSmallError:",
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
def test_example_runs(name, no_settings, embedded_model, capsys):
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")

    printed = capsys.readouterr().out
    assert [text for text in PRINTED[name] if text not in printed] == [], printed


@pytest.mark.parametrize("name", sorted(ON_A_SERVER))
def test_example_runs_on_a_server(name, no_settings, llama_server, tmp_path, capsys):
    source = (EXAMPLES / f"{name}.py").read_text().replace(LOCAL_SERVER, llama_server.base_url)
    program = tmp_path / f"{name}.py"
    program.write_text(source)

    runpy.run_path(str(program), run_name="__main__")

    printed = capsys.readouterr().out
    assert [text for text in ON_A_SERVER[name] if text not in printed] == [], printed


def test_example_runs_on_a_cluster(no_settings):
    """In a process of its own: Ray puts a function of its own in the place of print."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / "on_a_cluster.py"],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )

    assert [text for text in ON_A_CLUSTER if text not in done.stdout] == [], done.stdout


def test_every_example_is_run():
    run = [*PRINTED, *ON_A_SERVER, "on_a_cluster"]
    assert sorted(path.stem for path in EXAMPLES.glob("*.py")) == sorted(run)
