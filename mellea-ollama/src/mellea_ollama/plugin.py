"""The manifest of this plugin; it imports nothing of the backend."""

from collections.abc import Callable

from mellea.plugins import BackendManifest, Capability, hookimpl

MANIFEST = BackendManifest(
    name="ollama",
    summary="Models of an Ollama server, pulled when they are missing.",
    factory="mellea_ollama.backend:OllamaModelBackend",
    capabilities=(
        Capability.STREAMING,
        Capability.JSON_SCHEMA,
        Capability.REGEX,
        Capability.RAW,
        Capability.SEED,
        Capability.IMAGES,
        Capability.THINKING,
        Capability.TOOLS,
        Capability.LOGPROBS,
        Capability.EMBEDDINGS,
    ),
    default_model_id="granite4.1:3b",
    install_hint='Install it with: pip install "mellea-core[ollama]"',
)


@hookimpl
def mellea_register_backends(register: Callable[[BackendManifest], None]) -> None:
    """Register ``ollama``."""
    register(MANIFEST)
