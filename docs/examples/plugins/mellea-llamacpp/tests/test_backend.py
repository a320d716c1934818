"""What only this backend does; what every backend does is in test_conformance."""

import asyncio
import subprocess
import sys
import urllib.request
from urllib.error import HTTPError
from urllib.parse import urlsplit

import pytest
from mellea import ChatContext, ModelOption, start_session
from mellea.core import (
    ClosedError,
    ContextWindowError,
    Message,
    ModelNotFoundError,
    ProviderError,
    RequestRejectedError,
    UsageError,
)

from mellea_llamacpp.backend import LlamaCppBackend
from mellea_llamacpp.engine import lacking, model_file
from tests.conftest import SMALL

SHORT = {ModelOption.MAX_NEW_TOKENS: 8, ModelOption.TEMPERATURE: 0}
LEAVING = """
import os, signal, sys
from mellea import start_session

m = start_session("llamacpp", threads=1, window=512, slots=2)
stream = m.stream_chat("Count to one hundred.")
print(next(iter(stream)), flush=True)
if os.fork() == 0:
    try:
        m.chat("Hi.")
    except ValueError as error:
        print(error, flush=True)
    sys.exit(0)
os.wait()
sys.exit(3)
"""


@pytest.fixture
def m(model):
    with start_session("llamacpp", ctx=ChatContext(), **SMALL) as session:
        yield session


def test_sessions_share_the_model(m, model):
    assert m.backend is not model
    held, shared = ([] for _ in range(2))
    asyncio.run(model._calls.result(held.append))
    asyncio.run(m.backend._calls.result(shared.append))
    assert held == shared


def test_what_a_conversation_begins_with_is_computed_once(m):
    m.chat("Name a colour.", model_options=SHORT)
    again = m.act("Name another.", model_options=SHORT)

    usage = again.generation.usage
    assert usage.cached_tokens > usage.prompt_tokens / 2


def test_grammar_of_the_callers_own_holds_the_answer(m):
    grammar = 'root ::= "grey " ("cat" | "dog")'

    said = m.chat("Write a poem.", model_options={**SHORT, "grammar": grammar})

    assert said.content in {"grey cat", "grey dog"}
    with pytest.raises(RequestRejectedError, match="grammar"):
        m.chat("Write a poem.", model_options={**SHORT, "grammar": "root = cat"})


def test_texts_of_similar_meaning_have_similar_vectors(model):
    found = asyncio.run(
        model.embed(["The cat sleeps.", "A cat is asleep.", "Stocks fell."])
    )
    near, far = (found.vectors[0] @ found.vectors[place] for place in (1, 2))

    assert near > far


def test_prompt_that_is_too_long_is_refused_with_its_length(m):
    with pytest.raises(ContextWindowError) as caught:
        m.chat("no " * 600)

    assert caught.value.window == 512
    assert caught.value.prompt_tokens > 600


def test_it_listens_on_this_machine_alone_and_wants_its_key(model):
    address = asyncio.run(
        model._calls.result(lambda engine: engine.server.listening_address)
    )

    assert urlsplit(address).hostname == "127.0.0.1"
    for path in ("/props", "/v1/models", "/slots"):
        with pytest.raises(HTTPError, match="401"):
            urllib.request.urlopen(f"{address}{path}")


def test_tokens_are_counted_where_the_prompt_is_empty(model):
    assert asyncio.run(model.count_tokens([Message("user", "")])) > 0


def test_closing_ends_a_stream(model):
    backend = LlamaCppBackend(**SMALL)
    m = start_session(backend)
    pieces = iter(m.stream_chat("Count to one hundred."))
    next(pieces)

    backend.close()

    with pytest.raises(ClosedError, match="it is closed"):
        list(pieces)
    with pytest.raises(ClosedError, match="Make a new one"):
        m.chat("Hi.")


def test_process_ends_within_a_stream_and_its_child_too():
    done = subprocess.run(
        [sys.executable, "-c", LEAVING], capture_output=True, text=True, timeout=120
    )

    assert done.returncode == 3, done.stderr
    assert "made before the process forked" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("content", "error", "said"),
    [
        (None, ModelNotFoundError, "There is no file"),
        (b"", ProviderError, "it is no GGUF file"),
        (b"PK weights", ProviderError, "it is no GGUF file"),
        (b"GGUF\3\0\0\0damaged", ProviderError, "the file is damaged"),
    ],
)
def test_file_that_is_no_model_is_refused(tmp_path, content, error, said):
    file = tmp_path / "model.gguf"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(error, match=said):
        LlamaCppBackend(str(file))


def test_file_that_was_cut_is_refused(tmp_path):
    file = tmp_path / "model.gguf"
    with model_file(LlamaCppBackend.__init__.__defaults__[0]).open("rb") as whole:
        file.write_bytes(whole.read(5_000_000))

    with pytest.raises(ProviderError, match=r"llama.cpp cannot load .*damaged"):
        LlamaCppBackend(str(file))


@pytest.mark.parametrize("wrong", [{"slots": 0}, {"window": -1}])
def test_setting_out_of_range_is_refused(wrong):
    with pytest.raises(UsageError, match="must be 1 or more"):
        LlamaCppBackend(**wrong)


def test_processor_that_lacks_an_instruction_is_told():
    build = "CPU : SSE3 = 1 | AVX = 1 | AVX2 = 1 | FMA = 1 | OPENMP = 1 | "

    assert lacking(build, "flags : sse avx") == ["avx2", "fma"]
    assert lacking(build, "flags : sse avx avx2 fma") == []
    assert lacking(build, "") == []
