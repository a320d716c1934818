"""Vectors of texts: what the core does around a backend that embeds."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from mellea import MelleaSession
from mellea.core import (
    Backend,
    Capability,
    CapabilityError,
    ContextWindowError,
    EmbeddingRequest,
    EmbeddingResponse,
    MalformedResponseError,
    Usage,
    UsageError,
)
from mellea.stdlib.components import Document, DocumentIndex
from mellea.stdlib.sampling import MBRSamplingStrategy
from mellea.testing import RecordingBackend, ScriptedBackend

SUBJECTS = ("cat", "rate", "train")


class Counting(Backend):
    """Embeds a text as how often it names each of three subjects."""

    provider = "counting"
    capabilities = frozenset({Capability.EMBEDDINGS})
    texts_per_embedding = 2

    def __init__(self, answer: Any = None) -> None:
        super().__init__("m")
        self.requests: list[EmbeddingRequest] = []
        self.answer = answer

    async def embed_texts(self, request: EmbeddingRequest) -> EmbeddingResponse:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return EmbeddingResponse(self.answer)
        vectors = [[text.count(subject) + 0.01 for subject in SUBJECTS] for text in request.prompts]
        return EmbeddingResponse(vectors, Usage(len(request.prompts), 0))


async def test_vectors_of_another_length_than_asked_for_are_refused() -> None:
    backend = Counting()
    assert (await backend.embed(["cat"], dimensions=3)).vectors.shape == (1, 3)

    with pytest.raises(CapabilityError, match="vectors of length 3; 2 was asked for"):
        await backend.embed(["cat"], dimensions=2)


async def test_many_texts_go_in_requests_of_a_bounded_size_and_come_back_in_order() -> None:
    backend = Counting()
    found = await backend.embed(["cat cat", "rate", "train", "cat", "cat train"])

    assert [len(request.prompts) for request in backend.requests] == [2, 2, 1]
    assert found.vectors.shape == (5, 3)
    assert found.vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1)
    assert np.asarray(found).argmax(axis=1)[:4].tolist() == [0, 1, 2, 0]
    assert (found.model_id, found.usage, len(found)) == ("m", Usage(5, 0), 5)
    with pytest.raises(ValueError, match="read-only"):
        found.vectors[0, 0] = 1


async def test_no_texts_make_no_request() -> None:
    backend = Counting()
    assert (await backend.embed([])).vectors.shape == (0, 0)
    assert backend.requests == []


@pytest.mark.parametrize(
    ("texts", "dimensions", "told"),
    [
        ("one", None, "texts is one text"),
        (["cat", ""], None, "Text 2 is empty"),
        (["cat", " \n"], None, "Text 2 is empty"),
        ([b"cat"], None, "Text 1 is bytes"),
        (["cat \ud83d"], None, "Text 1 holds half a character"),
        (["cat"], 0, "dimensions is 0"),
        (["cat"], True, "dimensions is True"),
    ],
)
async def test_what_is_no_text_is_refused_before_anything_is_sent(
    texts: Any, dimensions: Any, told: str
) -> None:
    backend = Counting()
    with pytest.raises(UsageError, match=told):
        await backend.embed(texts, dimensions=dimensions)
    assert backend.requests == []


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ([[1.0, 0.0]], "gave 1 vectors for 2 texts"),
        ([[1.0, 0.0], [1.0]], "of several lengths"),
        ([[1.0, 0.0], ["a", "b"]], "of what is no number"),
        ([[1.0, 0.0], [0.0, 0.0]], "points nowhere"),
        ([[1.0, 0.0], [math.nan, 0.0]], "points nowhere"),
        ([1.0, 2.0], "points nowhere"),
    ],
)
async def test_what_is_no_vector_is_an_error_of_ours(answer: Sequence[Any], told: str) -> None:
    with pytest.raises(MalformedResponseError, match=told):
        await Counting(answer).embed(["cat", "rate"])


async def test_the_remedy_for_a_text_that_is_too_long_is_to_cut_it() -> None:
    with pytest.raises(
        ContextWindowError, match=r"A text is too long for m; none was embedded\. Cut it into parts"
    ):
        await Counting(ContextWindowError("It is too long.", backend="counting")).embed(["cat"])


async def test_a_backend_that_does_not_embed_says_so(tmp_path: Any) -> None:
    for backend in (ScriptedBackend(), RecordingBackend(Counting(), tmp_path / "kept.json")):
        with pytest.raises(CapabilityError, match="embeddings"):
            await backend.embed(["cat"])


async def test_without_numpy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(UsageError, match=r"mellea-core\[embeddings\]"):
        await Counting().embed(["cat"])


def test_an_index_finds_the_documents_closest_to_a_question() -> None:
    backend = Counting()
    pets = Document("The cat sat.", title="Pets")
    index = DocumentIndex.build([pets, "A train, a train.", "The rate rose."], backend, document_prefix="p: ")

    hits = index.search("Which cat sat on the train?", k=2)

    assert hits[0].document is pets
    assert [hit.document.text for hit in hits] == ["The cat sat.", "A train, a train."]
    assert 0.6 < hits[1].score < hits[0].score < 1
    assert len(index.search("cat", k=10)) == 3
    assert [text for request in backend.requests[:2] for text in request.prompts] == [
        "p: The cat sat.",
        "p: A train, a train.",
        "p: The rate rose.",
    ]
    with pytest.raises(UsageError, match="k is 0"):
        index.search("cat", k=0)
    assert DocumentIndex.build([], backend).search("cat") == []


def test_embeddings_elect_the_text_that_is_closest_in_meaning() -> None:
    strategy = MBRSamplingStrategy(embed=Counting().embed, number_of_samples=3)
    session = MelleaSession(ScriptedBackend(["a cat", "the rate", "cat cat"]))

    assert "cat" in str(session.instruct("Name a subject.", strategy=strategy))
