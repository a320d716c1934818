"""Reading the weights of an adapter, and whether they are for a model. Runs in the engine's thread."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mellea.core import Adapter, UsageError
from mellea_hf.lora import LoraWeights
from mellea_hf.model import LoadedModel

__all__ = ["shared_lora"]

_PREFIX, _DOWN, _UP = "base_model.model.", ".lora_A.weight", ".lora_B.weight"
_OTHERS: Mapping[str, Any] = {
    "use_dora": False,
    "use_qalora": False,
    "use_bdlora": None,
    "lora_bias": False,
    "bias": "none",
    "modules_to_save": None,
    "trainable_token_indices": None,
    "target_parameters": None,
    "arrow_config": None,
}
"""What a LoRA may have besides its two matrices, with the values that it has not."""


def shared_lora(adapter: Adapter, loaded: LoadedModel, model_id: str) -> LoraWeights:
    """Return the weights of an adapter: those that another backend holds, or else read from its folder.

    Args:
        adapter: The adapter.
        loaded: The model.
        model_id: What the model is called.

    Raises:
        UsageError: It is for another model, no LoRA, or cannot be read.
    """
    if adapter.folder is None:
        raise _refused(adapter, model_id, "it has no folder", "Name the folder of its weights.")
    if adapter.base_model and _last(adapter.base_model) != _last(model_id):
        raise _refused(
            adapter,
            model_id,
            f"it was trained for {adapter.base_model}",
            "If both are the same model, leave base_model out of its mellea-adapter.json.",
        )
    files = sorted(path for path in adapter.folder.iterdir() if path.is_file())
    stamps = tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    key = (stamps, adapter.name, adapter.invocation)
    held: LoraWeights | None = loaded.loras.get(key)
    if held is not None:
        return held
    try:
        weights = _read(adapter, str(adapter.folder), loaded, model_id)
    except UsageError:
        raise
    except Exception as error:
        why = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise _refused(adapter, model_id, f"peft cannot read it: {why}", "Save it anew.") from error
    loaded.loras[key] = weights
    return weights


def _read(adapter: Adapter, folder: str, loaded: LoadedModel, model_id: str) -> LoraWeights:
    from peft import PeftConfig  # noqa: PLC0415  heavy, and few programs have adapters
    from peft.utils import load_peft_weights  # noqa: PLC0415

    kind = str(json.loads((Path(folder) / "adapter_config.json").read_text("utf-8")).get("peft_type"))
    if kind != "LORA":
        raise _refused(adapter, model_id, f"it is {kind}, and the engine computes LORA", "Train a LoRA.")
    config = PeftConfig.from_pretrained(folder)
    more = sorted(
        name for name, nothing in _OTHERS.items() if getattr(config, name, nothing) not in (nothing, None)
    )
    if more:
        raise _refused(
            adapter,
            model_id,
            f"it has {', '.join(more)}, which the engine does not compute",
            "Train it without.",
        )
    tensors = load_peft_weights(folder, device=str(loaded.model.device))
    layers = dict(loaded.model.named_modules())
    pairs: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    for name, down in tensors.items():
        if name.endswith(_UP):
            continue
        layer = name.removeprefix(_PREFIX).removesuffix(_DOWN)
        up = tensors.get(name.replace(_DOWN, _UP))
        if not name.endswith(_DOWN) or up is None:
            raise _refused(
                adapter,
                model_id,
                f"it has {name}, which is no matrix of a LoRA",
                "Train it on linear layers.",
            )
        sizes = _sizes(layers.get(layer))
        if sizes != (down.shape[1], up.shape[0]):
            found = "does not have it" if sizes is None else f"has {sizes[0]} to {sizes[1]} there"
            wanted = f"its {layer} takes {down.shape[1]} numbers to {up.shape[0]}, and the model {found}"
            raise _refused(adapter, model_id, wanted, "Choose the model that it was trained for.")
        pairs[layer] = _scaled(down, up, _alpha(config, layer), config.use_rslora, _dtype(layers[layer]))
    if not pairs:
        raise _refused(adapter, model_id, "it has no weights", "Save it anew.")
    tokens = getattr(config, "alora_invocation_tokens", None)
    if not tokens and adapter.invocation:
        tokens = loaded.tokenizer(adapter.invocation, add_special_tokens=False).input_ids
    return LoraWeights(adapter.name, pairs, tuple(tokens or ()))


def _scaled(
    down: torch.Tensor, up: torch.Tensor, alpha: float, by_root: bool, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    rank = down.shape[0]
    scale = alpha / (math.sqrt(rank) if by_root else rank)
    return down.T.to(dtype).contiguous(), (up.T * scale).to(dtype).contiguous()


def _alpha(config: Any, layer: str) -> float:
    from peft.utils.other import get_pattern_key  # noqa: PLC0415

    own: dict[str, float] = config.alpha_pattern or {}
    return float(own.get(get_pattern_key(list(own), layer), config.lora_alpha))


def _sizes(layer: Any) -> tuple[int, int] | None:
    """Return how many numbers a linear layer takes and gives; None for another one, or none."""
    if hasattr(layer, "in_features"):
        return layer.in_features, layer.out_features
    if hasattr(layer, "nf"):  # transformers' Conv1D
        return layer.nx, layer.nf
    return None


def _dtype(layer: Any) -> torch.dtype:
    """Return the type in which a layer computes; single precision for one that is quantized."""
    weight = getattr(layer, "weight", None)
    if isinstance(weight, torch.Tensor) and weight.is_floating_point():
        return weight.dtype
    return torch.float32


def _last(model_id: str) -> str:
    """Return the name of a model without its organisation, folder or file type."""
    return model_id.rstrip("/").replace("\\", "/").rpartition("/")[2].removesuffix(".gguf").lower()


def _refused(adapter: Adapter, model_id: str, why: str, hint: str) -> UsageError:
    return UsageError(
        f"Adapter {adapter.name!r} is not for {model_id}: {why}.", hint=hint, backend="hf", model_id=model_id
    )
