"""The manifest of this plugin; it imports nothing of the backend."""

from collections.abc import Callable

from mellea.plugins import BackendManifest, Capability, hookimpl

MANIFEST = BackendManifest(
    name="openai",
    summary="OpenAI and every OpenAI-compatible server.",
    factory="mellea_openai.backend:OpenAIBackend",
    capabilities=(
        Capability.STREAMING,
        Capability.JSON_SCHEMA,
        Capability.RAW,
        Capability.SEED,
        Capability.N_SAMPLES,
        Capability.IMAGES,
        Capability.AUDIO,
        Capability.THINKING,
        Capability.TOOLS,
        Capability.LOGPROBS,
        Capability.EMBEDDINGS,
        Capability.ADAPTERS,
    ),
    default_model_id="gpt-5.1",
)


@hookimpl
def mellea_register_backends(register: Callable[[BackendManifest], None]) -> None:
    """Register ``openai``."""
    register(MANIFEST)
