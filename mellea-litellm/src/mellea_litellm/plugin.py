"""The manifest of this plugin; it imports nothing of the backend."""

from collections.abc import Callable

from mellea.plugins import BackendManifest, Capability, hookimpl

MANIFEST = BackendManifest(
    name="litellm",
    summary="Every provider that LiteLLM knows, by provider/model.",
    factory="mellea_litellm.backend:LiteLLMBackend",
    capabilities=(
        Capability.STREAMING,
        Capability.JSON_SCHEMA,
        Capability.RAW,
        Capability.SEED,
        Capability.IMAGES,
        Capability.AUDIO,
        Capability.THINKING,
        Capability.TOOLS,
        Capability.LOGPROBS,
        Capability.EMBEDDINGS,
    ),
    default_model_id="ollama_chat/granite4.1:3b",
)


@hookimpl
def mellea_register_backends(register: Callable[[BackendManifest], None]) -> None:
    """Register ``litellm``."""
    register(MANIFEST)
