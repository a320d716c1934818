"""The manifest."""

from collections.abc import Callable

from mellea.plugins import BackendManifest, hookimpl


@hookimpl
def mellea_register_backends(register: Callable[[BackendManifest], None]) -> None:
    """Register the backend ``future``."""
    register(
        BackendManifest(
            name="future",
            summary="Made for another interface.",
            factory="future_api.backend:FutureBackend",
            api_version=99,
        )
    )
