"""The handlers of this package, by name: ``start_session(plugins=["telemetry", "costs"])``."""

from collections.abc import Callable

from mellea.plugins import HooksManifest, hookimpl

__all__ = ["mellea_register_hooks"]


@hookimpl
def mellea_register_hooks(register: Callable[[HooksManifest], None]) -> None:
    """Register the handlers."""
    register(
        HooksManifest(
            name="telemetry",
            summary="traces and metrics by OpenTelemetry",
            factory="mellea.telemetry.handler:Telemetry",
            install_hint='pip install "mellea-core[telemetry]"',
        )
    )
    register(
        HooksManifest(
            name="costs", summary="tokens and money of every call", factory="mellea.telemetry.costs:Costs"
        )
    )
