"""What an author of a backend implements: a request value goes in, a stream of chunks comes out.

An author implements ``stream_chat``, and ``complete`` where plain completion exists, and declares
``capabilities``. All else (resolving thunks, linearising the context, rendering, options, checks, time-outs,
the thunk's life) is written once in ``mellea.core.generation``; what programs call is
``mellea.core.backend.Backend``, of which an author makes a subclass.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from mellea.core.capabilities import Capabilities, Capability, SchemaDialect
from mellea.core.errors import CapabilityError, MelleaError
from mellea.core.event_loop import Closeable
from mellea.core.options import ModelOption, OptionTable

if TYPE_CHECKING:
    from mellea.core.formatter import ChatFormatter
    from mellea.core.message import Message
    from mellea.core.price import Price
    from mellea.core.request import ChatRequest, CompletionRequest, EmbeddingRequest
    from mellea.core.response import Chunk, Completion, EmbeddingResponse
    from mellea.core.steering.forms import Form

__all__ = ["LIST_CAPABILITIES", "ModelAPI", "missing_capability"]

LIST_CAPABILITIES = "See what the installed backends declare with: mellea backends"
"""The remedy where nobody is there to name the backends that could."""


class ModelAPI(Closeable):
    """The author's half of a backend."""

    provider: ClassVar[str] = "unnamed"
    """The name under which errors, reports and metadata speak of this kind of backend."""
    capabilities: Capabilities = frozenset()
    """What the backend can do; asking for anything else fails before a request is sent."""
    options: OptionTable = OptionTable({}, {})
    """The provider's names of the common options."""
    schema_dialect: SchemaDialect = SchemaDialect.PLAIN
    """Which words of JSON schemas the engine keeps; what it cannot be told is known on the output."""
    plain_patterns: bool = False
    """Whether a text that is held to a pattern comes as it is, and not as a JSON string.

    Such an engine takes ``ChatRequest.schema.plain_pattern``.
    """
    concurrent: ClassVar[bool] = True
    """Whether simultaneous requests run side by side.

    Where they do not, judges put all questions into one.
    """

    texts_per_embedding: ClassVar[int] = 64
    """How many texts at most are embedded by one request."""
    default_max_new_tokens: ClassVar[int | None] = None
    """The most tokens of an answer where no option says so; None for no bound of its own."""

    model_id: str = ""
    model_options: Mapping[
        str, Any
    ] = {}  # a default for subclasses that do not call __init__; never modified
    strict_options: bool = False
    max_retries: int | None = None
    """How often a request is sent again after a failure that may pass; None for 2.

    See ``ModelOption.MAX_RETRIES``, which counts more.
    """
    inner_backends: Sequence[ModelAPI] = ()
    """What a backend stands in front of; their secrets are kept out of its errors too."""
    price: Price | None = None
    """What its tokens cost, where the program or the backend says so; else a table of prices is asked."""
    origin: str = ""
    """The plugin that it comes from, for errors; set when it is opened by name."""
    promised: Capabilities = frozenset()
    """What that plugin's manifest says that it can do."""
    _formatter: ChatFormatter | None = None
    _reported: set[str] | None = None

    @property
    def billed_by(self) -> str | None:
        """Whom its answers are paid to, as tables of prices name it: a provider, or its server's address."""
        return self.provider

    async def ready(self) -> None:
        """Find out what is not known when the backend is made, such as capabilities.

        Awaited before they are read.
        """

    def stream_chat(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """Continue a conversation. Implement it as an asynchronous generator of chunks.

        Closing the generator (``aclose``, or cancellation at an ``await`` in it) must stop the provider's
        work.
        """
        raise CapabilityError(
            f"Backend {self.described()} does not chat: {type(self).__name__} has no stream_chat.",
            missing="chat",
            hint="Choose a backend that implements stream_chat.",
            backend=self.provider,
            model_id=self.model_id,
        )

    async def calls_tools(self, choice: str, *, with_schema: bool) -> bool:
        """Tell whether the provider's own protocol for tools can carry out a request.

        By default it can where ``TOOLS`` is declared. Where it cannot, and ``JSON_SCHEMA`` is declared, the
        model is held to a schema that lets it choose among the tools, and the backend sees no tools.

        Args:
            choice: ``auto``, ``required``, ``none``, or the name of the tool that has to be called.
            with_schema: Whether the answer has to fit a schema besides.
        """
        return Capability.TOOLS in self.capabilities

    async def complete(self, request: CompletionRequest) -> Sequence[Completion]:
        """Complete plain texts, in the order of the prompts. Implement it and declare ``Capability.RAW``."""
        if Capability.RAW not in self.capabilities:
            raise missing_capability(self, Capability.RAW)
        raise CapabilityError(
            f"Backend {self.described()} declares 'raw', and {type(self).__name__} has no complete; "
            "nothing was sent.",
            missing=Capability.RAW.value,
            hint="Implement complete, or leave the capability out.",
            backend=self.provider,
            model_id=self.model_id,
        )

    async def embed_texts(self, request: EmbeddingRequest) -> EmbeddingResponse:
        """Give plain texts a vector each, in one request.

        Implement it and declare ``Capability.EMBEDDINGS``; ``stream_chat`` is not needed for that.
        """
        raise missing_capability(self, Capability.EMBEDDINGS)

    def draws_for_patterns(self, temperature: float, repetition_penalty: float) -> Mapping[str, Any]:
        """Return the options of a call that is held to a pattern and says nothing else.

        Override it where the engine has a repetition penalty, or takes no temperature.

        Args:
            temperature: The temperature that such texts come out well with.
            repetition_penalty: The factor that suits them, over the last 256 tokens.
        """
        return {ModelOption.TEMPERATURE: temperature}

    async def holds(self, forms: Sequence[Form]) -> Sequence[str] | None:
        """Return for each form why a text cannot be held to it beside those before; nothing where it can.

        None if the backend has no automata for forms: a pattern of all then steers, where it keeps patterns.
        A call that is held to forms has them in its schema. Where one asks for a case, the text is put in it
        behind the backend: the automata read each letter in that case, whichever the model writes.

        Raises:
            ContradictionError: No text can have two of the forms.
        """
        return None

    async def count_tokens(self, messages: Sequence[Message]) -> int | None:
        """Return the tokens of a conversation, or None if the backend cannot tell."""
        return None

    async def whole_words(self, words: Collection[str]) -> Collection[str] | None:
        """Return those of some words in small letters that the model's tokenizer has whole, in any case.

        None if the backend cannot tell. What is written of other words is often none, which is how a steered
        text is seen to go wrong.
        """
        return None

    def translate_error(self, error: Exception) -> MelleaError | None:
        """Return our error for one of the provider's library, or None if it is unknown.

        The original is chained.
        """
        return None

    async def aclose(self) -> None:
        """Release clients, models and threads. Calling it again does nothing."""

    @property
    def formatter(self) -> ChatFormatter:
        """Turns spans into messages; by default a ``TemplateFormatter`` for the model."""
        if self._formatter is None:
            from mellea.core.templates import TemplateFormatter  # noqa: PLC0415  Jinja loads with the first template

            self._formatter = TemplateFormatter(self.model_id)
        return self._formatter

    def described(self) -> str:
        """Return how errors about its author's part speak of it: its name, and the plugin if there is one."""
        return f"{self.provider!r} ({self.origin})" if self.origin else repr(self.provider)

    def reported_options(self) -> set[str]:
        """Return the names of the options that have been reported as not supported, to be added to."""
        if self._reported is None:  # made here, because a subclass need not call __init__
            self._reported = set()
        return self._reported


def missing_capability(
    backend: ModelAPI, capability: Capability, why: str = "", *, hint: str | None = LIST_CAPABILITIES
) -> CapabilityError:
    """Return the error for something that a backend does not declare.

    Without a hint, a session names the backends that do.
    """
    declared: Any = type(backend).capabilities
    if capability in backend.promised and not isinstance(declared, property) and capability not in declared:
        why = f"{why}, although the manifest of {backend.origin} does"
        hint = f"Add it to {type(backend).__name__}.capabilities, or take it out of the manifest."
    return CapabilityError(
        f"Backend {backend.provider!r} does not declare {capability.value!r}{why}; nothing was sent.",
        hint=hint,
        missing=capability.value,
        backend=backend.provider,
        model_id=backend.model_id,
    )
