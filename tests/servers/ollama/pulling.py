"""What ``/api/pull`` tells while it brings a model, or does not find it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from tests.servers.ollama.models import SIZE, digest
from tests.servers.ollama.names import full_name
from tests.servers.ollama.sending import Part

__all__ = ["parts", "refused"]


async def parts(name: str) -> AsyncIterator[Part]:
    """Iterate over the progress of a pull."""
    key = digest(full_name(name))
    layer = {"status": f"pulling {key[:12]}", "digest": f"sha256:{key}", "total": SIZE}
    yield {"status": "pulling manifest"}
    for quarter in range(1, 5):
        yield {**layer, "completed": SIZE * quarter // 4}
    yield {"status": "verifying sha256 digest"}
    yield {"status": "writing manifest"}
    yield {"status": "success"}


async def refused() -> AsyncIterator[Part]:
    """Iterate over what is told of a model that the registry does not have."""
    yield {"status": "pulling manifest"}
    yield {"error": "pull model manifest: file does not exist"}
