"""Compactors: what is kept of a long conversation."""

from __future__ import annotations

import asyncio
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias, TypeVar, cast

from mellea.core.component import Span
from mellea.core.context import Context, ContextGenerator
from mellea.core.errors import MelleaError, UsageError
from mellea.core.event_loop import run_sync
from mellea.core.message import Message
from mellea.core.reading import read_from
from mellea.core.response import as_usage
from mellea.core.thunk import ModelOutputThunk
from mellea.stdlib.context._newest import newest_spans
from mellea.stdlib.context.simple import SimpleContext

__all__ = [
    "Compactor",
    "InlineCompactor",
    "LLMSummarizeCompactor",
    "PinPredicate",
    "ThresholdCompactor",
    "WindowCompactor",
    "compact_with",
    "pin_nothing",
    "pin_system",
    "pin_system_and_initial_user",
    "works_inline",
]

C = TypeVar("C", bound=Context)

PinPredicate: TypeAlias = Callable[[list[Span]], int]
"""Tells how many spans at the beginning of a conversation always stay."""


def pin_nothing(spans: list[Span]) -> int:
    """Pin nothing."""
    return 0


def pin_system(spans: list[Span]) -> int:
    """Pin the system messages at the beginning."""
    count = 0
    for span in spans:
        if not (isinstance(span, Message) and span.role == "system"):
            break
        count += 1
    return count


def pin_system_and_initial_user(spans: list[Span]) -> int:
    """Pin the system messages at the beginning and the user message after them."""
    count = pin_system(spans)
    following = spans[count] if count < len(spans) else None
    return count + int(isinstance(following, Message) and following.role == "user")


class Compactor(Protocol):
    """Makes a conversation shorter."""

    def compact(self, ctx: C, *, backend: ContextGenerator | None = None) -> C:
        """Return the conversation, or a shorter one."""
        ...


class InlineCompactor(ABC):
    """A compactor cheap enough to work with every ``add``: it asks no model."""

    @property
    def works_inline(self) -> bool:
        """Whether it asks no model, as it is set up."""
        return True

    @abstractmethod
    def compact(self, ctx: C, *, backend: ContextGenerator | None = None) -> C:
        """Return the conversation, or a shorter one."""


def works_inline(compactor: object) -> bool:
    """Tell whether a compactor works with every ``add``."""
    return isinstance(compactor, InlineCompactor) and compactor.works_inline


async def compact_with(compactor: Compactor | InlineCompactor, ctx: C, backend: ContextGenerator | None) -> C:
    """Return the conversation as a compactor leaves it, without blocking the loop."""
    if works_inline(compactor):
        return compactor.compact(ctx, backend=backend)
    acompact = getattr(compactor, "acompact", None)
    if acompact is None:
        return await asyncio.to_thread(compactor.compact, ctx, backend=backend)
    return cast("C", await acompact(ctx, backend=backend))


class WindowCompactor(InlineCompactor):
    """Keeps the pinned spans and the newest ones, from what a user says on.

    An answer goes together with its question; the newest exchange always stays.

    Args:
        size: How many spans that are not pinned to keep; 0 keeps the pinned ones alone.
        pin_predicate: Which spans at the beginning always stay.

    Raises:
        UsageError: The size is negative.
    """

    def __init__(self, size: int, *, pin_predicate: PinPredicate = pin_system) -> None:
        if size < 0:
            raise UsageError(f"A window has no {size} spans.", hint="Pass size=0 or more.")
        self.size = size
        self.pin_predicate = pin_predicate

    def compact(self, ctx: C, *, backend: ContextGenerator | None = None) -> C:
        """Return the conversation with the spans between the pinned ones and the window left out."""
        spans = ctx.as_list()
        pinned = self.pin_predicate(spans)
        if len(spans) - pinned <= self.size:
            return ctx
        if not self.size:
            return cast("C", ctx.rebuilt(spans[:pinned]))
        # Where more than system messages are pinned, the conversation has begun with them.
        begun = pinned > pin_system(spans)
        newest = spans[-self.size :] if begun else newest_spans(reversed(spans[pinned:]), self.size)
        return cast("C", ctx.rebuilt([*spans[:pinned], *newest]))


