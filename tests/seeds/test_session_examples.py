"""Every snippet of the page of session examples, run as it stands there, against real models and servers.

The page is Markdown; it is kept as ``session-examples.txt`` so that no formatter rewrites the snippets.

Only these names are changed, because the models are not here: the local model of the Hugging Face snippet,
and the provider of the LiteLLM one. Everything else of the page is as it was written; addresses come from the
environment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mellea import ChatContext, MelleaSession, ModelOption, SimpleContext
from tests.docs.pages import blocks

PAGE = Path(__file__).parent / "session-examples.txt"
SNIPPETS = [block.text for block in blocks(PAGE, "python")]
BASIC, CUSTOM, MANAGED, BACKENDS = SNIPPETS
RENAMED = {
    'HFBackend(model_id="ibm-granite/granite-3.2-8b-instruct")': (
        'HFBackend(model_id="HuggingFaceTB/SmolLM2-135M-Instruct")'
    ),
    'LiteLLMBackend(model_id="claude-3-opus")': 'LiteLLMBackend(model_id="openai/smollm2")',
}
SHORT = {ModelOption.MAX_NEW_TOKENS: 8}

Run = Callable[..., dict[str, Any]]


def parts(snippet: str) -> list[str]:
    """Return the parts of a snippet: each begins with a comment at the margin."""
    found: list[str] = []
    for line in snippet.splitlines(keepends=True):
        if line.startswith("# ") or not found:
            found.append("")
        found[-1] += line
    return [part for part in found if part.strip()]


@pytest.fixture
def run(real_parts: Any) -> Iterator[Run]:
    """Run code in one namespace, with the names above changed, and close in the end what it opened."""
    namespace: dict[str, Any] = {"__name__": "__main__"}

    def execute(*codes: str) -> dict[str, Any]:
        for code in codes:
            changed = code
            for old, new in RENAMED.items():
                changed = changed.replace(old, new)
            exec(compile(changed, str(PAGE), "exec"), namespace)
        return namespace

    yield execute
    if "m" in namespace:
        namespace["m"].close()
        namespace[
            "m"
        ].backend.close()  # the page hands sessions backends of its own making, which a session leaves open


def test_page_has_the_snippets_that_are_run_here():
    assert len(SNIPPETS) == 4
    assert len(parts(BASIC)) == 5
    assert len(parts(BACKENDS)) == 5
    assert [old for old in RENAMED if old not in PAGE.read_text()] == []


def test_default_session_is_ollama_with_a_simple_context(run):
    m = run(*parts(BASIC)[:2])["m"]

    assert m.backend.provider == "ollama"
    assert type(m.ctx) is SimpleContext
    assert m.chat("Say hello.", model_options=SHORT).content


def test_session_with_specific_model(run, real_parts):
    m = run(*parts(BASIC)[:1], parts(BASIC)[2])["m"]

    m.chat("Say hello.", model_options=SHORT)

    assert real_parts.sent("/api/chat")[-1]["model"] == "granite3.2:8b"


def test_session_with_chat_context(run):
    m = run(*parts(BASIC)[:1], parts(BASIC)[3])["m"]

    m.chat("Say hello.", model_options=SHORT)
    m.chat("And again.", model_options=SHORT)

    assert type(m.ctx) is ChatContext
    assert [message["role"] for message in m.last_prompt()] == ["user", "assistant", "user"]


def test_session_with_model_options(run, real_parts):
    m = run(*parts(BASIC)[:1], parts(BASIC)[4])["m"]

    m.chat("Say hello.")

    assert real_parts.sent("/api/chat")[-1]["options"] == {"num_predict": 200, "temperature": 0.7}


def test_basic_creation_runs_as_a_whole(run):
    assert run(BASIC)["m"].model_options


def test_custom_session_answers(run, real_parts):
    names = run(CUSTOM)

    assert type(names["m"]) is names["MyCustomSession"]
    assert str(names["result"])
    assert real_parts.sent("/api/chat")[-1]["model"] == "my-model"


def test_session_is_closed_after_its_block(run):
    names = run(BASIC, MANAGED)

    assert str(names["result"])
    assert names["m"].closed


@pytest.mark.parametrize(
    ("index", "provider"),
    [(0, "ollama"), (1, "openai"), (2, "hf"), (3, "litellm")],
    ids=["ollama", "openai", "hf", "litellm"],
)
def test_session_with_custom_backend(run, index, provider):
    m = run(BASIC, CUSTOM.partition("# Use custom session")[0], parts(BACKENDS)[index], parts(BACKENDS)[4])[
        "m"
    ]

    answer = m.chat("Say hello.", model_options=SHORT)

    assert type(m) is MelleaSession
    assert m.backend.provider == provider
    assert answer.content


def test_backend_options_run_as_a_whole(run):
    assert (
        run(BASIC, CUSTOM.partition("# Use custom session")[0], BACKENDS)["m"].backend.provider == "litellm"
    )
