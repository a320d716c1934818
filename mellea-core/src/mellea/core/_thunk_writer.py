"""The writer's side of a thunk: what a generation does to its output."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve

from mellea.core._output import Output
from mellea.core.errors import RefusalError
from mellea.core.logprobs import TokenLogprob, with_alternatives
from mellea.core.metadata import GenerationMetadata
from mellea.core.reasoning import (
    NoAnswerWarning,
    ReasoningFilter,
    only_reasoned,
    warns_of_no_answer,
)
from mellea.core.request import ChatRequest
from mellea.core.response import Chunk
from mellea.core.schema import OutputSchema
from mellea.core.steering.casing import Casing
from mellea.core.steering.decode import TextDecoder
from mellea.core.steering.field_casing import FieldCasing
from mellea.core.thunk import ComputedModelOutputThunk, ModelOutputThunk, Parser
from mellea.core.tool import Tool
from mellea.core.tool_call import CallAssembler, ToolCallFragment
from mellea.core.tool_constraint import ConstrainedReader
from mellea.core.tool_offer import UnknownToolWarning

if TYPE_CHECKING:
    from mellea.core.reading import Reading
    from mellea.core.sources import Sources

__all__ = ["ThunkWriter"]

_NO_TOOLS: Mapping[str, Tool] = {}

_FILTERED = {
    *("blocklist", "content_filter", "content_filtered", "guardrail_intervened", "image_safety"),
    *("prohibited_content", "recitation", "refusal", "safety", "sensitive", "spii"),
}
"""The reasons with which providers end an answer that they do not let through."""


class ThunkWriter:
    """Fills one thunk.

    Args:
        action: What reads the text; None for plain text.
        schema: What the text has to look like.
        generation: What is known of the generation before it begins.
        warn: Warns the caller.
        decoder: Turns the pieces that come into pieces of the text, where they are those of a JSON string.
        casing: Puts the text, or texts in it, in another case; None to leave it as the model writes it.
    """

    def __init__(
        self,
        action: Parser[Any] | None,
        schema: OutputSchema | None,
        generation: GenerationMetadata,
        warn: Callable[[Warning], None],
        decoder: TextDecoder | None = None,
        casing: Casing | FieldCasing | None = None,
    ) -> None:
        self._action, self._decoder, self._casing = action, decoder, casing
        self._refusal = ""
        self._logprobs: list[TokenLogprob] | None = None
        self._calls: CallAssembler | None = None
        self._tools: Mapping[str, Tool] = _NO_TOOLS
        self._reader: ConstrainedReader | None = None
        self._tells_unknown_calls = True
        self._reading: Reading | None = None
        self._output = Output(None, generation=generation)
        self.warn = warn
        self._warns_of_no_answer = warns_of_no_answer()
        self._reasoning: ReasoningFilter | None = None
        self._request: ChatRequest | None = None
        self._started = 0.0
        self._place: int | None = None
        self.thunk: ModelOutputThunk[Any] = ModelOutputThunk(
            action=action, schema=schema, output=self._output
        )

    def start(self, produce: Coroutine[Any, Any, None]) -> None:
        """Let a coroutine on the running loop fill the thunk; if it fails, the thunk does."""
        self._output.start(produce, self._output.fail)

    def send(self, request: ChatRequest) -> None:
        """Note what is sent."""
        self._output.note_request(request)
        self._request, self._started = request, time.perf_counter()

    def offer(
        self, tools: Mapping[str, Tool], reader: Callable[[], ConstrainedReader] | None, *, tells: bool
    ) -> None:
        """Note what the model may call.

        Args:
            tools: The tools by name.
            reader: Makes what reads calls out of the text, where they come that way.
            tells: Whether calls of other tools are warned about.
        """
        self._tools, self._tells_unknown_calls = tools, tells
        self._reader = None if reader is None else reader()

    def read(self, sources: Sources, reading: Reading | None) -> None:
        """Note what the model reads.

        Args:
            sources: Where that comes from.
            reading: What tells where the arguments of a call come from, if it matters.
        """
        self._output.sources, self._reading = sources, reading

    def feed_one(self, chunk: Chunk) -> None:
        """Take one chunk of the answer that came first, and what one of another says beside its words."""
        if self._place is None:
            self._place = chunk.index
        if chunk.index != self._place:
            chunk = evolve(chunk, text="", thinking="", refusal="", finish_reason=None)
        self.feed(chunk)

    def feed(self, chunk: Chunk) -> None:
        """Take one chunk of the answer. What comes after the end is left out."""
        output = self._output
        if output.ended:
            return
        self._note(chunk)
        if chunk.raw is not None:
            output.raw = chunk.raw
        self._refusal += chunk.refusal
        if chunk.logprobs:
            self._logprobs = self._logprobs or []
            self._logprobs += chunk.logprobs
        if chunk.logits is not None:
            output.generation.logits = chunk.logits
        if chunk.raw_logits is not None:
            output.generation.raw_logits = chunk.raw_logits
        if chunk.thinking:
            output.thinking.append(chunk.thinking)
            if (reasoning := self._filter()) is not None:
                reasoning.begin_answer()
        if chunk.tool_calls:
            self._assemble(chunk.tool_calls)
        text = chunk.text if self._decoder is None else self._decoder.feed(chunk.text)
        if text:
            self._push(text)

    def _filter(self) -> ReasoningFilter | None:
        """Return what tells reasoning from text; None for what was not sent as a conversation."""
        request = self._request
        if self._reasoning is None and request is not None:
            self._reasoning = ReasoningFilter(
                lambda tag: any(tag in message.content for message in request.messages),
                is_whole=not request.stream,
            )
        return self._reasoning

    def _assemble(self, fragments: Sequence[ToolCallFragment]) -> None:
        if self._calls is None:
            self._calls = CallAssembler()
        self._calls.feed(fragments)

    def _note(self, chunk: Chunk) -> None:
        """Note what a chunk says beside its text."""
        output = self._output
        known = output.generation
        if known.ttfb_ms is None:
            known.ttfb_ms = (time.perf_counter() - self._started) * 1000
        if chunk.finish_reason is not None:
            known.finish_reasons = (chunk.finish_reason,)
        if chunk.usage is not None:
            known.usage = chunk.usage
        if chunk.response_id is not None and known.response_id is None:
            known.response_id = chunk.response_id
        if chunk.response_model is not None and known.response_model is None:
            known.response_model = chunk.response_model

    def _push(self, piece: str) -> None:
        reasoning = self._filter()
        if reasoning is None or reasoning.passes:
            self._show(piece)
        else:
            self._take(*reasoning.feed(piece))

    def _take(self, text: str, thinking: str) -> None:
        if thinking:
            self._output.thinking.append(thinking)
        self._show(text)

    def _show(self, text: str) -> None:
        """Hand text of the answer on; where tools come in it, what is none of their calls."""
        shown = text if self._reader is None else self._reader.feed(text)
        if shown:
            self._output.push(shown if self._casing is None else self._casing.feed(shown))

    def _end_calls(self) -> None:
        """Put the calls together; those of tools that were not offered are kept apart."""
        output = self._output
        if self._reader is not None:
            if rest := self._reader.end():
                output.push(rest)
            self._assemble(self._reader.fragments)
        if not self._calls:
            return
        calls = self._calls.calls(self._tools)
        if self._reading is not None:
            calls = [self._reading.marked(call, self._tools.get(call.name)) for call in calls]
        output.asked_calls = tuple(calls)
        output.tool_calls = [call for call in calls if call.func is not None]
        unknown = sorted({call.name for call in calls if call.func is None})
        if unknown and self._tells_unknown_calls:
            offered = ", ".join(self._tools) or "none"
            what = f"The model called {', '.join(unknown)}, which it was not offered; offered: {offered}."
            self.warn(UnknownToolWarning(f"{what} The call is left out."))

    @property
    def is_without_logprobs(self) -> bool:
        """Whether text came, and no log-probabilities with it."""
        return bool(self.thunk.text) and not self._logprobs

    def refusal(self) -> RefusalError | None:
        """Return the error for an answer that is a refusal, or that a filter has cut; None for any other."""
        known = self._output.generation
        reasons = known.finish_reasons
        if not self._refusal and not (reasons and _FILTERED.intersection(map(str.lower, reasons))):
            return None
        text = self._output.text
        where = {"backend": known.provider, "model_id": known.model}
        if self._refusal:
            what, words = f"{known.model} refuses to answer: {self._refusal.rstrip('.')}.", self._refusal
        else:
            so_far = f" after {text[:60]!r}" if text else ""
            what, words = f"A filter of the provider of {known.model} has cut the answer{so_far}.", text
        return RefusalError(what, hint="Change what is asked, or ask another model.", text=words, **where)

    def settle(self, logprobs: Any = None) -> None:
        """Take note that the text so far is the whole answer.

        Args:
            logprobs: How log-probabilities were asked for.

        Raises:
            RefusalError: It is no answer but a refusal, or a filter has cut it.
        """
        if (refusal := self.refusal()) is not None:
            raise refusal
        output = self._output
        if self._decoder is not None and (rest := self._decoder.flush()):
            self._push(rest)
        output.generation.seconds = time.perf_counter() - self._started
        output.generation.logprobs = with_alternatives(self._logprobs or (), logprobs)
        if self._reasoning is not None:
            self._take(*self._reasoning.end())
        self._end_calls()
        if output.thinking and not self._calls and not output.text.strip():
            self._note_reasoning_alone()

    @property
    def is_watched(self) -> bool:
        """Whether somebody wants to know how the answer ends, before anybody has it."""
        return bool(self._output.watchers)

    async def tell_end(self) -> None:
        """Show the complete answer to whoever watches.

        Raises:
            PluginViolationError: One of them does not let it through.
            HookFailedError: One that decides on it has failed.
        """
        output = self._output
        shown = output.copied(output.text)
        shown.no_answer = output.no_answer
        await output.tell_end(
            ModelOutputThunk(action=self._action, schema=self.thunk.schema, output=shown)  # as readers get it
        )

    async def tell_failure(self, error: BaseException) -> None:
        """Tell whoever watches that there is no answer."""
        await self._output.tell_failure(self._output.error or error, self.thunk)

    def finish(self) -> None:
        """Close the thunk with the text so far, once it is settled."""
        self._output.complete(self._become_computed)

    def _note_reasoning_alone(self) -> None:
        output, reasons = self._output, self._output.generation.finish_reasons
        output.no_answer = only_reasoned(reasons[-1] if reasons else None)
        if self._warns_of_no_answer and self.thunk.schema is None:
            message, hint = output.no_answer
            self.warn(NoAnswerWarning(f"{message} {hint}"))

    def _become_computed(self) -> None:
        if type(self.thunk) is ModelOutputThunk:
            self.thunk.__class__ = ComputedModelOutputThunk
