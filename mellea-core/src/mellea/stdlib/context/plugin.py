"""The core's own context types, registered through the same hook as anybody's."""

from collections.abc import Callable

from mellea.plugins import ContextManifest, hookimpl


@hookimpl
def mellea_register_contexts(register: Callable[[ContextManifest], None]) -> None:
    """Register ``simple`` and ``chat``."""
    register(
        ContextManifest(
            name="simple",
            summary="Each call stands alone; what was said is kept but not shown to the model.",
            factory="mellea.stdlib.context.simple:SimpleContext",
        )
    )
    register(
        ContextManifest(
            name="chat",
            summary="A conversation: every call shows what was said before, within a window or token budget.",
            factory="mellea.stdlib.context.chat:ChatContext",
        )
    )
