"""The backend that embeds texts by local weights."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from mellea.core import (
    Backend,
    ContextWindowError,
    EmbeddingRequest,
    EmbeddingResponse,
    MelleaError,
    ModelIdentifier,
    ProviderError,
    Usage,
)
from mellea.core.model_names import model_name
from mellea_hf._engine import engine
from mellea_hf.holding import Holder, out_of_memory
from mellea_hf.interrupt import Interrupt
from mellea_hf.plugin import DEFAULT_EMBEDDER, EMBEDDINGS_MANIFEST
from mellea_hf.weights import load

__all__ = ["LocalHFEmbedder"]

_MODULES = frozenset({"Transformer", "Pooling", "Normalize"})
"""What a folder of sentence-transformers may be made of; the core brings all vectors to length 1."""
_POOLINGS = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_lasttoken": "lasttoken",
    "pooling_mode_max_tokens": "max",
}


class LocalHFEmbedder(Backend):
    """Gives texts vectors by a model in this process: an encoder, or any language model.

    Hidden states of the last layer are pooled as the model's folder says, in the layout of
    sentence-transformers, and else to their mean. It works in the one thread in which all local models do.

    Args:
        model_id: Hub id or local folder.
        device: A torch device; by default CUDA, else MPS, else the CPU.

    Raises:
        ModelNotFoundError: There is no such model, or no way to the hub.
        ProviderError: The model cannot be loaded, or has parts that only sentence-transformers runs.
        UsageError: The model id is empty, or there is no such device.
    """

    provider = "hf-embeddings"
    capabilities = EMBEDDINGS_MANIFEST.capabilities
    concurrent = False

    def __init__(
        self,
        model_id: str | ModelIdentifier = DEFAULT_EMBEDDER,
        *,
        device: str | None = None,
    ) -> None:
        super().__init__(model_name(model_id, "hf_model_name", backend=self.provider))
        name = self.model_id
        self._holder = Holder(
            self.provider, name, lambda interrupt: _Encoder.loaded(name, device, interrupt), lambda _: True
        )

    async def embed_texts(self, request: EmbeddingRequest) -> EmbeddingResponse:
        """Give texts a vector each, in one padded batch."""
        encoder = await self._holder.get()
        return await asyncio.wrap_future(
            engine.submit(lambda: encoder.encoded(request.prompts, request.dimensions))
        )

    async def aclose(self) -> None:
        """Free the model. Calling it again does nothing."""
        await self._holder.aclose()

    def translate_error(self, error: Exception) -> MelleaError | None:
        """Return our error for torch's running out of memory."""
        return out_of_memory(error, self.provider, self.model_id)


@frozen
class _Encoder:
    """A model with how its hidden states become one vector.

    Args:
        model_id: The model, for errors.
        tokenizer: The transformers tokenizer.
        model: The transformers model, without a head.
        pooling: ``mean``, ``cls``, ``lasttoken`` or ``max``.
        window: The most tokens of a text.
    """

    model_id: str
    tokenizer: Any
    model: Any
    pooling: str
    window: int

    @classmethod
    def loaded(cls, model_id: str, device: str | None, interrupt: Interrupt) -> _Encoder:
        tokenizer, model, _ = load(model_id, device, interrupt=interrupt, head="AutoModel")
        folder = Path(model.name_or_path)
        pooling = _pooling_of(folder, model_id)
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        tokenizer.padding_side = "right"
        window = min(
            tokenizer.model_max_length,
            getattr(model.config, "max_position_embeddings", None) or tokenizer.model_max_length,
            _settings(folder / "sentence_bert_config.json").get("max_seq_length")
            or tokenizer.model_max_length,
        )
        return cls(model_id, tokenizer, model, pooling, window)

    def encoded(self, texts: Sequence[str], dimensions: int | None) -> EmbeddingResponse:
        """Return a vector for each text; in the engine's thread."""
        import torch  # noqa: PLC0415  heavy

        batch = self.tokenizer(list(texts), padding=True, return_tensors="pt")
        lengths = batch["attention_mask"].sum(dim=1)
        if (longest := int(lengths.max())) > self.window:
            raise ContextWindowError(
                f"A text is of {longest} tokens, and {self.model_id} reads {self.window}; nothing was "
                "computed.",
                backend="hf-embeddings",
                model_id=self.model_id,
            )
        with torch.inference_mode():
            hidden = self.model(**batch.to(self.model.device)).last_hidden_state.float().cpu()
        vectors = self._pooled(hidden, batch["attention_mask"].cpu(), lengths)
        return EmbeddingResponse(vectors[:, :dimensions].numpy(), Usage(int(lengths.sum()), 0))

    def _pooled(self, hidden: Any, mask: Any, lengths: Any) -> Any:
        """Return one vector for each row of hidden states of shape (texts, tokens, d)."""
        if self.pooling == "cls":
            return hidden[:, 0]
        if self.pooling == "lasttoken":
            return hidden[range(len(hidden)), lengths - 1]
        if self.pooling == "max":
            return hidden.masked_fill(mask[..., None] == 0, float("-inf")).amax(dim=1)
        return (hidden * mask[..., None]).sum(dim=1) / lengths[:, None]


def _pooling_of(folder: Path, model_id: str) -> str:
    """Return how hidden states are pooled, as a folder of sentence-transformers says it; else their mean."""
    modules = _settings(folder / "modules.json") or ()
    kinds = [str(module.get("type", "")).rpartition(".")[2] for module in modules]
    where = next(
        (module["path"] for module, kind in zip(modules, kinds, strict=True) if kind == "Pooling"), None
    )
    said = _settings(folder / where / "config.json") if where else {}
    poolings = [_POOLINGS.get(name, name) for name in said if name.startswith("pooling_mode_") and said[name]]
    if isinstance(named := said.get("pooling_mode"), str):
        poolings = [named]
    unknown = sorted({*kinds, *poolings} - _MODULES - {*_POOLINGS.values()})
    if unknown or len(poolings) > 1:
        raise ProviderError(
            f"{model_id} is made of more than a model and one pooling: {', '.join(unknown or poolings)}.",
            hint="Choose another model, or embed with the library sentence-transformers.",
            backend="hf-embeddings",
            model_id=model_id,
        )
    return poolings[0] if poolings else "mean"


def _settings(file: Path) -> Any:
    """Return what a JSON file says; nothing where there is none."""
    read: Mapping[str, Any] = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    return read
