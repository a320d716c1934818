"""Budget forcing: a reasoning model thinks for as long as it is told to.

Method: Muennighoff et al., s1: Simple test-time scaling, 2025.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from attrs import evolve

from mellea.core.backend import Backend
from mellea.core.capabilities import Capability
from mellea.core.component import Span, blockify
from mellea.core.context import Context
from mellea.core.errors import CapabilityError, UsageError
from mellea.core.generation import parser_of
from mellea.core.message import with_system_prompt
from mellea.core.model_api import missing_capability
from mellea.core.options import ModelOption, merge_options
from mellea.core.prompting import resolve_all
from mellea.core.reading import read_from
from mellea.core.response import Usage, as_usage, total_usage
from mellea.core.schema import OutputSchema
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.sampling._loop import BaseSamplingStrategy
from mellea.stdlib.sampling._request import SamplingRequest

__all__ = ["BudgetForcingSamplingStrategy"]


class BudgetForcingSamplingStrategy(BaseSamplingStrategy):
    """Lets the model think for a number of tokens, then answer, by plain completion.

    The prompt goes to the model as it is, without a chat template, with the start of its thinking behind it.
    When it stops thinking before its tokens are spent, ``think_more_suffix`` is put behind its thoughts and
    it goes on; then its thinking is closed, and the answer is asked for. The output is the answer; the
    thoughts are in its ``thinking``.

    Args:
        think_max_tokens: Tokens of thinking; 0 for none.
        answer_max_tokens: Tokens of the answer; by default what the call's options say.
        start_think_token: Put behind the prompt.
        end_think_token: Closes the thinking; empty when the model has no such token, which then thinks until
            it stops.
        begin_response_token: Put before the answer.
        end_response_token: Ends the answer, and is no part of it.
        think_more_suffix: Put behind thoughts that end early, such as "Wait"; without it they may end early.
        answer_suffix: Put before the answer, such as "The final answer is:".
        loop_budget: Rounds, each of which thinks and answers anew.
        options: What ``BaseSamplingStrategy`` takes.

    Raises:
        UsageError: A number of tokens is negative.
    """

    steers = False

    def __init__(
        self,
        *,
        think_max_tokens: int = 4096,
        answer_max_tokens: int | None = None,
        start_think_token: str = "<think>",  # noqa: S107  a token of text
        end_think_token: str = "</think>",  # noqa: S107  a token of text
        begin_response_token: str = "",
        end_response_token: str = "",
        think_more_suffix: str = "",
        answer_suffix: str = "",
        loop_budget: int = 1,
        **options: Any,
    ) -> None:
        super().__init__(loop_budget=loop_budget, **options)
        for name, value, least in (
            ("think_max_tokens", think_max_tokens, 0),
            ("answer_max_tokens", answer_max_tokens, 1),
        ):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                raise UsageError(f"{name} is {value!r}.", hint=f"Pass a number of tokens: {least} or more.")
        self.think_max_tokens = think_max_tokens
        self.answer_max_tokens = answer_max_tokens
        self.start_think_token = start_think_token
        self.end_think_token = end_think_token
        self.begin_response_token = begin_response_token
        self.end_response_token = end_response_token
        self.think_more_suffix = think_more_suffix
        self.answer_suffix = answer_suffix

    async def generate(
        self, call: SamplingRequest, action: Span, ctx: Context, lane: int, round_: int
    ) -> tuple[ModelOutputThunk[Any], Context]:
        """Return the answer, with the thoughts that led to it.

        Raises:
            CapabilityError: The backend does not complete plain text, or tools are asked for; nothing was
                sent.
            ProviderError: The provider failed.
        """
        schema = OutputSchema.of(call.format) if call.format is not None else None
        _check_can(call)
        started = time.perf_counter()
        options = _options(call, lane, round_)
        writing = _Writing(call.backend, options, await _prompt(call.backend, action, ctx, schema, options))
        thoughts = await self._think(call, writing)
        writing.text += self.end_think_token + self.begin_response_token + self.answer_suffix
        limit = {} if self.answer_max_tokens is None else {ModelOption.MAX_NEW_TOKENS: self.answer_max_tokens}
        stop = [*_stops(options), *([self.end_response_token] if self.end_response_token else [])]
        constrained = schema if Capability.JSON_SCHEMA in call.backend.capabilities else None
        last = await writing.go_on(limit, stop, constrained)
        answer = _until(str(last), self.end_response_token).strip()
        thunk: ModelOutputThunk[Any] = ModelOutputThunk(
            answer,
            action=parser_of(action),
            schema=schema,
            thinking=thoughts,
            generation=evolve(last.generation, usage=writing.spent(), seconds=time.perf_counter() - started),
        )
        thunk.sources = read_from([*await ctx.view(call.backend), action])
        return thunk, ctx.add(action).add(thunk)

    async def _think(self, call: SamplingRequest, writing: _Writing) -> str:
        """Let the model think until its tokens are spent, or it stops and is not to go on."""
        begin = len(writing.text) + len(self.start_think_token)
        writing.text += self.start_think_token
        left = self.think_max_tokens
        while left > 0:
            stop = [self.end_think_token] if self.end_think_token else []
            piece = await writing.go_on({ModelOption.MAX_NEW_TOKENS: left}, stop, None)
            thought = _until(str(piece), self.end_think_token)
            writing.text += thought
            left -= max(_tokens(piece), 1)
            if (
                not self.think_more_suffix
                or not thought.strip()
                or left <= 0
                or "length" in (piece.generation.finish_reasons or ())
            ):
                break
            writing.text += self.think_more_suffix
        return writing.text[begin:].strip()


class _Writing:
    """A text that grows by completions, and what they have spent.

    The system prompt is in the text already.
    """

    def __init__(self, backend: Backend, options: Mapping[str, Any], text: str) -> None:
        self.backend = backend
        self.options = options
        self.text = text
        self.usages: list[Usage | None] = []

    async def go_on(
        self, limit: Mapping[str, Any], stop: list[str], schema: OutputSchema | None
    ) -> ModelOutputThunk[Any]:
        """Return the completion of the text so far."""
        options = merge_options(
            self.options, limit, {ModelOption.STOP_SEQUENCES: stop or None, ModelOption.SYSTEM_PROMPT: None}
        )
        (piece,) = await self.backend.generate_from_raw(
            [blockify(self.text)], format=schema, model_options=options
        )
        self.usages.append(as_usage(piece.generation.usage))
        return piece

    def spent(self) -> Usage | None:
        """Return the tokens of all completions, if the provider tells any."""
        return total_usage(self.usages) if any(usage is not None for usage in self.usages) else None


def _check_can(call: SamplingRequest) -> None:
    """Refuse what plain completion cannot do, before anything is sent."""
    if Capability.RAW not in call.backend.capabilities:
        raise missing_capability(call.backend, Capability.RAW, ", which budget forcing needs")
    if call.tool_calls or ModelOption.TOOLS in call.options:
        raise CapabilityError(
            "Budget forcing works by plain completion, which calls no tools; nothing was sent.",
            missing=Capability.TOOLS.value,
            hint="Leave the tools out, or choose another strategy.",
            backend=call.backend.provider,
            model_id=call.backend.model_id,
        )


def _options(call: SamplingRequest, lane: int, round_: int) -> Mapping[str, Any]:
    """Return the options of one attempt, the backend's own among them, under common names."""
    backend = call.backend
    return call.config_for(lane, round_).over(backend.model_options, table=backend.options).options


