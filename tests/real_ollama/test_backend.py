"""The Ollama backend on a real server, with whatever model it is told."""

import asyncio

import pytest
from pydantic import BaseModel, Field

from mellea.core import CBlock, Message, ModelOption
from mellea.core.errors import ContextWindowError, ModelNotFoundError, RequestRejectedError
from mellea.stdlib.context import SimpleContext
from mellea_ollama import OllamaModelBackend

ENDLESS = {"type": "array", "items": {"type": "integer"}, "minItems": 500}
ENOUGH = 250
"""More tokens than the longest text that the schema here allows."""
pytestmark = pytest.mark.needs("completion")


class City(BaseModel, extra="forbid"):
    name: str = Field(max_length=12)
    country: str = Field(max_length=12)


async def ask(backend, text, *, fits=None, **options):
    message = Message("user", text)
    thunk, _ = await backend.generate_from_context(
        message, SimpleContext(), format=fits, model_options=options
    )
    return thunk


@pytest.fixture
def backend(make):
    return make()


async def test_answer_has_text_usage_and_finish_reason(backend):
    thunk = await (await ask(backend, "Count.", fits=ENDLESS)).result()

    assert thunk.value
    assert thunk.generation.usage.completion_tokens == 8
    assert thunk.generation.usage.prompt_tokens > 0
    assert thunk.generation.finish_reasons == ("length",)


async def test_streamed_pieces_are_the_text(backend):
    thunk = await ask(backend, "Count.", fits=ENDLESS, stream=True)

    pieces = [piece async for piece in thunk]

    assert len(pieces) > 1
    assert "".join(pieces) == thunk.value
    assert thunk.generation.usage.completion_tokens == 8


@pytest.mark.parametrize("stream", [True, False])
async def test_output_fits_a_pydantic_class(backend, stream):
    thunk = await (await ask(backend, "Name a city.", fits=City, stream=stream, max_tokens=ENOUGH)).result()

    assert isinstance(thunk.parsed, City)
    assert thunk.generation.finish_reasons == ("stop",)


async def test_stop_sequence_is_no_part_of_the_text(backend):
    thunk = await (
        await ask(backend, "Count.", fits={"enum": ["one, two, three"]}, stop=",", max_tokens=40)
    ).result()

    assert thunk.value == '"one'


async def test_refused_schema_is_the_requests_fault(backend):
    with pytest.raises(RequestRejectedError):
        await (await ask(backend, "Count.", fits={"type": "nonsense"})).avalue()


async def test_prompt_longer_than_the_window_is_an_error_and_not_cut(backend):
    with pytest.raises(ContextWindowError):
        await (await ask(backend, "word " * 700, **{ModelOption.CONTEXT_WINDOW: 512})).avalue()


async def test_missing_model_is_not_found_and_not_pulled(real):
    with pytest.raises(ModelNotFoundError, match="ollama pull"):
        OllamaModelBackend("mellea/no-such-model", base_url=real.base_url, pull=False)


async def test_raw_completions_come_in_the_order_of_the_prompts(backend):
    prompts = [CBlock("word " * number) for number in (40, 1, 20)]

    thunks = await backend.generate_from_raw(prompts, model_options={"max_tokens": 2})

    first, second, third = (thunk.generation.usage.prompt_tokens for thunk in thunks)
    assert first > third > second


async def test_many_calls_at_once_all_answer(backend):
    thunks = await asyncio.gather(*(ask(backend, f"Say {number}.", fits=ENDLESS) for number in range(8)))

    assert all(await asyncio.gather(*(thunk.avalue() for thunk in thunks)))


async def test_backend_works_on_after_a_cancelled_stream(backend):
    thunk = await ask(backend, "Count.", fits=ENDLESS, stream=True, max_tokens=400)
    first = await thunk.astream()

    await thunk.cancel_generation()

    assert first
    assert await (await ask(backend, "Count.", fits=ENDLESS)).avalue()


@pytest.mark.needs("thinking")
async def test_thinking_can_be_turned_off(make):
    thunk = await (await ask(make("thinking"), "What is 2+2?", **{ModelOption.THINKING: False})).result()

    assert thunk.value
    assert not thunk.thinking


@pytest.mark.needs("thinking")
@pytest.mark.filterwarnings(
    "ignore::mellea.core.reasoning.NoAnswerWarning"
)  # a model may think and say nothing
async def test_thinking_is_kept_apart_from_the_text(make):
    thinker = make("thinking", **{ModelOption.THINKING: True})

    thunk = await ask(thinker, "What is 2+2?", stream=True)
    pieces = [piece async for piece in thunk]

    assert thunk.thinking
    assert "".join(pieces) == (thunk.value or "")
    assert thunk.thinking not in "".join(pieces)
