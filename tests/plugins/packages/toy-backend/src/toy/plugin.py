"""The manifest: what this distribution provides, without importing it."""

from collections.abc import Callable

from mellea.plugins import BackendManifest, Capability, hookimpl


@hookimpl
def mellea_register_backends(register: Callable[[BackendManifest], None]) -> None:
    """Register the backend ``toy``."""
    register(
        BackendManifest(
            name="toy",
            summary="A parrot: repeats every word that it is shown.",
            factory="toy.backend:ToyBackend",
            aliases=("parrot",),
            capabilities={Capability.STREAMING, Capability.TOKEN_COUNT},
            default_model_id="parrot-1",
        )
    )
