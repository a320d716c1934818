"""From a conversation to the messages that are sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve

from mellea.core.asking import Ask
from mellea.core.capabilities import Capability
from mellea.core.component import Span, generate_walk
from mellea.core.generate_config import GenerateConfig
from mellea.core.half_characters import without_half_characters
from mellea.core.message import Message, with_system_prompt
from mellea.core.model_api import ModelAPI, missing_capability
from mellea.core.options import ModelOption
from mellea.core.reading import Reading, read_from
from mellea.core.request import ChatRequest
from mellea.core.sources import Sources
from mellea.core.text_pattern import TextPattern
from mellea.core.tool_offer import ToolOffer
from mellea.core.tool_request import with_tools

if TYPE_CHECKING:
    from mellea.core._thunk_writer import ThunkWriter
    from mellea.core.context import Context

__all__ = ["reading_of", "render", "resolve_all"]


async def render(ask: Ask, ctx: Context, writers: Sequence[ThunkWriter]) -> ChatRequest:
    """Return a request with its messages, once everything they are made of is computed.

    What the model is told of its text stands below the last one. The writers are told what is sent.

    Args:
        ask: What is asked.
        ctx: The conversation before it.
        writers: What takes the answers.
    """
    backend, action, options, request = ask.backend, ask.action, ask.options, ask.request
    spans = [*await ctx.view(backend), action]
    await resolve_all(spans)
    messages = backend.formatter.to_chat_messages(spans)
    if system := options.get(ModelOption.SYSTEM_PROMPT):
        messages = with_system_prompt(messages, str(system))
    offer = ToolOffer()
    if ask.config.tool_calls:
        offer = ToolOffer.of(options, ctx.actions_for_available_tools() or (), action)
    request = request.with_messages(messages)
    request, tools, reader = await with_tools(
        backend, request, offer, options.get(ModelOption.MAX_NEW_TOKENS, backend.default_max_new_tokens)
    )
    sources, reading = reading_of(spans, options, offer)
    for writer in writers:
        writer.offer(tools, reader, tells=not options.get(ModelOption.TOOL_LOOP))
        writer.read(sources, reading)
    if request.schema is not None and Capability.JSON_SCHEMA not in backend.capabilities:
        request = evolve(request, messages=_telling(request.schema.prompt(), request.messages), schema=None)
    if told := _told(ask.config):
        request = request.with_messages(_telling(told, request.messages))
    _check_media(backend, request.messages)
    request = without_half_characters(request)
    for writer in writers:
        writer.send(request)
    return request


def _told(config: GenerateConfig) -> str:
    return config.format.said if isinstance(config.format, TextPattern) else ""


def reading_of(
    spans: Sequence[Span], options: Mapping[str, Any], offer: ToolOffer
) -> tuple[Sources, Reading | None]:
    """Return what an answer comes from, and what tells it of the arguments of a call, if that matters."""
    if not offer.tools:
        return read_from(spans), None
    tools = tuple(offer.tools.values())
    sources = read_from(spans, tools)
    if not any(tool.side_effects or tool.trusted for tool in tools):
        return sources, None
    return sources, Reading(spans, str(options.get(ModelOption.SYSTEM_PROMPT) or ""), tools, offer.choice)


async def resolve_all(spans: Iterable[Span]) -> None:
    """Await, concurrently, every thunk in the spans that is not computed yet.

    Raises:
        MelleaError: The error of a thunk that failed.
    """
    pending = [
        thunk
        for span in spans
        if not (type(span) is Message and span.documents is None)  # it holds none, and there may be many
        for thunk in generate_walk(span)
    ]
    if pending:
        await asyncio.gather(*(thunk.avalue() for thunk in pending))


def _check_media(backend: ModelAPI, messages: Iterable[Message]) -> None:
    if backend.capabilities >= {Capability.IMAGES, Capability.AUDIO}:
        return
    for message in messages:
        if message.images and Capability.IMAGES not in backend.capabilities:
            raise missing_capability(backend, Capability.IMAGES, ", and the prompt holds an image")
        if message.audio and Capability.AUDIO not in backend.capabilities:
            raise missing_capability(backend, Capability.AUDIO, ", and the prompt holds audio")


def _telling(wanted: str, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """Return the messages with what is wanted of the output below the last one."""
    *before, last = messages
    content = f"{last.content}\n\n{wanted}" if last.content else wanted
    return (*before, evolve(last, content=content))
