"""Programs that are served in tests, on a scripted backend."""

from __future__ import annotations

import asyncio
import time
from typing import Literal

from mellea import ChatContext, MelleaSession, ModelOption, generative
from mellea.core.capabilities import Capability
from mellea.core.errors import RateLimitError, RefusalError
from mellea.serve.programs import ServedFunction
from mellea.stdlib.requirements import req, simple_validate
from mellea.testing import Fault, Reply, ScriptedBackend

CAPABILITIES = {
    Capability.STREAMING,
    Capability.SEED,
    Capability.TOOLS,
    Capability.JSON_SCHEMA,
    Capability.IMAGES,
}
SCRIPT = {
    "weather": Reply(tool_calls=[("get_weather", {"city": "Oslo"}), ("get_weather", {"city": "Rome"})]),
    "Who is Ada": '{"name": "Ada", "born": {"year": 1815}}',
    "cut": Reply("Once upon a", finish_reason="length"),
    "think": Reply("42", thinking="Six times seven."),
    "refuse": RefusalError("Refused.", text="I would rather not."),
    "busy": RateLimitError("Too many.", retry_after=7),
    "break": Fault.cut_stream(1, ["One ", "two"]),
    "stall": Fault.stall(1, ["One ", "two"]),
    "sentiment": '{"result": "positive"}',
    "total": '{"result": 6}',
    "": lambda request: ["Hello ", "dear ", "world."],
}


def backend():
    """Return a backend that answers all these programs."""
    return ScriptedBackend(SCRIPT, capabilities=CAPABILITIES, failures={"FAIL": 9})


m = MelleaSession(backend(), ChatContext())
went = {"cancelled": 0, "ended": 0}


async def chat(input, requirements=None, model_options=None, format=None):
    """Answer the last message, with everything that is asked."""
    return await m.clone().aact(
        input[-1].to_message(),
        requirements=requirements,
        strategy="rejection" if requirements else None,
        model_options=model_options,
        format=format,
        tool_calls=bool((model_options or {}).get(ModelOption.TOOLS)),
    )


def plain(input, requirements, model_options, client_options):
    """Tell what came, from a thread."""
    options = sorted(key.strip("@") for key in model_options)
    return {"text": input[-1].get_text_content(), "options": options, "besides": sorted(client_options)}


async def broken(input):
    """Fail with words that are nobody's business."""
    raise LookupError("/secret/path")


def leaving(input):
    """Try to end the server."""
    raise SystemExit(3)


async def slow(input):
    """Never answer."""
    try:
        await asyncio.sleep(600)
    finally:
        went["cancelled"] += 1


def blocking(input):
    """Keep a thread for a while."""
    time.sleep(0.3)
    went["ended"] += 1
    return "done"


@generative
def sentiment(text: str) -> Literal["positive", "negative"]:
    """Classify the sentiment of the text."""


@generative(
    strict=True,
    requirements=[req("It is 6.", validation_fn=simple_validate(lambda text: text == "6"))],
)
async def total(numbers: list[int], start: int = 0) -> int:
    """Add numbers.

    Args:
        numbers: What is added.
        start: What is added to.
    """


FUNCTIONS = (chat, plain, broken, leaving, slow, blocking)


def programs():
    """Return everything that is served."""
    return (*(ServedFunction(one, one.__name__) for one in FUNCTIONS), sentiment, total)
