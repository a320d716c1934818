"""The manifest of this plugin; it imports nothing of the backend."""

from collections.abc import Callable

from mellea.plugins import BackendManifest, Capability, hookimpl

MANIFEST = BackendManifest(
    name="llamacpp",
    summary="GGUF files in this process, by llama.cpp's server engine.",
    factory="mellea_llamacpp.backend:LlamaCppBackend",
    aliases=("llama-cpp",),
    capabilities=(
        Capability.STREAMING,
        Capability.JSON_SCHEMA,
        Capability.REGEX,
        Capability.RAW,
        Capability.BATCH,
        Capability.SEED,
        Capability.TOOLS,
        Capability.THINKING,
        Capability.LOGPROBS,
        Capability.EMBEDDINGS,
        Capability.TOKEN_COUNT,
    ),
    default_model_id="HuggingFaceTB/SmolLM2-135M-Instruct",
    install_hint="Install it with: pip install mellea-llamacpp",
)


@hookimpl
def mellea_register_backends(register: Callable[[BackendManifest], None]) -> None:
    """Register ``llamacpp``."""
    register(MANIFEST)
