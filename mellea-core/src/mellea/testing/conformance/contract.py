"""The second level, first part: what a well-behaved provider says reaches the program, whole and in order."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from mellea.core.blocks import AudioBlock
from mellea.core.capabilities import Capability
from mellea.core.errors import UnsupportedOptionError, UsageError
from mellea.core.event_loop import run_sync
from mellea.core.message import Message
from mellea.core.options import ModelOption, OptionNotSupportedWarning
from mellea.core.request import ChatRequest
from mellea.core.response import Chunk, Usage
from mellea.testing.conformance.backend import BackendUnderTest
from mellea.testing.conformance.provider import Answer, Provider
from mellea.testing.conformance.terms import term

__all__ = ["ContractTests"]

HELLO = ("Hel", "lo", " there", ".")
LETTERS = "Zoë ate 寿司 👩‍🚀 and a naïve façade."
on_both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
REACHING = {
    ModelOption.MAX_NEW_TOKENS: (37, "37"),
    ModelOption.TEMPERATURE: (0.625, "0.625"),
    ModelOption.SEED: (48611, "48611"),
    ModelOption.STOP_SEQUENCES: (["ZEBRA"], "ZEBRA"),
}
"""Options with a value each, and what of it must be seen in the request."""
UNSUPPORTED = {ModelOption.LOGITS: True, ModelOption.CONTEXT_WINDOW: 4096, ModelOption.THINKING: True}
"""Options with a value each, one of which hardly any backend knows."""


class ContractTests(BackendUnderTest):
    """Answers, streams, options and usage."""

    def asked(self, stream: bool = False, **options: Any) -> Any:
        """Return the output of one question, read to its end."""
        thunk = self.open().act("Hi.", model_options={ModelOption.STREAM: stream, **options})
        "".join(thunk)
        return thunk

    @term("contract")
    @on_both_ways
    def test_answer_is_what_the_provider_says(self, provider: Provider, stream: bool) -> None:
        """The text is the provider's, whole and where a stream is asked for."""
        provider.play(Answer("Hello there."))

        assert self.asked(stream).value == "Hello there."

    @term("contract", shows=Capability.STREAMING)
    def test_pieces_join_to_the_answer(self, provider: Provider) -> None:
        """The pieces of a stream are the answer, one after the other."""
        provider.play(Answer(HELLO))

        pieces = list(self.open().stream_chat("Hi."))

        assert "".join(pieces) == "Hello there."
        assert len(pieces) > 1

    @term("contract", shows=Capability.STREAMING)
    def test_first_piece_is_handed_on_before_the_second_comes(self, provider: Provider) -> None:
        """A piece is shown when it comes, and not when the answer ends."""
        provider.play(Answer("Hello ", ends="stall"))

        with self.open().stream_chat("Hi.", model_options={ModelOption.STREAM_TIMEOUT: 5}) as thunk:
            first = next(iter(thunk))

        assert first
        assert "Hello ".startswith(first)

    @term("contract")
    @on_both_ways
    def test_chunks_are_chunks(self, provider: Provider, stream: bool) -> None:
        """Every chunk and every part of one is of the type that the contract says."""
        provider.play(Answer(HELLO))

        chunks = asyncio.run(self.chunks(stream))

        assert {type(chunk) for chunk in chunks} == {Chunk}
        assert {type(chunk.usage) for chunk in chunks} <= {Usage, type(None)}
        assert {type(part) for chunk in chunks for part in (chunk.logprobs, chunk.tool_calls)} == {tuple}
        assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["stop"]

    async def chunks(self, stream: bool) -> list[Chunk]:
        """Return the chunks of one answer, as the backend yields them."""
        backend = self.open().backend
        await backend.supports(Capability.STREAMING)
        request = ChatRequest(backend.model_id, (Message("user", "Hi."),), stream=stream)
        async with aclosing(backend.stream_chat(request)) as answer:
            return [chunk async for chunk in answer]

    @term("contract", plays=["usage"])
    @on_both_ways
    def test_usage_is_the_providers(self, provider: Provider, stream: bool) -> None:
        """Tokens and finish reason are those that the provider tells, and none is negative."""
        provider.play(Answer("Hello there.", usage=Usage(13, 4), finish_reason="length"))

        known = self.asked(stream).generation
        usage = known.usage

        assert usage is not None
        assert (usage["prompt_tokens"], usage["completion_tokens"]) == (13, 4)
        assert min(usage["cached_tokens"], usage["reasoning_tokens"]) >= 0
        assert known.finish_reasons == ("length",)

    @term("contract", plays=["bytes"])
    @on_both_ways
    def test_characters_cut_in_transit_come_whole(self, provider: Provider, stream: bool) -> None:
        """Letters of several bytes, cut anywhere on their way, come as they are."""
        provider.play(Answer([LETTERS[:9], LETTERS[9:]], split=True))

        assert self.asked(stream).value == LETTERS

    @term("contract")
    @on_both_ways
    def test_every_letter_comes_through(self, provider: Provider, stream: bool) -> None:
        """Text of any script comes as it is, and no character is left half."""
        provider.play(Answer(LETTERS))

        assert self.asked(stream).value == LETTERS

    @term("contract")
    @on_both_ways
    def test_empty_answer_is_empty(self, provider: Provider, stream: bool) -> None:
        """An answer without text is an empty text, and no error."""
        provider.play(Answer(""))

        assert self.asked(stream).value == ""

    @term("contract", plays=["options"])
    @pytest.mark.parametrize("option", REACHING, ids=lambda option: option.strip("@"))
    def test_option_reaches_the_provider(self, provider: Provider, option: str) -> None:
        """A common option is sent under the provider's name, or reported where it has none."""
        provider.play(Answer(HELLO))
        value, sent = REACHING[option]
        m = self.open()

        if option in m.backend.options.names:
            m.chat("Hi.", model_options={option: value})
            assert sent in provider.requests[-1]
            return
        with pytest.warns(OptionNotSupportedWarning):
            m.chat("Hi.", model_options={option: value})

    @term("contract")
    def test_unsupported_option_is_an_error_where_that_is_asked_for(self, provider: Provider) -> None:
        """With strict_options, an option that cannot be honoured is refused before anything is sent."""
        provider.play(Answer(HELLO))
        m = self.open(strict_options=True)
        option = next(option for option in UNSUPPORTED if option not in m.backend.options.names)

        with pytest.raises(UnsupportedOptionError):
            m.chat("Hi.", model_options={option: UNSUPPORTED[option]})
        assert provider.requests == []

    @term("contract", shows=Capability.RAW, plays=["raw"])
    def test_plain_completions_keep_the_order_of_the_prompts(self, provider: Provider) -> None:
        """Each plain prompt gets its own completion, in order."""
        provider.play(Answer("Said: "))

        thunks = asyncio.run(self.open().backend.generate_from_raw(["three", "one", "two"]))

        assert [str(thunk) for thunk in thunks] == ["Said: three", "Said: one", "Said: two"]

    @term("contract", shows=Capability.EMBEDDINGS, plays=["embeddings"])
    def test_texts_get_a_vector_each_in_their_order(self, provider: Provider) -> None:
        """Each text has the vector that the provider gives it, in the order of the texts."""
        provider.play(Answer())

        found = run_sync(self.open().backend.embed(["one", "three", "seventeen"]))

        assert [round(float(first / second)) for first, second in found.vectors] == [3, 5, 9]

    @term("contract", shows=Capability.THINKING, plays=["thinking"])
    @on_both_ways
    def test_thinking_is_apart_from_the_answer(self, provider: Provider, stream: bool) -> None:
        """Reasoning is in ``thinking`` and not in the text."""
        provider.play(Answer("Hello there.", thinking="A greeting."))

        thunk = self.asked(stream)

        assert (thunk.value, thunk.thinking) == ("Hello there.", "A greeting.")

    @term("contract", shows=Capability.TOOLS, plays=["tools"])
    @on_both_ways
    def test_tool_call_is_read(self, provider: Provider, stream: bool) -> None:
        """A call of a tool comes with its name and its arguments."""
        provider.play(Answer("", tool_calls=(("weather", {"city": "Łódź"}),), finish_reason="tool_calls"))
        asking = self.open().act(
            "Hi.", tools=[weather], tool_loop=False, model_options={ModelOption.STREAM: stream}
        )
        (call,) = asking.tool_calls

        assert (call.name, dict(call.args)) == ("weather", {"city": "Łódź"})
        assert "weather" in provider.requests[-1]

    @term("contract", shows=Capability.N_SAMPLES, plays=["samples"])
    def test_several_answers_are_drawn_at_once(self, provider: Provider) -> None:
        """One request gives several answers, each with its own text."""
        from mellea.core.generate_config import GenerateConfig  # noqa: PLC0415  as the session does
        from mellea.core.generation import sample_n  # noqa: PLC0415
        from mellea.stdlib.context import SimpleContext  # noqa: PLC0415

        provider.play(Answer("one", others=("two", "three")))
        backend = self.open().backend
        drawn = asyncio.run(
            sample_n(backend, Message("user", "Hi."), SimpleContext(), 3, GenerateConfig(None, {}, False))
        )

        assert [thunk.value for thunk in drawn] == ["one", "two", "three"]
        assert len(provider.requests) == 1

    @term("contract", shows=Capability.ADAPTERS)
    def test_adapter_that_is_not_there_is_refused(self, provider: Provider) -> None:
        """A request that names an adapter the backend does not have is refused before anything is sent."""
        provider.play(Answer(HELLO))

        with pytest.raises(UsageError, match="no-such-adapter"):
            self.open().chat("Hi.", model_options={ModelOption.ADAPTER: "no-such-adapter"})
        assert provider.requests == []

    @term("contract", shows=Capability.IMAGES, plays=["options"])
    def test_image_is_sent(self, provider: Provider) -> None:
        """An image in the prompt reaches the provider by its content."""
        provider.play(Answer(HELLO))

        self.open().instruct("What is this?", images=[f"data:image/png;base64,{PIXEL}"], strategy=None)

        assert PIXEL in provider.requests[-1]

    @term("contract", shows=Capability.AUDIO, plays=["options"])
    def test_audio_is_sent(self, provider: Provider) -> None:
        """Sound in the prompt reaches the provider by its content."""
        provider.play(Answer(HELLO))

        self.open().instruct("What is this?", audio=[AudioBlock(SOUND, "wav")], strategy=None)

        assert SOUND in provider.requests[-1]

    @term("contract", shows=Capability.JSON_SCHEMA, plays=["options"])
    def test_schema_is_sent(self, provider: Provider) -> None:
        """The schema of the output reaches the provider with the request."""
        provider.play(Answer('{"colour": "red"}'))

        thunk = self.open().instruct("Choose.", format=COLOUR, strategy=None)

        assert thunk.parsed == {"colour": "red"}
        assert "colour" in provider.requests[-1]


def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"It is sunny in {city}."


COLOUR = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "blue"]}},
    "required": ["colour"],
    "additionalProperties": False,
}
SOUND = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA="
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
