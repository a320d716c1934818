"""Training a LoRA on answers. Runs in the engine's thread.

peft's layers stand in the model for the length of the training, and are taken out of it again.
"""

from __future__ import annotations

import inspect
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from attrs import frozen

from mellea.core import Adapter, GenerationCancelledError, UsageError
from mellea.core.training import TrainingExample, TrainingRun, TrainingSettings
from mellea_hf.model import LoadedModel
from mellea_hf.progress import progress_bar

__all__ = ["train_lora"]

_ADAPTER, _PREFIX = "default", "base_model."
_BLOCK = re.compile(r".*?\.(\d+)\.")
_UNLEARNED = -100
"""What torch takes for no label."""
_LONGEST_GRADIENT = 1.0


@frozen
class _Sequence:
    """An example in tokens."""

    prompt: Sequence[int]
    answer: Sequence[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


def train_lora(
    loaded: LoadedModel,
    adapter: Adapter,
    examples: Sequence[TrainingExample],
    settings: TrainingSettings,
    model_id: str,
    must_stop: Callable[[], bool],
) -> TrainingRun:
    """Write the weights of an adapter into its folder, as peft lays them out.

    Args:
        loaded: The model.
        adapter: The adapter.
        examples: What it learns.
        settings: How it is trained.
        model_id: What the model is called.
        must_stop: Asked between steps whether to give up.

    Raises:
        UsageError: The model has no layers that can be trained, or no example fits into its window.
        GenerationCancelledError: The training was given up.
    """
    started = time.perf_counter()
    sequences = _encoded(loaded, examples)
    if not sequences:
        raise UsageError(
            f"None of {len(examples)} examples fits into the context window of {model_id}.",
            hint="Leave out the longest, or choose a model with a larger window.",
            backend="hf",
            model_id=model_id,
        )
    batches = _planned(sequences, settings)
    losses, tokens = list[float](), 0
    with _trainable(loaded.model, settings, model_id, adapter) as tuner:
        weights = [weight for weight in tuner.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(weights, lr=settings.learning_rate, weight_decay=0.0)
        falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / len(batches))
        with progress_bar(len(batches), "Training", shape="{desc}: {bar} {n}/{total}", delay=1) as bar:
            for batch in batches:
                if must_stop():
                    raise GenerationCancelledError("The training was given up.", backend="hf")
                loss = _loss(loaded, batch)
                loss.backward()  # type: ignore[no-untyped-call]  # torch has it untyped
                torch.nn.utils.clip_grad_norm_(weights, _LONGEST_GRADIENT)
                optimizer.step()
                falling.step()
                optimizer.zero_grad()
                losses.append(float(loss.detach()))
                tokens += sum(map(len, batch))
                bar.update()
                if settings.seconds is not None and time.perf_counter() - started >= settings.seconds:
                    break
        assert adapter.folder is not None  # noqa: S101  whoever asked has looked
        _save(tuner, adapter.folder)
    return TrainingRun(
        len(sequences),
        len(examples) - len(sequences),
        len(losses),
        len(batches),
        tokens,
        losses[0],
        losses[-1],
        round(time.perf_counter() - started, 3),
    )


def _encoded(loaded: LoadedModel, examples: Sequence[TrainingExample]) -> list[_Sequence]:
    """Return the examples in tokens, but for those that do not fit into the model's window."""
    tokenizer, ends = loaded.tokenizer, loaded.end_tokens
    own = tokenizer.eos_token_id
    end = [own] if own in ends else sorted(ends)[:1]
    window = getattr(loaded.model.config.get_text_config(), "max_position_embeddings", None)
    made = [
        _Sequence(
            loaded.encoder.chat(example.messages),
            [*tokenizer(example.answer, add_special_tokens=False).input_ids, *end],
        )
        for example in examples
    ]
    return [one for one in made if window is None or len(one) <= window]


def _planned(sequences: Sequence[_Sequence], settings: TrainingSettings) -> list[list[_Sequence]]:
    """Return the examples of each step, each once in an epoch and in an order of its own."""
    drawing = random.Random(settings.seed)  # noqa: S311  the order has to be arbitrary, not secret
    batches: list[list[_Sequence]] = []
    for _ in range(settings.epochs):
        order = drawing.sample(sequences, len(sequences))
        batches += [order[at : at + settings.batch] for at in range(0, len(order), settings.batch)]
    return batches[: settings.steps]


@contextmanager
def _trainable(model: Any, settings: TrainingSettings, model_id: str, adapter: Adapter) -> Iterator[Any]:
    """Put layers that learn beside those of a model for the length of a block."""
    from peft import LoraConfig, LoraModel  # noqa: PLC0415  heavy

    names, blocks = _layers(model)
    if not names:
        raise UsageError(
            f"{model_id} has no linear layers that can be trained in the form in which it is loaded.",
            hint="Load it without quantization.",
            backend="hf",
            model_id=model_id,
        )
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=2 * settings.rank,
        target_modules=sorted(names),
        layers_to_transform=None if settings.layers is None else sorted(blocks)[-settings.layers :],
        task_type="CAUSAL_LM",
        base_model_name_or_path=adapter.base_model or model_id,
    )
    learning = {weight: weight.requires_grad for weight in model.parameters()}
    devices = [] if model.device.type != "cuda" else [model.device]
    with torch.random.fork_rng(devices):
        torch.manual_seed(settings.seed)
        tuner = LoraModel(model, config, _ADAPTER)
    try:
        yield tuner
    finally:
        tuner.unload()
        for weight, before in learning.items():
            weight.requires_grad_(before)


