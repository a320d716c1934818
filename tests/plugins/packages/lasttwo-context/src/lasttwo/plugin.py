"""The manifest: what this distribution provides, without importing it."""

from collections.abc import Callable

from mellea.plugins import ContextManifest, hookimpl


@hookimpl
def mellea_register_contexts(register: Callable[[ContextManifest], None]) -> None:
    """Register the context type ``lasttwo``."""
    register(
        ContextManifest(
            name="lasttwo",
            summary="Shows the last question and its answer.",
            factory="lasttwo.context:LastTwoContext",
            aliases=("last-two",),
        )
    )
