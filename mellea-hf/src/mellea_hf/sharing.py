"""The models in memory, which the backends of a process share."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from weakref import WeakValueDictionary

from mellea_hf.interrupt import Interrupt
from mellea_hf.model import LoadedModel
from mellea_hf.precision import DEFAULT_PRECISION, Precision
from mellea_hf.weights import load, locate

__all__ = ["shared_model"]

_Asked = tuple[str, str | None, str | None, Precision]

_held: WeakValueDictionary[_Asked, LoadedModel] = WeakValueDictionary()
"""What backends hold; only the engine's thread looks in here."""

# A model does not survive a fork.
os.register_at_fork(after_in_child=_held.clear)


def shared_model(
    model_id: str,
    device: str | None,
    tokenizer_id: str | None,
    interrupt: Interrupt,
    precision: Precision = DEFAULT_PRECISION,
) -> LoadedModel:
    """Return the model that another backend holds, if its files are still the same; else load it.

    Args:
        model_id: Hub id, folder, or GGUF file.
        device: A torch device; by default the best there is.
        tokenizer_id: Where the tokenizer is, when it is elsewhere.
        interrupt: Ends the work early.
        precision: In what its weights are held.

    Raises:
        ModelNotFoundError: There is no such model, or no way to the hub.
        ProviderError: What is there cannot be loaded.
        UsageError: There is no such device, or it has no such precision.
    """
    asked = (model_id, device, tokenizer_id, precision)
    held = _held.get(asked)
    if held is not None:
        names = dict.fromkeys((model_id, tokenizer_id or model_id))
        if held.files == _files_in(locate(name, interrupt) for name in names):
            return held
    tokenizer, model, _ = load(model_id, device, tokenizer_id, interrupt, precision=precision)
    loaded = LoadedModel.of(tokenizer, model, model_id)
    folders = dict.fromkeys((model.name_or_path, tokenizer.name_or_path))
    loaded.files = _files_in(map(Path, folders))
    _held[asked] = loaded
    return loaded


def _files_in(folders: Iterable[Path]) -> frozenset[tuple[str, int, int]]:
    """Return the files of folders, with what changes when they do."""
    files = (path for folder in folders for path in folder.iterdir() if path.is_file())
    return frozenset((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files)
