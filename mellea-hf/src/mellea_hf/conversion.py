"""GGUF files, converted once into the user's cache as safetensors.

A GGUF file takes transformers many seconds to read at each load; its conversion loads in about one.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock
from tqdm import tqdm

from mellea.core import ProviderError

__all__ = ["cache_folder", "converted", "quiet_bars"]


def cache_folder() -> Path:
    """Return where conversions are kept: ``MELLEA_CACHE``, or ``mellea`` in the user's cache folder."""
    if own := os.environ.get("MELLEA_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "mellea"


def converted(gguf: Path, identity: str) -> Path:
    """Return the folder with the safetensors of a GGUF file, made at the first call on this machine.

    Processes that ask at the same time wait for the one that converts. The folder appears in one step,
    complete.

    Args:
        gguf: The file.
        identity: What tells these weights from others; another text makes another conversion.

    Raises:
        ProviderError: The file cannot be read as a model, or the cache cannot be written.
    """
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    name = f"{re.sub(r'[^A-Za-z0-9._-]', '-', gguf.stem)}-{digest}"
    cache = cache_folder()
    target = cache / name
    if target.is_dir():
        return target
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{name}.lock"):
            if not target.is_dir():
                _convert_into(gguf, target)
    except OSError as error:
        raise ProviderError(
            f"{gguf} could not be converted into {cache}: {error}.",
            hint="Make room there, or set MELLEA_CACHE to another folder.",
            backend="hf",
            model_id=str(gguf),
        ) from error
    return target


def _convert_into(gguf: Path, target: Path) -> None:
    """Convert beside the target and rename.

    The caller holds the lock, so that any unfinished folder is a dead process's.
    """
    for abandoned in target.parent.glob(f"{target.name}.*.part"):
        shutil.rmtree(abandoned, ignore_errors=True)
    part = Path(tempfile.mkdtemp(prefix=f"{target.name}.", suffix=".part", dir=target.parent))
    try:
        _convert(gguf, part)
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _convert(gguf: Path, folder: Path) -> None:
    import torch  # noqa: PLC0415  heavy
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415  heavy

    source: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True}
    # With disable=None, tqdm shows its bar only on a terminal.
    steps = tqdm(
        total=3, desc=f"Preparing {gguf.stem}, once", bar_format="{desc}: {bar} {n}/{total}", disable=None
    )
    with steps as bar, quiet_bars():
        try:
            tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **source)
            bar.update()
            model = AutoModelForCausalLM.from_pretrained(gguf.parent, dtype=torch.float32, **source)
            bar.update()
        except Exception as error:
            raise ProviderError(
                f"{gguf} cannot be read as a GGUF model: {type(error).__name__}: {error}.",
                hint="Check the file, and that transformers supports its architecture.",
                backend="hf",
                model_id=str(gguf),
            ) from error
        _forget_quantization(model)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        bar.update()


def _forget_quantization(model: Any) -> None:
    """Make a model saveable: it still calls itself quantized although its tensors are not."""
    model.hf_quantizer, model.is_quantized = None, False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config


@contextmanager
def quiet_bars() -> Iterator[None]:
    """Keep transformers' own progress bars off; they show on files and pipes too."""
    from transformers import modeling_gguf_pytorch_utils as gguf_reader  # noqa: PLC0415  heavy
    from transformers.utils import logging  # noqa: PLC0415  heavy

    shown, bar = logging.is_progress_bar_enabled(), gguf_reader.tqdm
    logging.disable_progress_bar()
    gguf_reader.tqdm = lambda items, **_: items
    try:
        yield
    finally:
        gguf_reader.tqdm = bar
        if shown:
            logging.enable_progress_bar()
