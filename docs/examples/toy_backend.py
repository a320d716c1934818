"""A backend in one file, used without installing anything.

The module itself is handed to the session as a plugin.
"""

import sys
from collections.abc import AsyncIterator, Callable

from mellea import ModelOption, start_session
from mellea.core import Backend, ChatRequest, Chunk, OptionTable, Usage
from mellea.plugins import BackendManifest, Capability, hookimpl


class Echo(Backend):
    """Answers with the last message, word by word."""

    provider = "echo"
    capabilities = frozenset({Capability.STREAMING})
    options = OptionTable(
        names={ModelOption.MAX_NEW_TOKENS: "limit"},
        spellings={"limit": ModelOption.MAX_NEW_TOKENS},
    )

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """Say the words again."""
        words = request.messages[-1].content.split()
        said = words[: request.options.get("limit")]
        for index, word in enumerate(said):
            yield Chunk(text=f" {word}" if index else word)
        yield Chunk(
            finish_reason="stop" if said == words else "length",
            usage=Usage(len(words), len(said)),
        )


@hookimpl
def mellea_register_backends(register: Callable[[BackendManifest], None]) -> None:
    """Register ``echo``."""
    register(
        BackendManifest(
            name="echo",
            summary="Repeats what it is told.",
            factory=f"{__name__}:Echo",
            default_model_id="echo-1",
        )
    )


with start_session("echo", plugins=[sys.modules[__name__]]) as m:
    print(m.chat("Adding a provider takes one class.").content)
    print(
        m.chat(
            "This answer is cut.", model_options={ModelOption.MAX_NEW_TOKENS: 3}
        ).content
    )
