"""A text is checked while it is written.

The generation stops at the first chunk that fails, and a second attempt begins.
"""

import asyncio

from mellea import Instruction, ModelOption, SimpleContext, start_backend
from mellea.stdlib.chunking import WordChunking
from mellea.stdlib.requirements import avoids, word_count
from mellea.stdlib.sampling import RejectionSamplingStrategy
from mellea.stdlib.streaming import ChunkEvent, CompletedEvent, RetryEvent, stream

WANTED = [avoids("majestic"), word_count(at_most=40)]
OPTIONS = {
    ModelOption.TEMPERATURE: 0.7,
    ModelOption.SEED: 1,
    ModelOption.MAX_NEW_TOKENS: 30,
}


async def main() -> None:
    """Read a checked stream by its events."""
    _, backend = start_backend("hf", model_options=OPTIONS)
    async with backend:
        task = Instruction("Write one sentence about the sea.", requirements=WANTED)
        streamer = await stream(
            task,
            backend,
            SimpleContext(),
            chunking=WordChunking(keep_separators=True),
            requirements=WANTED,
            loop_budget=2,
            repair=RejectionSamplingStrategy.repair,
        )
        async for event in streamer.events():
            match event:
                case ChunkEvent():
                    print(event.text, end="", flush=True)
                case RetryEvent():
                    print(f" ...\n[withdrawn: {event.reason}]")
                case CompletedEvent():
                    print(
                        f"\n[success: {event.success}, attempts: {event.attempts_used}]"
                    )
        print(streamer.result.table())


asyncio.run(main())
