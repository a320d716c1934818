"""What is known of one output: a writer fills it, a thunk shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from attrs import evolve

from mellea.core._broadcast import Broadcast, cancelled_error
from mellea.core.metadata import GenerateLog, GenerationMetadata
from mellea.core.tool_call import ModelToolCall

if TYPE_CHECKING:
    from mellea.core.sources import Sources

__all__ = ["Output", "SentMessage", "SentRequest", "Watcher"]


class Watcher(Protocol):
    """Whoever is told how an output ends, before anybody has it. It is told once."""

    async def ended(self, output: Any) -> None:
        """Look at a complete output; what is raised here, the output fails with."""

    async def failed(self, error: BaseException, output: Any = None) -> None:
        """Take note that it fails."""


class SentMessage(Protocol):
    """A message as it was sent."""

    @property
    def role(self) -> str:
        """Who says it."""
        ...

    @property
    def content(self) -> str:
        """Its text."""
        ...


class SentRequest(Protocol):
    """What tells what was sent."""

    @property
    def messages(self) -> Sequence[SentMessage]:
        """The conversation, oldest first."""
        ...

    @property
    def options(self) -> Mapping[str, Any]:
        """Options under the provider's own names."""
        ...


class Output(Broadcast):
    """A text on its way or complete, and what is known beside it.

    Args:
        value: The text; None when a writer will fill it.
        thinking: The reasoning.
        generation: What is known of the generation.
        raw: The provider's last value.
        request: What was sent.
        tool_calls: Tool calls that the model asks for.
        asked_calls: Those, and calls of tools that it was not offered.
        sources: Where the text comes from; None where nobody knows.
    """

    def __init__(
        self,
        value: str | None,
        *,
        thinking: str | None = None,
        generation: GenerationMetadata | None = None,
        raw: Any = None,
        request: SentRequest | None = None,
        tool_calls: Sequence[ModelToolCall] = (),
        asked_calls: Sequence[ModelToolCall] = (),
        sources: Sources | None = None,
    ) -> None:
        super().__init__([value] if value else [], done=value is not None)
        self.value = value
        self.thinking: list[str] = [thinking] if thinking else []
        self.generation = GenerationMetadata() if generation is None else generation
        self.raw = raw
        self.request = request
        self.tool_calls = list(tool_calls) if tool_calls else None
        self.asked_calls = tuple(asked_calls)
        self.sources = sources
        self.no_answer: tuple[str, str] | None = None
        """Why the text is no answer, and what to do about it."""
        self.watchers: tuple[Watcher, ...] = ()
        self._keeps_prompt = True
        self._on_failure: tuple[Callable[[], None], ...] = ()

    @property
    def text(self) -> str:
        """The text so far."""
        return self.value if self.value is not None else "".join(self.pieces)

    def copied(self, text: str | None) -> Output:
        """Return a copy of what is complete, with this text.

        Why there is no answer is told of the same text alone.
        """
        copied = Output(
            text,
            thinking="".join(self.thinking) or None,
            generation=evolve(self.generation),
            raw=self.raw,
            request=self.request,
            tool_calls=self.tool_calls or (),
            asked_calls=self.asked_calls,
            sources=self.sources,
        )
        copied.no_answer = self.no_answer if text == self.value else None
        return copied

    def watch(self, watcher: Watcher) -> bool:
        """Let somebody know how the text ends; tell whether that is still to come."""
        if self.ended or self._task is None:
            return False
        self.watchers += (watcher,)
        return True

    def writer_left(self, error: BaseException | None) -> None:
        """Tell whoever watches and was told nothing, as where the writer was stopped before it began."""
        if self.watchers:
            from mellea.core.hook_tasks import start_background_task  # noqa: PLC0415  only with a watcher

            start_background_task(self.tell_failure(error or cancelled_error()))

    async def tell_end(self, output: Any) -> None:
        """Tell whoever watches that the text is complete, before anybody has it.

        Args:
            output: A thunk with it.

        Raises:
            PluginViolationError: One of them does not let it through; the others are told as of a failure.
            HookFailedError: One that decides on it has failed.
        """
        while self.watchers:
            watcher, *others = self.watchers
            try:
                await watcher.ended(output)
            except Exception:
                self.watchers = tuple(others)
                raise
            self.watchers = tuple(others)

    async def tell_failure(self, error: BaseException, output: Any = None) -> None:
        """Tell whoever watches that the text fails.

        Args:
            error: Why.
            output: The thunk.
        """
        while self.watchers:
            watcher, *others = self.watchers
            self.watchers = tuple(others)
            await watcher.failed(error, output)

    def log(self, action: Any, result: Any) -> GenerateLog | None:
        """Return the record of the generation; None where nobody knows what was sent.

        Args:
            action: What was asked.
            result: What the program has of it.
        """
        if self.request is None:
            return None
        from mellea.core.redaction import redacted  # noqa: PLC0415  few programs look at the log

        return GenerateLog(
            prompt=[{"role": message.role, "content": message.content} for message in self.request.messages],
            backend=self.generation.provider or "",
            model_options=redacted(dict(self.request.options)),
            model_output=self.value,
            action=action,
            result=result,
        )

    def note_request(self, request: SentRequest) -> None:
        """Remember what is sent, unless nobody wants to know."""
        if self._keeps_prompt:
            self.request = request

    def release_prompt(self) -> None:
        """Forget what was, or will be, sent: it holds the whole conversation so far."""
        self._keeps_prompt, self.request = False, None

    def on_failure(self, callback: Callable[[], None]) -> None:
        """Call something when the text ends with an error, before anybody sees that end."""
        self._on_failure += (callback,)

    def complete(self, settle: Callable[[], None]) -> None:
        """End with the text so far.

        Args:
            settle: Called before anybody sees that end.
        """

        def publish() -> None:
            self.value = "".join(self.pieces)
            if len(self.pieces) > 1 and self.value:
                # Kept once: readers under way have the old list, and the first one yet to come gets it.
                self.came, self.pieces = self.pieces, [self.value]
            settle()

        self.end(None, publish)
        self._on_failure = ()

    def fail(self, error: BaseException) -> None:
        """End with an error."""
        try:
            self.end(error, self._tell_failure)
        finally:
            self._on_failure = ()

    def abandon(self) -> None:
        """End with a ``GenerationCancelledError`` if nothing else has, without waiting for the writer."""
        self.stop_soon(self.fail)

    def _tell_failure(self) -> None:
        for callback in self._on_failure:
            callback()
