"""The manifest of this plugin; it imports nothing of the backend."""

from collections.abc import Callable

from mellea.plugins import BackendManifest, Capability, hookimpl

MANIFEST = BackendManifest(
    name="hf",
    summary="Local weights in this process: hub id, folder or GGUF file, on CUDA, MPS or CPU.",
    factory="mellea_hf.backend:LocalHFBackend",
    aliases=("huggingface",),
    capabilities=(
        Capability.STREAMING,
        Capability.JSON_SCHEMA,
        Capability.TOOLS,
        Capability.REGEX,
        Capability.RAW,
        Capability.SEED,
        Capability.LOGPROBS,
        Capability.THINKING,
        Capability.BATCH,
        Capability.TOKEN_COUNT,
    ),
    default_model_id="HuggingFaceTB/SmolLM2-135M-Instruct",
)


@hookimpl
def mellea_register_backends(register: Callable[[BackendManifest], None]) -> None:
    """Register ``hf``."""
    register(MANIFEST)
