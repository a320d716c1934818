"""What is asked of a backend, and what can be checked of it before the messages are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from mellea.core.adapter import adapter_of
from mellea.core.blocks import AudioBlock, AudioUrlBlock, ImageBlock, ImageUrlBlock
from mellea.core.budget import check_affordable
from mellea.core.capabilities import Capability
from mellea.core.component import Span, is_component
from mellea.core.generate_config import GenerateConfig
from mellea.core.message import Message
from mellea.core.model_api import ModelAPI, missing_capability
from mellea.core.options import ModelOption, translate_options
from mellea.core.request import ChatRequest
from mellea.core.schema import OutputSchema, with_bound_quotes
from mellea.core.text_pattern import TextPattern
from mellea.core.time_limits import check_retries
from mellea.core.tool import check_names

__all__ = ["Ask", "check_logprobs", "options_of", "schema_of", "unenforced"]


@frozen(eq=False)
class Ask:
    """One generation that is asked of a backend.

    Args:
        backend: The backend.
        action: What the model is asked.
        config: How the output is to be generated, as the call says it.
        options: The options of backend and call, under common names.
        request: What is sent, still without messages.
    """

    backend: ModelAPI
    action: Span
    config: GenerateConfig
    options: Mapping[str, Any]
    request: ChatRequest

    @classmethod
    def of(cls, backend: ModelAPI, action: Span, config: GenerateConfig) -> Ask:
        """Return it, checked.

        Raises:
            UsageError: The format, an option or a capability is wrong; nothing was sent.
        """
        held = config.format if isinstance(config.format, TextPattern) else None
        bounded = config
        if held is not None:
            bounded = held.bounded(config.over(backend.model_options, table=backend.options))
        options, native = options_of(backend, bounded)
        tools = options.get(ModelOption.TOOLS)
        check_names(tools)
        wants_tools = config.tool_calls or tools
        if wants_tools and not backend.capabilities & {Capability.TOOLS, Capability.JSON_SCHEMA}:
            raise missing_capability(backend, Capability.TOOLS, hint=None)
        check_logprobs(backend, options)
        check_affordable(backend)
        _check_blocks(backend, action)
        wanted = config.stream or options.get(ModelOption.STREAM, False)
        stream = bool(wanted) and Capability.STREAMING in backend.capabilities
        schema = schema_of(config)
        schema = schema and with_bound_quotes(schema, [action])
        adapter = adapter_of(backend, options)
        request = ChatRequest(backend.model_id, (), native, schema, stream, adapter=adapter)
        return cls(backend, action, config, options, request)


def check_logprobs(backend: ModelAPI, options: Mapping[str, Any]) -> None:
    """Refuse log-probabilities where the backend gives none."""
    if options.get(ModelOption.LOGPROBS) and Capability.LOGPROBS not in backend.capabilities:
        raise missing_capability(backend, Capability.LOGPROBS, ", and LOGPROBS asks for them", hint=None)


def schema_of(config: GenerateConfig) -> OutputSchema | None:
    """Return what a format holds the output to."""
    if isinstance(config.format, TextPattern):
        return config.format.schema()
    return OutputSchema.of(config.format) if config.format is not None else None


def unenforced(backend: ModelAPI, schema: OutputSchema | None) -> tuple[str, ...]:
    """Return what of a schema the backend cannot hold the model to."""
    if schema is None:
        return ()
    if Capability.JSON_SCHEMA not in backend.capabilities:
        return ("$: the schema as a whole",)
    return schema.in_dialect(backend.schema_dialect).unsaid


def options_of(backend: ModelAPI, config: GenerateConfig) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the merged options, under common names and under the provider's own."""
    if not config.options and not backend.model_options:
        return {}, {}
    options = dict(config.over(backend.model_options, table=backend.options).options)
    check_retries(options.get(ModelOption.MAX_RETRIES))
    native = translate_options(
        options,
        backend.options,
        backend=backend.provider,
        strict=backend.strict_options,
        reported=backend.reported_options(),
    )
    return options, native


def _check_blocks(backend: ModelAPI, span: Span) -> None:
    """Refuse at once what the action itself contains; what only rendering shows is refused then."""
    if type(span) is Message and not (span.documents or span.images or span.audio):
        return  # it is all text
    missing = {Capability.IMAGES, Capability.AUDIO} - backend.capabilities
    if missing and is_component(span):
        for part in span.parts():
            _check_blocks(backend, part)
    elif Capability.IMAGES in missing and isinstance(span, ImageBlock | ImageUrlBlock):
        raise missing_capability(backend, Capability.IMAGES, ", and the prompt holds an image", hint=None)
    elif Capability.AUDIO in missing and isinstance(span, AudioBlock | AudioUrlBlock):
        raise missing_capability(backend, Capability.AUDIO, ", and the prompt holds audio", hint=None)
