"""Backends that are wrong in one way each, and the tests of the kit that say so."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

from attrs import evolve

from mellea.core import Capability, ChatRequest, Chunk, Completion, CompletionRequest
from mellea.core.errors import RateLimitError, ServerError
from mellea.testing import Reply
from tests.testing.conformance.scripted_provider import CAPABILITIES, RightBackend


class DropsTheLastPiece(RightBackend):
    """Forgets the end of a stream of many pieces."""

    def _next(self, request: Any) -> list[Reply]:
        replies = super()._next(request)
        if not getattr(request, "stream", False) or request.options.get("logprobs"):
            return replies
        return [evolve(reply, text=reply.text[:-1]) if len(reply.text) > 2 else reply for reply in replies]


class GivesListsForTuples(RightBackend):
    """Takes a chunk for a bag of anything."""

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        async with aclosing(super().stream_chat(request)) as chunks:
            async for chunk in chunks:
                yield evolve(chunk, logprobs=list(chunk.logprobs))


class IgnoresStops(RightBackend):
    """Sends stop sequences, and a model that writes on."""

    def _next(self, request: Any) -> list[Reply]:
        kept = {name: value for name, value in request.options.items() if name != "stop"}
        return super()._next(evolve(request, options=kept) if self.is_live else request)


class LeaksBetweenSessions(RightBackend):
    """Keeps the system prompt of one session for the others."""

    kept = ()

    def _next(self, request: Any) -> list[Reply]:
        if isinstance(request, ChatRequest):
            self.kept = [each for each in request.messages if each.role == "system"] or self.kept
            others = [each for each in request.messages if each.role != "system"]
            request = evolve(request, messages=(*self.kept, *others))
        return super()._next(request)


class CannotBeClosedTwice(RightBackend):
    """Frees what is no longer there."""

    async def aclose(self) -> None:
        if self.closed:
            raise RuntimeError("double free")
        await super().aclose()


class SwallowsErrors(RightBackend):
    """Takes a server's failure for an empty answer."""

    def _next(self, request: Any) -> list[Reply]:
        return [
            Reply("") if isinstance(reply.error, ServerError) else reply for reply in super()._next(request)
        ]


class AsksAgainByItself(RightBackend):
    """Has tries of its own beside the core's."""

    def _next(self, request: Any) -> list[Reply]:
        replies = super()._next(request)
        failed = any(isinstance(reply.error, ServerError | RateLimitError) for reply in replies)
        return super()._next(request) if failed else replies


class SeedsInVain(RightBackend):
    """Declares seeds, and draws as it likes."""

    def _next(self, request: Any) -> list[Reply]:
        kept = {name: value for name, value in request.options.items() if name != "seed"}
        return super()._next(evolve(request, options=kept) if self.is_live else request)


class HidesLogprobs(RightBackend):
    """Can do more than it declares."""

    capabilities = CAPABILITIES - {Capability.LOGPROBS}


class LosesTheOrder(RightBackend):
    """Gives completions as they come."""

    async def complete(self, request: CompletionRequest) -> list[Completion]:
        return (await super().complete(request))[::-1]


class CountsBelowZero(RightBackend):
    """Subtracts once too often."""

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        async with aclosing(super().stream_chat(request)) as chunks:
            async for chunk in chunks:
                yield evolve(chunk, usage=chunk.usage and evolve(chunk.usage, cached_tokens=-1))


class ShowsItsKey(RightBackend):
    """Prints all that it has."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({vars(self)})"


class BlocksTheLoop(RightBackend):
    """Waits as if nobody else were there."""

    async def _wait(self, reply: Reply) -> None:
        time.sleep(reply.latency)  # noqa: ASYNC251  that is what is wrong with it


class GoesOnUnasked(RightBackend):
    """Leaves the provider at work when nobody waits any more."""

    def leave(self) -> None:
        """Tell nobody."""


class PromisesTooMuch(RightBackend):
    """Declares what no test shows."""

    capabilities = CAPABILITIES | {Capability.GRAMMAR}


class IsSilentOnOptions(RightBackend):
    """Leaves out an option that it says it sends."""

    def _next(self, request: Any) -> list[Reply]:
        kept = {name: value for name, value in request.options.items() if name != "temperature"}
        return super()._next(request if self.is_live else evolve(request, options=kept))


class AnswersForOthers(RightBackend):
    """Mixes up the answers of calls that run side by side."""

    last: Mapping[str, Any] = {}

    async def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        self.last = request
        await self._wait(Reply("", latency=0.02))
        async with aclosing(super().stream_chat(self.last)) as chunks:
            async for chunk in chunks:
                yield chunk


WRONG: Mapping[type[RightBackend], set[str]] = {
    DropsTheLastPiece: {"pieces_join_to_the_answer", "stream_is_the_whole_in_pieces"},
    GivesListsForTuples: {"chunks_are_chunks"},
    IgnoresStops: {"stop_sequence_ends_the_text"},
    LeaksBetweenSessions: {"sessions_know_nothing_of_each_other"},
    CannotBeClosedTwice: {"closing_twice_is_closing", "closed_backend_says_so_or_opens_again"},
    SwallowsErrors: {
        "failure_is_the_error_that_it_means",
        "failure_ends_with_the_call",
        "failed_request_of_many_fails_alone",
        "passing_failure_is_no_failure",
        "request_is_sent_once_where_no_more_is_allowed",
    },
    AsksAgainByItself: {
        "request_is_sent_once_where_no_more_is_allowed",
        "cancelling_ends_the_wait_for_another_try",
        "failure_ends_with_the_call",
        "failed_request_of_many_fails_alone",
    },
    SeedsInVain: {"seed_repeats_the_text"},
    HidesLogprobs: set(),
    LosesTheOrder: {
        "plain_completions_keep_the_order_of_the_prompts",
        "completions_come_in_the_order_of_the_prompts",
        "tokens_of_a_batch_are_counted_by_prompt",
    },
    CountsBelowZero: {"usage_is_the_providers"},
    ShowsItsKey: {"key_is_in_no_description"},
    BlocksTheLoop: {"loop_goes_on_while_the_provider_thinks"},
    GoesOnUnasked: {
        "cancelling_ends_the_work",
        "leaving_a_stream_ends_the_work",
        "silence_times_out_and_ends_the_work",
    },
    PromisesTooMuch: {"what_is_promised_is_tested"},
    IsSilentOnOptions: {"option_reaches_the_provider"},
    AnswersForOthers: {"calls_run_side_by_side"},
}
"""What fails for each of them."""