def _layers(model: Any) -> tuple[set[str], set[int]]:
    """Return the names of linear layers within a model's blocks, and the numbers of the blocks."""
    names, blocks = set(), set()
    for name, layer in model.named_modules():
        block = _BLOCK.match(name)
        if block is not None and type(layer) is torch.nn.Linear:
            names.add(name.rpartition(".")[2])
            blocks.add(int(block.group(1)))
    return names, blocks


def _loss(loaded: LoadedModel, batch: Sequence[_Sequence]) -> torch.Tensor:
    """Return the mean negative log-probability of the tokens of answers.

    Prompts are padded on the left, so that all answers end together, and the model need not score the words
    of its vocabulary anywhere else.
    """
    model = loaded.model
    longest, kept = max(map(len, batch)), max(len(one.answer) for one in batch)
    ids, mask, labels = [], [], []
    for one in batch:
        pad = longest - len(one)
        ids.append([loaded.pad_token] * pad + [*one.prompt, *one.answer])
        mask.append([0] * pad + [1] * len(one))
        labels.append([_UNLEARNED] * (kept - len(one.answer)) + [*one.answer])
    attended = torch.tensor(mask, device=model.device)
    options: dict[str, Any] = {"logits_to_keep": kept + 1} if _keeps_logits(model) else {}
    logits = model(
        input_ids=torch.tensor(ids, device=model.device),
        attention_mask=attended,
        position_ids=(attended.cumsum(-1) - 1).clamp(min=0),
        use_cache=False,
        **options,
    ).logits[:, -kept - 1 : -1]
    wanted = torch.tensor(labels, device=model.device)
    return torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 1), wanted.flatten(), ignore_index=_UNLEARNED
    )


def _keeps_logits(model: Any) -> bool:
    return "logits_to_keep" in inspect.signature(model.forward).parameters


def _save(tuner: Any, folder: Path) -> None:
    from peft.utils import get_peft_model_state_dict  # noqa: PLC0415  heavy
    from safetensors.torch import save_file  # noqa: PLC0415  heavy

    # Told nothing of the embeddings, peft asks the hub whether they have grown.
    held = get_peft_model_state_dict(tuner, adapter_name=_ADAPTER, save_embedding_layers=False)
    tensors = {f"{_PREFIX}{name}": tensor.detach().cpu().contiguous() for name, tensor in held.items()}
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    config = tuner.peft_config[_ADAPTER]
    config.inference_mode = True
    config.save_pretrained(str(folder))
