"""Vectors by local weights: how hidden states are pooled, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mellea import start_backend
from mellea.core import (
    ClosedError,
    ContextWindowError,
    ModelNotFoundError,
    ProviderError,
    RequestRejectedError,
)
from mellea.core.event_loop import run_sync
from mellea_hf import LocalHFBackend, LocalHFEmbedder
from mellea_hf.weights import DEFAULT_MODEL_ID
from tests.hf import tiny
from tests.hf.conftest import on_engine

TEXTS = ["ab", "a much longer text", "xyz"]
Layout = Callable[..., Path]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Makes a folder in the layout of sentence-transformers, around a tiny encoder."""

    def made(pooling: Mapping[str, Any] | None, *more: str, longest: int | None = None) -> Path:
        folder = tmp_path / "encoder"
        on_engine(lambda: (_encoder().save_pretrained(folder), tiny.tokenizer().save_pretrained(folder)))
        if pooling is not None:
            (folder / "1_Pooling").mkdir()
            (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
            kinds = ["Transformer", "Pooling", *more]
            modules = [
                {"path": f"{place}_{kind}" if place else "", "type": f"sentence_transformers.models.{kind}"}
                for place, kind in enumerate(kinds)
            ]
            (folder / "modules.json").write_text(json.dumps(modules))
        if longest is not None:
            (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": longest}))
        return folder

    return made


def _encoder() -> Any:
    import torch
    from transformers import BertConfig, BertModel

    config = BertConfig(
        vocab_size=len(tiny.byte_vocabulary()),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
    )
    with torch.random.fork_rng():
        torch.manual_seed(7)
        return BertModel(config).eval()


def _hidden(folder: Path, text: str) -> Any:
    """Return the hidden states of one text alone, of shape (tokens, d)."""

    def computed() -> Any:
        import torch
        from transformers import BertModel

        with torch.inference_mode():
            model = BertModel.from_pretrained(folder).eval()
            return model(**tiny.tokenizer()(text, return_tensors="pt")).last_hidden_state[0].numpy()

    return on_engine(computed)


@pytest.mark.parametrize(
    ("pooling", "pooled"),
    [
        (None, lambda states: states.mean(axis=0)),
        ({"pooling_mode_mean_tokens": True}, lambda states: states.mean(axis=0)),
        ({"pooling_mode_cls_token": True}, lambda states: states[0]),
        ({"pooling_mode_lasttoken": True}, lambda states: states[-1]),
        ({"pooling_mode_max_tokens": True}, lambda states: states.max(axis=0)),
        ({"pooling_mode": "cls"}, lambda states: states[0]),
    ],
)
def test_a_text_has_the_vector_that_it_has_alone(layout: Layout, pooling: Any, pooled: Any) -> None:
    """Padding to the longest text of a request changes nothing."""
    folder = layout(pooling, "Normalize")
    _, embedder = start_backend("hf-embeddings", model_id=str(folder))
    with embedder:
        found = run_sync(embedder.embed(TEXTS)).vectors
        short = run_sync(embedder.embed(TEXTS, dimensions=8)).vectors
    for text, vector in zip(TEXTS, found, strict=True):
        alone = pooled(_hidden(folder, text))
        assert np.allclose(vector, alone / np.linalg.norm(alone), atol=1e-5)
    assert short.shape == (3, 8)
    assert np.allclose(short, found[:, :8] / np.linalg.norm(found[:, :8], axis=1, keepdims=True), atol=1e-5)


@pytest.mark.parametrize(
    ("pooling", "more", "told"),
    [
        ({"pooling_mode_mean_tokens": True}, ["Dense"], "Dense"),
        ({"pooling_mode_weightedmean_tokens": True}, [], "pooling_mode_weightedmean_tokens"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, [], "mean, cls"),
    ],
)
def test_parts_that_are_not_run_are_refused(layout: Layout, pooling: Any, more: Any, told: str) -> None:
    with pytest.raises(ProviderError, match=rf"more than a model and one pooling: {told}\."):
        LocalHFEmbedder(str(layout(pooling, *more)))


def test_a_text_that_is_too_long_is_refused_before_anything_is_computed(layout: Layout) -> None:
    with LocalHFEmbedder(str(layout(None, longest=20))) as embedder:
        with pytest.raises(ContextWindowError, match="too long"):
            run_sync(embedder.embed(["short", "a text of more than twenty bytes"]))
        assert len(run_sync(embedder.embed(["short"]))) == 1
    with pytest.raises(ClosedError, match="is closed"):
        run_sync(embedder.embed(["short"]))


def test_memory_that_does_not_suffice_is_said_and_the_next_text_embeds(layout: Layout) -> None:
    with LocalHFEmbedder(str(layout(None))) as embedder:
        model = embedder._holder.now().model  # noqa: SLF001  it fails as torch does
        handle = model.register_forward_pre_hook(_out_of_memory)
        with pytest.raises(RequestRejectedError, match="not enough memory"):
            run_sync(embedder.embed(["short"]))
        handle.remove()
        assert len(run_sync(embedder.embed(["short"]))) == 1


def _out_of_memory(*_: object) -> None:
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes.")


def test_any_language_model_embeds(backend: LocalHFBackend) -> None:
    with LocalHFEmbedder(DEFAULT_MODEL_ID) as embedder:
        pets, kitten, rates = run_sync(
            embedder.embed(["The cat sat on the mat.", "A kitten lay on the rug.", "Interest rates rose."])
        ).vectors
    assert pets @ kitten > pets @ rates


def test_a_model_that_is_not_there_is_named() -> None:
    with pytest.raises(ModelNotFoundError, match="no-such-folder"):
        LocalHFEmbedder("./no-such-folder")
