"""A scripted backend that takes adapters."""

from mellea.core import AdapterMixin, Capability, UsageError
from mellea.testing import ScriptedBackend

__all__ = ["Adapted"]


class Adapted(ScriptedBackend, AdapterMixin):
    """Gives its answers whatever adapter is asked; one for ``org/other`` is refused."""

    capabilities = ScriptedBackend.capabilities | {Capability.ADAPTERS}

    def __init__(self, answers=""):
        super().__init__(answers)
        self.freed = []

    async def load_adapter(self, adapter):
        if adapter.base_model == "org/other":
            raise UsageError("It is for another model.")

    async def unload_adapter(self, adapter):
        self.freed.append(adapter.name)
