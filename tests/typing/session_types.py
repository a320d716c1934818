"""What a type checker knows of the results of the verbs. Checked by a test, never run."""

from typing import Any, assert_type

from pydantic import BaseModel

from mellea import MelleaSession, Message, SimpleComponent, start_session
from mellea.core import Backend, CBlock, Component, ComputedModelOutputThunk, Context, ModelOutputThunk
from mellea.stdlib import functional
from mellea.stdlib.components import Instruction
from mellea.stdlib.context import ChatContext, SimpleContext


class User(BaseModel):
    name: str


class Count(Component[int]):
    def format_for_llm(self) -> str:
        return "Count to three."

    def _parse(self, computed: ModelOutputThunk[Any]) -> int:
        return int(str(computed))


m = start_session()
assert_type(m, MelleaSession)
assert_type(m.ctx, Context)

assert_type(m.instruct("x"), ComputedModelOutputThunk[str])
assert_type(m.instruct("x").value, str)
assert_type(m.instruct("x", format=User), ComputedModelOutputThunk[User])
assert_type(m.instruct("x", format=User).parsed, User)
assert_type(m.instruct("x", format={"type": "object"}).parsed, Any)
assert_type(m.instruct("x", requirements=["r"], user_variables={"a": 1}, format=User).parsed.name, str)

assert_type(m.act(Count()), ComputedModelOutputThunk[int])
assert_type(m.act(Count()).parsed, int)
assert_type(m.act(Count(), format=User).parsed, User)
assert_type(m.act(Instruction("x")).parsed, str)
assert_type(m.act(Message("user", "x")).parsed, Message)
assert_type(m.act(SimpleComponent(a="x")).parsed_repr, str | None)
assert_type(m.act(CBlock("x")), ComputedModelOutputThunk[Any])
assert_type(m.act("x"), ComputedModelOutputThunk[Any])

assert_type(m.chat("x"), Message)
assert_type(m.chat("x", documents=["d"], tool_calls=False).content, str)
assert_type(m.stream_chat("x"), ModelOutputThunk[Message])
assert_type(m.stream_instruct("x"), ModelOutputThunk[str])
assert_type(m.stream_instruct("x", format=User).parsed, User)
assert_type(m.react("x", tools=[len]), ComputedModelOutputThunk[str])
assert_type(m.react("x", format=User).parsed, User)
assert_type(m.react("x", format={"type": "object"}).parsed, Any)
assert_type(m.clone(), MelleaSession)
assert_type(m.last_prompt(), str | list[dict[str, Any]] | None)


class Mine(MelleaSession):
    extra: int = 0


def subclasses(mine: Mine) -> None:
    assert_type(mine.clone(), Mine)
    with mine as entered:
        assert_type(entered, Mine)


async def asynchronous() -> None:
    assert_type(await m.aact(Count()), ModelOutputThunk[int])
    assert_type(await (await m.aact(Count())).result(), ComputedModelOutputThunk[int])
    assert_type(await m.ainstruct("x", format=User), ModelOutputThunk[User])
    assert_type(await m.ainstruct("x"), ModelOutputThunk[str])
    assert_type(await m.achat("x"), Message)
    assert_type(await m.astream_instruct("x", format=User), ModelOutputThunk[User])
    async for piece in await m.astream_chat("x"):
        assert_type(piece, str)


def contexts(backend: Backend) -> None:
    assert_type(ChatContext(window_size=3).add(CBlock("x")), ChatContext)
    assert_type(SimpleContext().new_instance(), SimpleContext)
    message, ctx = functional.chat("x", ChatContext(), backend)
    assert_type(message, Message)
    assert_type(ctx, Context)
