"""The manifest: what this distribution provides, without importing it."""

from collections.abc import Callable

from mellea.plugins import BackendManifest, Capability, hookimpl

MANIFEST = BackendManifest(
    name="brook",
    summary="Brook's models, over HTTP.",
    factory="brook.backend:BrookBackend",
    capabilities={
        Capability.STREAMING,
        Capability.JSON_SCHEMA,
        Capability.RAW,
        Capability.SEED,
        Capability.THINKING,
    },
    default_model_id="brook-1",
    install_hint="Install it with: pip install ndjson-backend",
)


@hookimpl
def mellea_register_backends(register: Callable[[BackendManifest], None]) -> None:
    """Register the backend ``brook``."""
    register(MANIFEST)
