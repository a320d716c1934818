"""The server's models: SmolLM2 under several names, and what each of them can."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from tests.servers.ollama.names import full_name
from tests.servers.ollama.templates import source

__all__ = [
    "MODELS",
    "PULLABLE",
    "SIZE",
    "WINDOW",
    "Loaded",
    "digest",
    "listed",
    "now",
    "running",
    "shown",
    "window_of",
]

MODELS: Mapping[str, tuple[str, ...]] = {
    "smollm2:latest": ("completion",),
    "smolctx:latest": ("completion",),
    "smolthink:latest": ("completion", "thinking"),
    "smoltools:latest": ("completion", "tools"),
    "smolembed:latest": ("embedding",),
    "smollm2-vision:latest": ("completion", "vision"),
    "smollm2.1:135m": ("completion",),
}
"""What is installed at first, and what it can do.

``smollm2-vision`` takes images, and sees nothing in them.
"""
PULLABLE: Mapping[str, tuple[str, ...]] = {"smollm2-extra:latest": ("completion",)}
"""What ``/api/pull`` finds."""
WINDOW = 4096
"""Tokens that a model reads, unless its own settings or a request say otherwise."""
SIZE = 98_362_745
_WINDOWS = {"smolctx:latest": 512, "smolembed:latest": 512}
_DETAILS = {
    "parent_model": "",
    "format": "gguf",
    "family": "llama",
    "families": ["llama"],
    "parameter_size": "134.52M",
    "quantization_level": "Q4_1",
}
_LENGTHS = {"context_length": 8192, "embedding_length": 576}
_INFO = {
    "general.architecture": "llama",
    "general.parameter_count": 134515008,
    "llama.context_length": 8192,
    "llama.embedding_length": 576,
}


@frozen
class Loaded:
    """A model in memory: until when, and the window it was loaded with."""

    until: datetime
    window: int


def now() -> str:
    """Return the time as the protocol writes it."""
    return _written(datetime.now(UTC))


def digest(name: str) -> str:
    """Return the digest of a model."""
    return hashlib.sha256(name.encode()).hexdigest()


def window_of(name: str, options: Mapping[str, Any]) -> int:
    """Return the tokens that a model may read: the request's own number, the model's, or the server's."""
    return min(int(options.get("num_ctx", _WINDOWS.get(full_name(name), WINDOW))), WINDOW)


def listed(name: str, capabilities: Sequence[str]) -> dict[str, Any]:
    """Return a model as ``/api/tags`` lists it."""
    lists = {"details": {**_DETAILS, **_LENGTHS}, "capabilities": list(capabilities), "modified_at": now()}
    return {**_entry(name), **lists}


def running(name: str, loaded: Loaded) -> dict[str, Any]:
    """Return a model as ``/api/ps`` lists it."""
    memory = {"size_vram": 0, "expires_at": _written(loaded.until), "context_length": loaded.window}
    return {**_entry(name), "details": _DETAILS, **memory}


def shown(name: str, capabilities: Sequence[str]) -> dict[str, Any]:
    """Return a model as ``/api/show`` describes it."""
    template, stops = source(capabilities), 'stop "<|im_start|>"\nstop "<|im_end|>"'
    return {
        "modelfile": f'FROM {full_name(name)}\nTEMPLATE """{template}"""\n',
        "parameters": stops,
        "template": template,
        "details": _DETAILS,
        "model_info": _INFO,
        "capabilities": list(capabilities),
        "modified_at": now(),
    }


def _entry(name: str) -> dict[str, Any]:
    return {"name": name, "model": name, "size": SIZE, "digest": digest(name)}


def _written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
