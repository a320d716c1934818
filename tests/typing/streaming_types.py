"""The static types of streams. Checked by mypy; never run."""

from typing import Any, assert_type

from pydantic import BaseModel

from mellea.core import Backend, Context, Message, ModelOutputThunk
from mellea.stdlib.components import Instruction
from mellea.stdlib.streaming import Streamer, StreamEvent, stream
from mellea.stdlib.streaming.partial import partial_objects


class User(BaseModel):
    name: str


async def typed_by_format(backend: Backend, ctx: Context) -> None:
    streamer = await stream(
        Instruction("Who?"), backend, ctx, format=User, chunking="word", requirements=["Be short."]
    )
    assert_type(streamer, Streamer[User])
    async for user in streamer.partials():
        assert_type(user, User)
    for event in streamer.events():
        assert_type(event, StreamEvent)
    for chunk in streamer:
        assert_type(chunk, str)
    assert_type(streamer.parsed, User)
    assert_type(streamer.mot, ModelOutputThunk[User])
    assert_type(await streamer.acomplete(), Streamer[User])


async def typed_by_action(backend: Backend, ctx: Context) -> None:
    assert_type(await stream(Instruction("Who?"), backend, ctx), Streamer[str])
    assert_type(await stream(Message("user", "Who?"), backend, ctx), Streamer[Message])
    assert_type(await stream("Who?", backend, ctx), Streamer[Any])
    assert_type(await stream("Who?", backend, ctx, format={"type": "object"}), Streamer[Any])


async def typed_by_thunk(thunk: ModelOutputThunk[User]) -> None:
    async for user in partial_objects(thunk):
        assert_type(user, User)
