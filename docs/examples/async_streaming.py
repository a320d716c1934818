"""Streaming in asynchronous code: any number of readers may follow one answer."""

import asyncio

from mellea import ModelOption, ModelOutputThunk, start_session


async def count_words(answer: ModelOutputThunk) -> int:
    """Follow an answer that somebody else prints."""
    text = "".join([piece async for piece in answer])
    return len(text.split())


async def main() -> None:
    """Print an answer while a second reader counts its words."""
    async with start_session(
        backend="hf", model_options={ModelOption.MAX_NEW_TOKENS: 50}
    ) as m:
        answer = await m.astream_chat("Write one sentence about the moon.")
        counting = asyncio.create_task(count_words(answer))
        async for piece in answer:
            print(piece, end="", flush=True)
        print(f"\n[{await counting} words]")


asyncio.run(main())
