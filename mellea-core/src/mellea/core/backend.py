"""The backend contract: a request value goes in, a stream of chunks comes out.

An author implements ``stream_chat``, and ``complete`` where plain completion exists, and declares ``capabilities``. All else
(resolving thunks, linearising the context, rendering, options, checks, time-outs, the thunk's life) is written once here
and in ``mellea.core.generation``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from mellea.core import generation
from mellea.core.capabilities import Capabilities, Capability
from mellea.core.component import generate_walk
from mellea.core.errors import CapabilityError, MelleaError
from mellea.core.event_loop import run_sync
from mellea.core.options import OptionTable

if TYPE_CHECKING:
    from mellea.core.component import Span
    from mellea.core.context import Context
    from mellea.core.formatter import ChatFormatter
    from mellea.core.message import Message
    from mellea.core.model_identifier import ModelIdentifier
    from mellea.core.request import ChatRequest, Chunk, Completion, CompletionRequest
    from mellea.core.thunk import ModelOutputThunk

__all__ = ["Backend", "BaseModelSubclass", "FormatterBackend", "generate_walk"]

BaseModelSubclass = TypeVar("BaseModelSubclass")
"""A pydantic class given as ``format``."""


class Backend:
    """Something that generates text.

    Args:
        model_id: The model, as the provider names it.
        formatter: Turns spans into messages; by default a ``TemplateFormatter`` for the model.
        model_options: Options of every call, which sessions and calls override.
        strict_options: Whether an option that cannot be honoured is an error instead of a warning.
    """

    provider: ClassVar[str] = "unnamed"
    """The name under which errors, reports and metadata speak of this kind of backend."""
    capabilities: Capabilities = frozenset()
    """What the backend can do; asking for anything else fails before a request is sent."""
    options: OptionTable = OptionTable({}, {})
    """The provider's names of the common options."""

    concurrent: ClassVar[bool] = True
    """Whether simultaneous requests run side by side; where they do not, judges put all questions into one."""

    model_id: str = ""
    model_options: Mapping[
        str, Any
    ] = {}  # a default for subclasses that do not call __init__; never modified
    strict_options: bool = False
    _formatter: ChatFormatter | None = None
    _reported: set[str] | None = None

    def __init__(
        self,
        model_id: str | ModelIdentifier = "",
        formatter: ChatFormatter | None = None,
        *,
        model_options: Mapping[str, Any] | None = None,
        strict_options: bool = False,
    ) -> None:
        self.model_id = model_id if isinstance(model_id, str) else next(iter(model_id.names()), "")
        self.model_options = dict(model_options or {})
        self.strict_options = strict_options
        self._formatter = formatter

    # The contract

    def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """Continue a conversation. Implement it as an asynchronous generator of chunks.

        Closing the generator (``aclose``, or cancellation at an ``await`` in it) must stop the provider's work.
        """
        raise CapabilityError(
            f"{type(self).__name__} does not chat.",
            missing="chat",
            hint="Choose a backend that implements stream_chat.",
        )

    async def complete(self, request: CompletionRequest) -> Sequence[Completion]:
        """Complete plain texts, in the order of the prompts. Implement it and declare ``Capability.RAW``."""
        raise generation.missing_capability(self, Capability.RAW)

    async def count_tokens(self, messages: Sequence[Message]) -> int | None:
        """Return the tokens of a conversation, or None if the backend cannot tell."""
        return None

    def translate_error(self, error: Exception) -> MelleaError | None:
        """Return our error for one of the provider's library, or None if it is unknown. The original is chained."""
        return None

    async def aclose(self) -> None:
        """Release clients, models and threads. Calling it again does nothing."""

    # What is built on it

    @property
    def formatter(self) -> ChatFormatter:
        """Turns spans into messages."""
        if self._formatter is None:
            from mellea.core.templates import TemplateFormatter  # noqa: PLC0415  Jinja loads only with the first template

            self._formatter = TemplateFormatter(self.model_id)
        return self._formatter

    def close(self) -> None:
        """Synchronous face of ``aclose``."""
        run_sync(self.aclose())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def generate_from_context(
        self,
        action: Span,
        ctx: Context,
        *,
        format: Any = None,
        model_options: Mapping[str, Any] | None = None,
        tool_calls: bool = False,
    ) -> tuple[ModelOutputThunk[Any], Context]:
        """Start the generation of an answer to ``action`` in a context.

        Args:
            action: What the model is asked.
            ctx: The conversation that led here.
            format: A pydantic class or JSON schema that the output must fit.
            model_options: Options of this call.
            tool_calls: Whether the model may call tools.

        Returns:
            The thunk, already on its way, and the context with the action and the thunk added.

        Raises:
            UsageError: The format, an option or a capability is wrong; nothing was sent.
        """
        thunk, after = await self._generate_from_context(
            action, ctx, format=format, model_options=model_options or {}, tool_calls=tool_calls
        )
        generation.attach_parsers(thunk, action, format)
        return thunk, after

    async def _generate_from_context(
        self,
        action: Span,
        ctx: Context,
        *,
        format: Any = None,
        model_options: Mapping[str, Any],
        tool_calls: bool = False,
    ) -> tuple[ModelOutputThunk[Any], Context]:
        """Generate from a context. Programs written before ``stream_chat`` existed override this one instead."""
        thunk = generation.start_chat(
            self, action, ctx, format=format, model_options=model_options, tool_calls=tool_calls
        )
        return thunk, ctx.add(action).add(thunk)

    async def generate_from_raw(
        self,
        actions: Sequence[Span],
        ctx: Context | None = None,
        *,
        format: Any = None,
        model_options: Mapping[str, Any] | None = None,
        tool_calls: bool = False,
    ) -> list[ModelOutputThunk[Any]]:
        """Complete the plain texts of the actions, without a chat template, in one batch.

        Args:
            actions: What to complete; each is rendered to text.
            ctx: Not looked at; kept for programs that pass it.
            format: A pydantic class or JSON schema that each output must fit.
            model_options: Options of this call.
            tool_calls: Plain completion calls no tools; True is an error.

        Returns:
            One computed thunk for each action, in order.

        Raises:
            CapabilityError: The backend does not declare ``RAW``, or tools are asked for.
            ProviderError: The provider failed.
        """
        thunks: Any = await self._generate_from_raw(
            actions, ctx, format=format, model_options=model_options or {}, tool_calls=tool_calls
        )
        made: list[ModelOutputThunk[Any]] = thunks[0] if isinstance(thunks, tuple) else thunks
        return made

    async def _generate_from_raw(
        self,
        actions: Sequence[Span],
        ctx: Context | None,
        *,
        format: Any = None,
        model_options: Mapping[str, Any],
        tool_calls: bool = False,
    ) -> list[ModelOutputThunk[Any]]:
        return await generation.complete(
            self, actions, format=format, model_options=model_options, tool_calls=tool_calls
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}(model_id={self.model_id!r})"


FormatterBackend = Backend
"""The name under which programs subclass a backend that has a formatter; every backend has one."""
