"""The third level: what a real model does with what the backend declares."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mellea.core.capabilities import Capability
from mellea.core.message import Message
from mellea.core.options import ModelOption
from mellea.testing.conformance.backend import BackendUnderTest
from mellea.testing.conformance.contract import COLOUR, on_both_ways, weather
from mellea.testing.conformance.terms import term

__all__ = ["LiveTests"]

SHORT = {ModelOption.MAX_NEW_TOKENS: 12, ModelOption.TEMPERATURE: 0.0}
PROMPTS = ("1, 2, 3, 4, 5,", "The capital of France is")
PATTERN = r"^(red|blue) [0-9]{3}$"


class LiveTests(BackendUnderTest):
    """Length, stops, seeds, constraints, batches, counts."""

    def answered(self, prompt: str, options: Mapping[str, Any] = SHORT, *, stream: bool = False) -> Any:
        """Return the output of one question, read to its end."""
        given = {**SHORT, ModelOption.STREAM: stream, **options}
        thunk = self.open().act(prompt, model_options=given)
        "".join(thunk)
        return thunk

    def completed(self, prompts: Sequence[str], limit: int) -> list[Any]:
        """Return the plain completions of prompts."""
        given = {**SHORT, ModelOption.MAX_NEW_TOKENS: limit}

        async def complete() -> list[Any]:
            async with self.open() as m:
                return list(await m.backend.generate_from_raw(prompts, model_options=given))

        return asyncio.run(complete())

    @term("live")
    @on_both_ways
    def test_answer_ends_at_its_limit(self, stream: bool) -> None:
        """An answer takes no more tokens than allowed, and says that it was cut."""
        thunk = self.answered("Count from one to one hundred.", stream=stream)

        assert thunk.value
        assert thunk.generation.usage.completion_tokens == 12
        assert thunk.generation.usage.prompt_tokens > 0
        assert thunk.generation.finish_reasons == ("length",)

    @term("live", shows=Capability.STREAMING)
    def test_stream_is_the_whole_in_pieces(self) -> None:
        """A streamed answer is the one that comes at once, in more than one piece."""
        whole = self.answered("Name three colours.").value
        pieces = list(self.open().stream_chat("Name three colours.", model_options=SHORT))

        assert len(pieces) > 1
        assert "".join(pieces) == whole

    @term("live")
    def test_stop_sequence_ends_the_text(self) -> None:
        """The text ends before a stop sequence, and says so."""
        if ModelOption.STOP_SEQUENCES not in self.open().backend.options.names:
            return
        free = self.answered("Count to five.", {ModelOption.MAX_NEW_TOKENS: 16}).value
        stop = free[len(free) // 2 :][:4]

        thunk = self.answered(
            "Count to five.", {ModelOption.MAX_NEW_TOKENS: 16, ModelOption.STOP_SEQUENCES: [stop]}
        )

        assert thunk.value == free.partition(stop)[0]
        assert thunk.generation.finish_reasons == ("stop",)

    @term("live", shows=Capability.SEED)
    def test_seed_repeats_the_text(self) -> None:
        """One seed draws one text, and other seeds draw others."""
        drawn = [
            self.answered("Invent a name.", {ModelOption.TEMPERATURE: 1.2, ModelOption.SEED: seed}).value
            for seed in (7, 7, 8, 9)
        ]

        assert drawn[0] == drawn[1]
        assert len(set(drawn)) > 1

    @term("live")
    def test_samples_differ(self) -> None:
        """Without a seed, one question has several answers."""
        drawn = {self.answered("Invent a name.", {ModelOption.TEMPERATURE: 1.2}).value for _ in range(3)}

        assert len(drawn) > 1

    @term("live", shows=Capability.JSON_SCHEMA)
    @on_both_ways
    def test_schema_holds_the_model(self, stream: bool) -> None:
        """An output fits the schema, whatever was asked."""
        m = self.open()
        thunk = m.act(
            "Write a poem about the sea.",
            format=COLOUR,
            model_options={**SHORT, ModelOption.STREAM: stream, ModelOption.MAX_NEW_TOKENS: 60},
        )
        "".join(thunk)

        assert json.loads(thunk.value)["colour"] in {"red", "blue"}
        assert thunk.parsed["colour"] in {"red", "blue"}
        assert thunk.generation.finish_reasons == ("stop",)

    @term("live", shows=Capability.REGEX)
    def test_pattern_holds_the_model(self) -> None:
        """A text fits the pattern that it is held to, whatever was asked."""
        from mellea.core.text_pattern import TextPattern  # noqa: PLC0415  few programs steer

        thunk = self.open().act(
            "Write a poem about the sea.",
            format=TextPattern(PATTERN, 40),
            model_options={ModelOption.TEMPERATURE: 0.0, ModelOption.MAX_NEW_TOKENS: 40},
        )

        assert re.fullmatch(PATTERN, thunk.value)

    @term("live", shows=Capability.TOOLS)
    def test_tool_that_must_be_called_is_called(self) -> None:
        """A tool that the call names is called with arguments that fit it."""
        thunk = self.open().act(
            "What is the weather in Rome?",
            tools=[weather],
            tool_loop=False,
            model_options={**SHORT, ModelOption.MAX_NEW_TOKENS: 60, ModelOption.TOOL_CHOICE: "weather"},
        )

        (call,) = thunk.tool_calls
        assert call.name == "weather"
        assert isinstance(call.args["city"], str)

    @term("live", shows=Capability.N_SAMPLES)
    def test_answers_of_one_request_differ(self) -> None:
        """Several answers of one request are as many, and not the same."""
        from mellea.core.generate_config import GenerateConfig  # noqa: PLC0415  as strategies do
        from mellea.core.generation import sample_n  # noqa: PLC0415
        from mellea.stdlib.context import SimpleContext  # noqa: PLC0415

        config = GenerateConfig(None, {**SHORT, ModelOption.TEMPERATURE: 1.5})

        async def draw() -> list[Any]:
            async with self.open() as m:
                asked = Message("user", "Invent a name.")
                return await sample_n(m.backend, asked, SimpleContext(), 2, config)

        drawn = [thunk.value for thunk in asyncio.run(draw())]

        assert len(drawn) == 2
        assert drawn[0] != drawn[1]

    @term("live", shows=Capability.RAW)
    def test_completions_come_in_the_order_of_the_prompts(self) -> None:
        """Each of several plain texts goes on as it does alone."""
        together = self.completed(PROMPTS, 4)
        alone = [str(self.completed([prompt], 4)[0]) for prompt in PROMPTS]

        assert list(map(str, together)) == alone
        assert len(set(alone)) == len(PROMPTS)

    @term("live", shows=Capability.BATCH, tries=False)
    def test_tokens_of_a_batch_are_counted_by_prompt(self) -> None:
        """Each prompt of a batch has the count of tokens that it has alone."""
        prompts = [*PROMPTS, "Once upon a time"]

        def counts(prompts: Sequence[str]) -> list[tuple[int, int]]:
            usages = [each.generation.usage for each in self.completed(prompts, 2)]
            return [(usage.prompt_tokens, usage.completion_tokens) for usage in usages]

        together = counts(prompts)

        assert together[-1:] == counts(prompts[-1:])
        assert len({read for read, _ in together}) > 1

    @term("live", shows=Capability.LOGPROBS)
    @on_both_ways
    def test_log_probabilities_are_those_of_the_text(self, stream: bool) -> None:
        """The tokens join to the text, each with a logarithm of a probability and its alternatives."""
        thunk = self.answered("Name a colour.", {ModelOption.LOGPROBS: 2}, stream=stream)
        said = thunk.generation.logprobs

        assert said
        assert "".join(one.token for one in said) == thunk.value
        assert all(one.logprob <= 1e-6 for one in said)
        assert {len(one.alternatives) for one in said} == {2}
        assert [one.alternatives[0].token for one in said] == [one.token for one in said]

    @term("live", shows=Capability.LOGITS)
    @on_both_ways
    def test_scores_of_the_vocabulary_are_those_of_the_text(self, stream: bool) -> None:
        """There is a row of scores for each token, and greedy tokens are the likeliest by both kinds."""
        asked = {ModelOption.LOGITS: True, ModelOption.RAW_LOGITS: True, ModelOption.TEMPERATURE: 0}
        known = self.answered("Name a colour.", asked, stream=stream).generation

        assert known.logits.shape == known.raw_logits.shape
        assert len(known.logits) == known.usage.completion_tokens
        assert known.logits.argmax(1).tolist() == known.raw_logits.argmax(1).tolist()

    @term("live", shows=Capability.TOKEN_COUNT)
    def test_counted_tokens_are_those_that_are_read(self) -> None:
        """What it counts of a conversation is what the provider counts of the prompt."""
        prompt = "How many tokens is this, would you say?"
        thunk = self.answered(prompt)

        async def count() -> Any:
            async with self.open() as m:
                return await m.backend.count_tokens([Message("user", prompt)])

        assert asyncio.run(count()) == thunk.generation.usage.prompt_tokens

    @term("live", shows=Capability.PREFIX_CACHE, tries=False)
    def test_what_prompts_share_is_read_once(self) -> None:
        """Of a prompt that begins as an earlier one did, most tokens are told to be cached."""
        story = "A keeper of a lighthouse counts the ships that pass, and writes each of them down. " * 4

        async def ask() -> Any:
            async with self.open() as m:
                for question in ("Who counts?", "What passes?"):
                    thunk = await m.aact(
                        story + question, strategy=None, model_options=SHORT, await_result=True
                    )
                return thunk.generation.usage

        usage = asyncio.run(ask())

        assert usage.prompt_tokens / 2 < usage.cached_tokens < usage.prompt_tokens
