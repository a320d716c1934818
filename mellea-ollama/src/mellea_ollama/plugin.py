"""What the plugin manager reads before anything of the backend is imported."""

from collections.abc import Callable

from mellea.plugins import BackendManifest, Capability, hookimpl

__all__ = ["mellea_register_backends"]


@hookimpl
def mellea_register_backends(register: Callable[[BackendManifest], None]) -> None:
    """Register the backend for Ollama."""
    register(
        BackendManifest(
            name="ollama",
            summary="Models of an Ollama server, pulled when they are missing.",
            factory="mellea_ollama.backend:OllamaModelBackend",
            capabilities=frozenset(
                {
                    Capability.STREAMING,
                    Capability.JSON_SCHEMA,
                    Capability.RAW,
                    Capability.SEED,
                    Capability.IMAGES,
                    Capability.THINKING,
                }
            ),
            default_model_id="granite4.1:3b",
            install_hint='Install it with: pip install "mellea-core[ollama]"',
        )
    )
