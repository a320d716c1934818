"""The manifest."""

from collections.abc import Callable

from mellea.plugins import BackendManifest, hookimpl


@hookimpl
def mellea_register_backends(register: Callable[[BackendManifest], None]) -> None:
    """Register the backend ``refusing``."""
    register(
        BackendManifest(
            name="refusing", summary="Cannot be made.", factory="refusing_constructor.backend:RefusingBackend"
        )
    )
