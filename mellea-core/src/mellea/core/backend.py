"""What a program calls: a model behind one face, whoever provides it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from mellea.core import generation
from mellea.core._chunk_stream import make_ready
from mellea.core.adapter import for_adapter
from mellea.core.adapter_call import adapter_call
from mellea.core.capabilities import Capability
from mellea.core.component import generate_walk
from mellea.core.generate_config import GenerateConfig
from mellea.core.hooks import around, listens
from mellea.core.model_api import ModelAPI
from mellea.core.prompting import resolve_all
from mellea.core.schema import OutputSchema
from mellea.core.text_pattern import TextPattern
from mellea.core.time_limits import check_retries

if TYPE_CHECKING:
    from mellea.core.component import Span
    from mellea.core.context import Context
    from mellea.core.embedding import Embeddings
    from mellea.core.formatter import ChatFormatter
    from mellea.core.model_identifier import ModelIdentifier
    from mellea.core.thunk import ModelOutputThunk

__all__ = ["Backend", "BaseModelSubclass", "FormatterBackend", "generate_walk"]

BaseModelSubclass = TypeVar("BaseModelSubclass")
"""A pydantic class given as ``format``."""


class Backend(ModelAPI):
    """Something that generates text: the caller's half over the author's.

    Args:
        model_id: The model, as the provider names it.
        formatter: Turns spans into messages; by default a ``TemplateFormatter`` for the model.
        model_options: Options of every call, which sessions and calls override.
        strict_options: Whether an option that cannot be honoured is an error instead of a warning.
        max_retries: How often a request is sent again after a failure that may pass, unless
            ``ModelOption.MAX_RETRIES`` says otherwise; 2 for None.

    Raises:
        UsageError: ``max_retries`` is no number from 0 on.
    """

    def __init__(
        self,
        model_id: str | ModelIdentifier = "",
        formatter: ChatFormatter | None = None,
        *,
        model_options: Mapping[str, Any] | None = None,
        strict_options: bool = False,
        max_retries: int | None = None,
    ) -> None:
        check_retries(max_retries, name="max_retries")
        self.max_retries = max_retries
        self.model_id = model_id if isinstance(model_id, str) else next(iter(model_id.names()), "")
        self.model_options = dict(model_options or {})
        self.strict_options = strict_options
        self._formatter = formatter

    async def supports(self, capability: Capability) -> bool:
        """Tell whether the backend can do something; override it where the server must be asked first.

        Raises:
            ProviderError: The backend had to ask its server, and failed.
        """
        await make_ready(self)
        return capability in self.capabilities

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
        if listens("generation"):
            config = GenerateConfig(format, model_options, tool_calls)
            return await _announced(Backend._generate, self, action, ctx, config)
        return await self._generate(
            action, ctx, format=format, model_options=model_options, tool_calls=tool_calls
        )

    async def _generate(
        self,
        action: Span,
        ctx: Context,
        *,
        format: Any,
        model_options: Mapping[str, Any] | None,
        tool_calls: bool,
    ) -> tuple[ModelOutputThunk[Any], Context]:
        call = None
        if hasattr(type(action), "asked_of"):
            await make_ready(self)
            config = GenerateConfig(format, model_options, tool_calls)
            action, config, adapter = for_adapter(self, action, config)
            format, model_options = config.format, config.options
            call = adapter_call(adapter)
        thunk, after = await self._generate_from_context(
            action, ctx, format=format, model_options=model_options or {}, tool_calls=tool_calls
        )
        if call is not None:
            thunk.watch(call)
        plain = format is None or isinstance(format, TextPattern)
        thunk.attach_parsers(generation.parser_of(action), None if plain else OutputSchema.of(format))
        return thunk, after

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if (own := vars(cls).get("generate_from_context")) is not None:
            cls.generate_from_context = _heard(own)  # type: ignore[method-assign]

    async def do_generate_walk(self, action: Span) -> None:
        """Await, side by side, every output below an action that is not computed yet."""
        await resolve_all([action])

    async def do_generate_walks(self, actions: Sequence[Span]) -> None:
        """Await, side by side, every output below actions that is not computed yet."""
        await resolve_all(actions)

    async def _generate_from_context(
        self,
        action: Span,
        ctx: Context,
        *,
        format: Any = None,
        model_options: Mapping[str, Any],
        tool_calls: bool = False,
    ) -> tuple[ModelOutputThunk[Any], Context]:
        """Generate from a context.

        Programs written before ``stream_chat`` existed override this one instead.
        """
        await make_ready(self)
        if isinstance(format, TextPattern):
            await self.supports(Capability.REGEX)  # a server may have to be asked how it takes one
        thunk = generation.start_chat(self, action, ctx, GenerateConfig(format, model_options, tool_calls))
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
        config = GenerateConfig(format, model_options, tool_calls)
        if not listens("generation"):
            return await self._completed(actions, ctx, config)
        from mellea.core.generation_hooks import BatchCall, beginning  # noqa: PLC0415  see listens

        call = BatchCall(self, actions)
        try:
            config = await call.begin(config)
            begun = beginning.set(call)
            try:
                with around(call.generation_id):
                    thunks = await self._completed(actions, ctx, config)
            finally:
                beginning.reset(begun)
        except BaseException as error:
            await call.failed(error)
            raise
        await call.ended(thunks)
        return thunks

    async def _completed(
        self, actions: Sequence[Span], ctx: Context | None, config: GenerateConfig
    ) -> list[ModelOutputThunk[Any]]:
        thunks: Any = await self._generate_from_raw(
            actions, ctx, format=config.format, model_options=config.options, tool_calls=config.tool_calls
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
        await make_ready(self)
        return await generation.complete(self, actions, GenerateConfig(format, model_options, tool_calls))

    async def embed(self, texts: Sequence[str], *, dimensions: int | None = None) -> Embeddings:
        """Return a vector for each text: those of texts of similar meaning point in similar directions.

        Many texts go in several requests, side by side where the backend works so.

        Args:
            texts: The texts, none of them empty.
            dimensions: The length of the vectors, for models that can shorten them.

        Returns:
            The vectors, float32 of shape (n, d) and of length 1.

        Raises:
            CapabilityError: The backend does not declare ``EMBEDDINGS``, or does not shorten vectors.
            UsageError: A text is empty or none, or NumPy is not installed; nothing was sent.
            ContextWindowError: A text is too long for the model.
            ProviderError: The provider failed, or gave what is no vector.

        Warns:
            PromptCutWarning: The server has cut a text without a word.
        """
        from mellea.core.embedding import embed  # noqa: PLC0415  few programs embed

        await make_ready(self)
        return await embed(self, texts, dimensions=dimensions)

    def __repr__(self) -> str:
        shown = [f"model_id={self.model_id!r}"]
        if hasattr(self, "base_url"):
            from mellea.core.redaction import redacted  # noqa: PLC0415  few programs print a backend

            given = getattr(self, "given_url", self.base_url)
            shown.append(f"base_url={redacted(given)!r}" if given else "base_url=None")
        if getattr(self, "has_key", False):
            shown.append("api_key='***'")
        return f"{type(self).__name__}({', '.join(shown)})"


_Generate: TypeAlias = "Callable[..., Coroutine[Any, Any, tuple[ModelOutputThunk[Any], Context]]]"


def _heard(own: _Generate) -> _Generate:
    """Return a backend's own ``generate_from_context`` as one of which the handlers of hooks are told."""

    @functools.wraps(own)
    async def generate_from_context(
        self: Backend, action: Span, ctx: Context, **asked: Any
    ) -> tuple[ModelOutputThunk[Any], Context]:
        if not listens("generation"):
            return await own(self, action, ctx, **asked)
        config = GenerateConfig(
            asked.pop("format", None), asked.pop("model_options", None), asked.pop("tool_calls", False)
        )
        return await _announced(functools.partial(own, **asked), self, action, ctx, config)

    return generate_from_context


async def _announced(
    generate: _Generate, backend: Backend, action: Span, ctx: Context, config: GenerateConfig
) -> tuple[ModelOutputThunk[Any], Context]:
    """Start a generation of which the handlers of hooks are told, unless it is part of one already."""
    from mellea.core.generation_hooks import GenerationCall, beginning  # noqa: PLC0415  see listens

    if beginning.get() is not None:
        return await generate(backend, action, ctx, **_asked(config))
    call = GenerationCall(backend, action, ctx)
    try:
        config = await call.begin(config)
        begun = beginning.set(call)
        try:
            thunk, after = await generate(backend, action, ctx, **_asked(config))
        finally:
            beginning.reset(begun)
        if not call.taken and not thunk.watch(call):
            await (call.ended(thunk) if thunk.error is None else call.failed(thunk.error, thunk))
    except BaseException as error:
        await call.failed(error)
        raise
    return thunk, after


def _asked(config: GenerateConfig) -> dict[str, Any]:
    return {"format": config.format, "model_options": config.options, "tool_calls": config.tool_calls}


FormatterBackend = Backend
"""The name under which programs subclass a backend that has a formatter; every backend has one."""
