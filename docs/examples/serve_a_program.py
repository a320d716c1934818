"""A typed function as a model of OpenAI's own client, in one process.

On the command line it is a server: ``mellea serve serve_a_program.py:sentiment -b hf``.
"""

import asyncio
from typing import Literal

import httpx2
import openai

from mellea import generative
from mellea.serve import App
from mellea.stdlib.requirements import req, simple_validate

one_word = req(
    "It is one word.",
    validation_fn=simple_validate(lambda answer: len(answer.split()) == 1),
)


@generative(requirements=[one_word])
def sentiment(review: str) -> Literal["positive", "negative"]:
    """Classify the sentiment of a review."""


async def ask() -> None:
    """Ask as any client of the server would."""
    app = App(sentiment, backend="hf")  # for any ASGI server
    async with openai.AsyncOpenAI(
        base_url="http://localhost/v1",
        api_key="none is needed",
        http_client=httpx2.AsyncClient(transport=httpx2.ASGITransport(app)),
    ) as client:
        answer = await client.chat.completions.create(
            model="sentiment",
            messages=[{"role": "user", "content": "I love this lamp."}],
        )
    print(f"Answer: {answer.choices[0].message.content}")
    print(f"Tokens: {answer.usage.total_tokens}")
    for verdict in answer.model_extra["mellea"]["requirements"]:
        print(f"{verdict['requirement']} {verdict['met']}")
    await app.aclose()


if __name__ == "__main__":
    asyncio.run(ask())
