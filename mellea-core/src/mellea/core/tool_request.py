"""A request with its tools: by the provider's own protocol, or by constraint where that has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import evolve

from mellea.core.capabilities import Capability
from mellea.core.model_api import ModelAPI, missing_capability
from mellea.core.request import ChatRequest
from mellea.core.tool import Tool
from mellea.core.tool_constraint import ConstrainedReader, answer_schema, told_as_text, with_tools_told
from mellea.core.tool_offer import ToolOffer

__all__ = ["with_tools"]

_SEVERAL = "parallel_tool_calls"


async def with_tools(
    backend: ModelAPI, request: ChatRequest, offer: ToolOffer, room: Any = None
) -> tuple[ChatRequest, Mapping[str, Tool], Callable[[], ConstrainedReader] | None]:
    """Return a request with its tools, those that may be called, and what makes a reader of calls in text.

    Args:
        backend: What is asked.
        request: The request with its messages.
        offer: What is offered.
        room: The most tokens of the answer, if a call says so.

    Raises:
        CapabilityError: The backend can carry out neither way.
    """
    speaks_of_tools = any(message.tool_calls or message.role == "tool" for message in request.messages)
    if not offer.tools and not speaks_of_tools:
        return request, {}, None
    format = request.schema
    offered = offer.chosen()
    if await backend.calls_tools(offer.choice, with_schema=format is not None):
        native = evolve(request, tools=tuple(offer.tools.values()), tool_choice=offer.choice)
        return native, offered.tools, None
    can = Capability.JSON_SCHEMA in backend.capabilities
    # Where calls stand in the conversation, a model that may call no more is held to an answer.
    constrains = bool(offered.tools) or (can and bool(offer.tools) and speaks_of_tools)
    if constrains and not can:
        raise missing_capability(backend, Capability.TOOLS, f" for the choice {offer.choice!r}")
    messages = told_as_text(request.messages, as_json=constrains)
    options = {name: value for name, value in request.options.items() if name != _SEVERAL}
    if not constrains:
        return evolve(request, messages=tuple(messages), options=options), {}, None
    told = with_tools_told(messages, offered, format)
    held = evolve(request, messages=tuple(told), options=options, schema=answer_schema(offered, format, room))
    return held, offered.tools, lambda: ConstrainedReader(answers_text=format is None)
