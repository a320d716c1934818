"""The real SmolLM2, loaded once for all tests here, and a tiny model for what needs no sense."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

import pytest

from mellea.core import (
    ChatRequest,
    Chunk,
    Completion,
    CompletionRequest,
    Context,
    Message,
    OutputSchema,
    Span,
)
from mellea_hf import LocalHFBackend
from mellea_hf._engine import engine
from tests.hf import tiny
from tests.warm import Warm, warm


class Conversation(Context):
    """Shows everything."""

    def add(self, span: Span) -> Context:
        return Conversation.from_previous(self, span)

    def view_for_generation(self) -> list[Span]:
        return self.as_list()


class Client:
    """Sends request values to a backend."""

    def __init__(self, backend: LocalHFBackend) -> None:
        self.backend = backend

    def request(self, text: str, schema: Any = None, stream: bool = True, **options: Any) -> ChatRequest:
        wanted = OutputSchema.of(schema) if schema is not None else None
        return ChatRequest(self.backend.model_id, (Message("user", text),), options, wanted, stream)

    async def chunks(self, text: str, schema: Any = None, stream: bool = True, **options: Any) -> list[Chunk]:
        async with aclosing(
            self.backend.stream_chat(self.request(text, schema, stream, **options))
        ) as stream_of_chunks:
            return [chunk async for chunk in stream_of_chunks]

    async def text(self, text: str, **options: Any) -> str:
        return "".join(chunk.text for chunk in await self.chunks(text, **options))

    async def complete(self, *prompts: str, schema: Any = None, **options: Any) -> list[Completion]:
        wanted = OutputSchema.of(schema) if schema is not None else None
        return list(
            await self.backend.complete(CompletionRequest(self.backend.model_id, prompts, options, wanted))
        )


def on_engine(work: Any) -> Any:
    """Do something with torch where torch works: a second thread that computes would slow all tests down."""
    return engine.submit(work).result()


@pytest.fixture(scope="session")
def loaded() -> tuple[Any, Any, Any]:
    """Tokenizer, model and device of the real model."""
    from mellea_hf.weights import DEFAULT_MODEL_ID, load

    return on_engine(lambda: load(DEFAULT_MODEL_ID))


@pytest.fixture(scope="session")
def backend() -> Iterator[LocalHFBackend]:
    """The real model, which every backend of the same name shares for as long as this one is open."""
    with LocalHFBackend() as backend:
        yield backend


@pytest.fixture(scope="session")
def warm_torch() -> Iterator[Warm]:
    """A process with torch and transformers, from which programs start."""
    imports = """
os.environ["GOMP_SPINCOUNT"] = "1000"  # as the engine does
import gguf, torch, transformers.modeling_gguf_pytorch_utils
from transformers import AttentionInterface, AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM
from transformers import PreTrainedTokenizerFast
"""
    with warm(imports) as parent:
        yield parent


@pytest.fixture
def client(backend: LocalHFBackend) -> Client:
    return Client(backend)


@pytest.fixture
def tiny_parts() -> tuple[Any, Any, Any]:
    """Tokenizer, model and device of a tiny model."""
    return on_engine(lambda: (tiny.tokenizer(), tiny.model(), "cpu"))


@pytest.fixture
def tiny_backend(tiny_parts: Any) -> Iterator[LocalHFBackend]:
    with LocalHFBackend("tiny", custom_config=tiny_parts) as backend:
        yield backend


@pytest.fixture
def tiny_client(tiny_backend: LocalHFBackend) -> Client:
    return Client(tiny_backend)


@pytest.fixture
def tiny_folder(tmp_path: Any) -> Any:
    """A folder as save_pretrained leaves it."""
    folder = tmp_path / "tiny"
    on_engine(lambda: (tiny.model().save_pretrained(folder), tiny.tokenizer().save_pretrained(folder)))
    return folder
