"""GGUF files, converted once into the user's cache as safetensors.

A GGUF file takes transformers many seconds to read at each load; its conversion loads in about one. A
conversion appears in one step, complete, with a list of its files; one that no longer agrees with its list,
or that cannot be loaded, is made anew.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from tqdm import tqdm

from mellea.core import MelleaError, ProviderError
from mellea_hf.gguf_header import read_header
from mellea_hf.interrupt import Interrupt
from mellea_hf.progress import progress_is_off, quiet_bars

__all__ = [
    "cache_folder",
    "check_room",
    "convert",
    "discard",
    "first_line",
    "is_conversion",
    "unwritable",
]

_LIST = "conversion.json"
_PATIENCE = 1800.0
"""The longest wait for another process's conversion, in seconds."""
_NOT_ALLOWED = {errno.EACCES, errno.EPERM, errno.EROFS}


def cache_folder() -> Path:
    """Return where conversions are kept: ``MELLEA_CACHE``, or ``mellea`` in the user's cache folder."""
    if own := os.environ.get("MELLEA_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "mellea"


def is_conversion(folder: Path) -> bool:
    """Tell whether a folder is one that ``convert`` made, and could make again."""
    return folder.parent == cache_folder()


def convert(
    gguf: Path, identity: str, interrupt: Interrupt | None = None, *, patience: float = _PATIENCE
) -> Path:
    """Return the folder with the safetensors of a GGUF file, made at the first call on this machine.

    Processes that ask at the same time wait for the one that converts. The folder appears in one step,
    complete.

    Args:
        gguf: The file.
        identity: What tells these weights from others; another text makes another conversion.
        interrupt: Ends the work early.
        patience: The longest wait for another process's conversion, in seconds.

    Raises:
        ProviderError: The file cannot be read as a model, or the cache cannot be written.
    """
    interrupt = interrupt or Interrupt()
    digest = hashlib.sha256(identity.encode()).hexdigest()[:16]
    name = f"{re.sub(r'[^A-Za-z0-9._-]', '-', gguf.stem)}-{digest}"
    target = cache_folder() / name
    if _is_whole(target):
        return target
    needed = _bytes_needed(gguf)
    try:
        with _locked(target, interrupt, patience):
            if not _is_whole(target):
                check_room(target.parent, needed)
                _convert_into(gguf, target, interrupt)
    except OSError as error:
        raise unwritable(target.parent, f"{gguf} could not be converted", error) from error
    return target


def discard(folder: Path, inode: int) -> None:
    """Remove a conversion that cannot be loaded, so that it is made again.

    Args:
        folder: The conversion.
        inode: Which one it was; another process may have made it again meanwhile.

    Raises:
        ProviderError: It cannot be removed; the hint names the folder.
    """
    try:
        with _locked(folder, Interrupt(), _PATIENCE):
            if folder.is_dir() and folder.stat().st_ino == inode:
                _remove(folder)
    except OSError as error:
        raise ProviderError(
            f"The converted model in {folder} is damaged, and cannot be removed: {error.strerror or error}.",
            hint=f"Delete {folder}, or set MELLEA_CACHE to another folder.",
            backend="hf",
        ) from error


def check_room(folder: Path, needed: int) -> None:
    """Check that a folder's disk holds so many bytes more.

    Raises:
        OSError: It does not.
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        needs = f"{needed / 1e6:,.0f} MB are needed, and {free / 1e6:,.0f} MB are free"
        raise OSError(errno.ENOSPC, needs)


def first_line(error: BaseException) -> str:
    """Return what an error says, without what follows its first line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


def unwritable(folder: Path, what: str, error: Exception, variable: str = "MELLEA_CACHE") -> ProviderError:
    """Return the error for files that could not be written into a folder.

    Args:
        folder: The folder.
        what: What could not be done.
        error: What the system says.
        variable: The environment variable that names another folder.
    """
    remedy = "Make it writable" if getattr(error, "errno", None) in _NOT_ALLOWED else "Make room there"
    return ProviderError(
        f"{what} into {folder}: {getattr(error, 'strerror', None) or first_line(error)}.",
        hint=f"{remedy}, or set {variable} to another folder.",
        backend="hf",
    )


@contextmanager
def _locked(target: Path, interrupt: Interrupt, patience: float) -> Iterator[None]:
    """Hold the lock of a conversion, across processes.

    Raises:
        ProviderError: Another process held it all the time.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(target.with_name(f"{target.name}.lock"))
    end = time.monotonic() + patience
    while True:
        interrupt.check()
        try:
            lock.acquire(timeout=min(0.5, patience))
            break
        except Timeout:
            if time.monotonic() >= end:
                raise ProviderError(
                    f"Another process has been at work on {target} for {patience:g} seconds.",
                    hint="End it and try again, or set MELLEA_CACHE to another folder.",
                    backend="hf",
                ) from None
    try:
        yield
    finally:
        lock.release()


def _bytes_needed(gguf: Path) -> int:
    """Return the size of a conversion, once the header of the file is found sound."""
    try:
        return 4 * read_header(gguf).parameters + (16 << 20)
    except (ValueError, OSError) as error:
        raise _unreadable(gguf, error) from error


def _unreadable(gguf: Path, error: BaseException) -> ProviderError:
    kind = "" if type(error) in {ValueError, OSError} else f"{type(error).__name__}: "
    return ProviderError(
        f"{gguf} cannot be read as a GGUF model: {kind}{first_line(error)}.",
        hint="Check the file, or fetch it again; transformers must support its architecture.",
        backend="hf",
        model_id=str(gguf),
    )


def _is_whole(folder: Path) -> bool:
    """Tell whether a conversion is there, with the files of its list in their sizes."""
    if not folder.is_dir():
        return False
    try:
        sizes = json.loads((folder / _LIST).read_text(encoding="utf-8"))
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except FileNotFoundError as error:  # conversions of earlier releases have no list
        return str(error.filename) == str(folder / _LIST) and any(folder.glob("*.safetensors"))
    except (OSError, ValueError, AttributeError):
        return False


def _convert_into(gguf: Path, target: Path, interrupt: Interrupt) -> None:
    """Convert beside the target and rename.

    The caller holds the lock, so that any unfinished folder is a dead process's.
    """
    for abandoned in target.parent.glob(f"{target.name}.*.part"):
        shutil.rmtree(abandoned, ignore_errors=True)
    part = Path(tempfile.mkdtemp(prefix=f"{target.name}.", suffix=".part", dir=target.parent))
    try:
        _convert(gguf, part, interrupt)
        sizes = {file.name: file.stat().st_size for file in part.iterdir()}
        (part / _LIST).write_text(json.dumps(sizes, indent=1), encoding="utf-8")
        if target.exists():
            _remove(target)
        part.rename(target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _remove(folder: Path) -> None:
    """Remove a folder in one step: whoever asks for it sees it whole or not at all."""
    away = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        folder.rename(away / folder.name)
    finally:
        shutil.rmtree(away, ignore_errors=True)


def _convert(gguf: Path, folder: Path, interrupt: Interrupt) -> None:
    import torch  # noqa: PLC0415  heavy
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415  heavy

    source: dict[str, Any] = {"gguf_file": gguf.name, "local_files_only": True}
    steps = tqdm(
        total=3,
        desc=f"Preparing {gguf.stem}, once",
        bar_format="{desc}: {bar} {n}/{total}",
        disable=progress_is_off(),
    )
    with steps as bar, quiet_bars(interrupt):
        try:
            tokenizer = AutoTokenizer.from_pretrained(gguf.parent, **source)
            bar.update()
            interrupt.check()
            model = AutoModelForCausalLM.from_pretrained(gguf.parent, dtype=torch.float32, **source)
            bar.update()
        except (MelleaError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            # A panic of the Rust libraries, where a file drives them to one, is no Exception.
            raise _unreadable(gguf, error) from error
        interrupt.check()
        _forget_quantization(model)
        try:
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
        except Exception as error:  # the Rust libraries have error classes of their own for a full disk
            raise unwritable(folder.parent, f"{gguf} could not be converted", error) from error
        bar.update()


def _forget_quantization(model: Any) -> None:
    """Make a model saveable: it still calls itself quantized although its tensors are not."""
    model.hf_quantizer, model.is_quantized = None, False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