class ThresholdCompactor(InlineCompactor):
    """Lets another compactor work only when the last generation used more tokens than a threshold.

    Args:
        inner: The compactor to work then.
        threshold: Tokens of the last generation, prompt and output; 0 never compacts.
    """

    def __init__(self, inner: Compactor, *, threshold: int) -> None:
        self.inner = inner
        self.threshold = threshold

    @property
    def works_inline(self) -> bool:
        """Whether the inner compactor asks no model."""
        return works_inline(self.inner)

    def _due(self, ctx: Context) -> bool:
        last = ctx.last_output()
        usage = as_usage(last.generation.usage) if last is not None else None
        return self.threshold > 0 and usage is not None and usage.total_tokens > self.threshold

    def compact(self, ctx: C, *, backend: ContextGenerator | None = None) -> C:
        """Return the conversation, compacted by the inner compactor if it is due."""
        return self.inner.compact(ctx, backend=backend) if self._due(ctx) else ctx

    async def acompact(self, ctx: C, *, backend: ContextGenerator | None = None) -> C:
        """Asynchronous twin of ``compact``."""
        return await compact_with(self.inner, ctx, backend) if self._due(ctx) else ctx


_SUMMARY_PROMPT = """Summarise the conversation below for someone who will continue it.
Keep names, numbers, decisions and open questions. Write at most ten sentences.

{conversation}"""
_SUMMARY_HEAD = "Summary of the conversation so far:\n"


class LLMSummarizeCompactor:
    """Replaces all but the newest spans by a summary that a model writes.

    It asks the model before every turn that finds more than ``keep_n`` spans; inside a ``ThresholdCompactor``
    it does so only when the conversation has grown too long. If the model fails, a warning says so and the
    conversation stays as it is.

    Args:
        default_backend: Writes the summary when the caller names no backend.
        keep_n: How many of the newest spans to keep as they are.
        pin_predicate: Which spans at the beginning always stay.
        prompt_template: The prompt; must contain ``{conversation}``.
        model_options: Options of the summarising call.

    Raises:
        UsageError: The template has no ``{conversation}``, or ``keep_n`` is negative.
    """

    def __init__(
        self,
        *,
        default_backend: ContextGenerator | None = None,
        keep_n: int = 5,
        pin_predicate: PinPredicate = pin_nothing,
        prompt_template: str | None = None,
        model_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.prompt_template = prompt_template or _SUMMARY_PROMPT
        if "{conversation}" not in self.prompt_template:
            raise UsageError(
                "The prompt template has no {conversation}.",
                hint="Put {conversation} where the text belongs.",
            )
        if keep_n < 0:
            raise UsageError(f"keep_n is {keep_n}.", hint="It is 0 or more.")
        self.default_backend = default_backend
        self.keep_n = keep_n
        self.pin_predicate = pin_predicate
        self.model_options = dict(model_options or {})

    def compact(self, ctx: C, *, backend: ContextGenerator | None = None) -> C:
        """Synchronous face of ``acompact``."""
        return run_sync(self.acompact(ctx, backend=backend))

    async def acompact(self, ctx: C, *, backend: ContextGenerator | None = None) -> C:
        """Return the conversation with its older part summarised."""
        writer = self.default_backend or backend
        if writer is None:
            raise UsageError(
                "No backend to write the summary.", hint="Pass backend=... or default_backend=...."
            )
        spans = ctx.as_list()
        pinned = self.pin_predicate(spans)
        end = len(spans) - self.keep_n
        older = spans[pinned:end]
        if len(older) < 2:
            return ctx
        try:
            summary = await self._summary(older, writer)
        except MelleaError as error:
            warnings.warn(f"The conversation was not summarised, and stays as it is: {error}", stacklevel=2)
            return ctx
        told = Message("user", _SUMMARY_HEAD + summary, sources=read_from(older))
        return cast("C", ctx.rebuilt([*spans[:pinned], told, *spans[end:]]))

    async def _summary(self, spans: list[Span], backend: ContextGenerator) -> str:
        for span in spans:
            if isinstance(span, ModelOutputThunk):
                await span.avalue()
        messages = backend.formatter.to_chat_messages(spans)
        conversation = "\n".join(f"{message.role}: {message.content}" for message in messages)
        prompt = Message("user", self.prompt_template.replace("{conversation}", conversation))
        thunk, _ = await backend.generate_from_context(
            prompt, SimpleContext(), model_options=self.model_options
        )
        async with thunk:
            return await thunk.avalue()
