"""Manifest of this distribution: what it provides, without importing it."""

from __future__ import annotations

from collections.abc import Callable

from mellea.plugins import BackendManifest, Capability, hookimpl


@hookimpl
def mellea_register_backends(register: Callable[[BackendManifest], None]) -> None:
    """Register the backend ``hf``."""
    register(
        BackendManifest(
            name="hf",
            summary="Local weights in this process: hub id, folder or GGUF file, on CUDA, MPS or CPU.",
            factory="mellea_hf.backend:LocalHFBackend",
            aliases=("huggingface",),
            capabilities=frozenset(
                {
                    Capability.STREAMING,
                    Capability.JSON_SCHEMA,
                    Capability.RAW,
                    Capability.SEED,
                    Capability.BATCH,
                    Capability.TOKEN_COUNT,
                }
            ),
            default_model_id="HuggingFaceTB/SmolLM2-135M-Instruct",
        )
    )
