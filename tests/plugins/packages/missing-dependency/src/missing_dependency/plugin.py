"""The manifest."""

from collections.abc import Callable

from mellea.plugins import BackendManifest, hookimpl


@hookimpl
def mellea_register_backends(register: Callable[[BackendManifest], None]) -> None:
    """Register the backend ``needy``."""
    register(
        BackendManifest(
            name="needy",
            summary="Cannot be imported.",
            factory="missing_dependency.backend:NeedyBackend",
            install_hint="Install it with: pip install vendor-sdk",
        )
    )