def _stops(options: Mapping[str, Any]) -> list[str]:
    stops = options.get(ModelOption.STOP_SEQUENCES) or []
    return [stops] if isinstance(stops, str) else list(stops)


async def _prompt(
    backend: Backend, action: Span, ctx: Context, schema: OutputSchema | None, options: Mapping[str, Any]
) -> str:
    """Return the text to complete.

    What is asked, behind the system prompt and the conversation, if there are any.
    """
    shown = [*await ctx.view(backend), action]
    await resolve_all(shown)
    messages = backend.formatter.to_chat_messages(shown)
    for message in messages:
        if message.images or message.audio:
            raise missing_capability(
                backend, Capability.IMAGES if message.images else Capability.AUDIO, " for plain completion"
            )
    if system := options.get(ModelOption.SYSTEM_PROMPT):
        messages = with_system_prompt(messages, str(system))
    wanted = messages[-1].content
    if schema is not None and Capability.JSON_SCHEMA not in backend.capabilities:
        wanted += f"\n\n{schema.prompt()}"
    said = [f"{message.role}: {message.content}" for message in messages[:-1]]
    return "\n\n".join([*said, f"user: {wanted}\n\nassistant: "]) if said else f"{wanted}\n"


def _until(text: str, end: str) -> str:
    """Return a text up to its end token: a provider may write it out, or not stop at it."""
    return text.partition(end)[0] if end else text


def _tokens(piece: ModelOutputThunk[Any]) -> int:
    """Return the tokens of a completion, as the provider counts them or by its words."""
    usage = as_usage(piece.generation.usage)
    return usage.completion_tokens if usage is not None else len(str(piece).split())
