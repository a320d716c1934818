"""The manifest."""

from collections.abc import Callable

from mellea.plugins import BackendManifest, hookimpl


@hookimpl
def mellea_register_backends(register: Callable[[BackendManifest], None]) -> None:
    """Register the backend ``twin``."""
    register(
        BackendManifest(name="twin", summary="The southern twin.", factory="twin_south.backend:TwinBackend")
    )
