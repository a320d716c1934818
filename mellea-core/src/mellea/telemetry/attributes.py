"""What spans and metrics say of a request and of its answer, in the words of OpenTelemetry's conventions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from mellea.core.model_api import ModelAPI
from mellea.core.options import ModelOption
from mellea.core.response import Usage, as_usage
from mellea.core.thunk import ModelOutputThunk

__all__ = [
    "answer_attributes",
    "call_attributes",
    "is_agent",
    "provider_name",
    "request_attributes",
    "usage_attributes",
    "workflow_name",
]

_AGENTS = {"ReactInitiator": "react"}
"""What agents are asked by, and what they are called."""
_PROVIDERS = {
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""LiteLLM's names of providers, where the conventions have others."""
_NUMBERS = {
    ModelOption.TEMPERATURE: ("gen_ai.request.temperature", float),
    ModelOption.MAX_NEW_TOKENS: ("gen_ai.request.max_tokens", int),
    ModelOption.SEED: ("gen_ai.request.seed", int),
}
_NATIVE = {
    "top_p": ("gen_ai.request.top_p", float),
    "top_k": ("gen_ai.request.top_k", float),
    "frequency_penalty": ("gen_ai.request.frequency_penalty", float),
    "presence_penalty": ("gen_ai.request.presence_penalty", float),
}


def provider_name(backend: ModelAPI) -> str:
    """Return the conventions' name of a backend's provider: LiteLLM's model says which it is."""
    name, slash, _ = backend.model_id.partition("/")
    if backend.provider != "litellm" or not slash:
        return backend.provider
    return _PROVIDERS.get(name, name)


def call_attributes(backend: ModelAPI, operation: str) -> dict[str, Any]:
    """Return what is known of a request before it is made, for spans and metrics alike."""
    known: dict[str, Any] = {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": provider_name(backend),
    }
    if backend.model_id:
        known["gen_ai.request.model"] = backend.model_id
    address = getattr(backend, "base_url", None)
    if isinstance(address, str) and (host := urlsplit(address).hostname):
        known["server.address"] = host
        known["server.port"] = urlsplit(address).port or (443 if address.startswith("https") else 80)
    return known


def request_attributes(
    backend: ModelAPI, options: Mapping[str, Any] | None, *, wants_json: bool, samples: int
) -> dict[str, Any]:
    """Return what a request asks for besides."""
    canonical = backend.options.canonical
    merged = {**canonical(backend.model_options), **canonical(options or {})}
    known: dict[str, Any] = {}
    for table in (_NUMBERS, _NATIVE):
        for option, (attribute, kind) in table.items():
            value = merged.get(option)
            if isinstance(value, int | float) and not isinstance(value, bool):
                known[attribute] = kind(value)
    stops = merged.get(ModelOption.STOP_SEQUENCES)
    if stops:
        known["gen_ai.request.stop_sequences"] = [stops] if isinstance(stops, str) else list(map(str, stops))
    if wants_json:
        known["gen_ai.output.type"] = "json"
    if samples != 1:
        known["gen_ai.request.choice.count"] = samples
    return known


def is_agent(component_type: str) -> bool:
    """Tell whether what a verb asks is the goal of an agent."""
    return component_type in _AGENTS


def workflow_name(component_type: str, action: Any) -> str:
    """Return what the call of a verb is named: a typed function by its own name, all else by its class."""
    declared = re.search(r"\bdef (\w+)", str(getattr(action, "declaration", "")))
    return declared[1] if declared else _AGENTS.get(component_type, component_type)


def usage_attributes(usage: Usage | None) -> dict[str, Any]:
    """Return what is told of the tokens of an answer."""
    if usage is None:
        return {}
    known = {
        "gen_ai.usage.input_tokens": usage.prompt_tokens,
        "gen_ai.usage.output_tokens": usage.completion_tokens,
    }
    if usage.cached_tokens:
        known["gen_ai.usage.cache_read.input_tokens"] = usage.cached_tokens
    if usage.reasoning_tokens:
        known["gen_ai.usage.reasoning.output_tokens"] = usage.reasoning_tokens
    return known


def answer_attributes(output: ModelOutputThunk[Any] | None) -> dict[str, Any]:
    """Return what is told of an answer beside its text."""
    if output is None:
        return {}
    generation = output.generation
    known: dict[str, Any] = usage_attributes(as_usage(generation.usage))
    reasons = generation.finish_reasons and list(generation.finish_reasons)
    response = {
        "gen_ai.response.id": generation.response_id,
        "gen_ai.response.model": generation.response_model,
        "gen_ai.response.finish_reasons": reasons,
    }
    known |= {attribute: value for attribute, value in response.items() if value}
    if generation.streaming:
        known["gen_ai.request.stream"] = True
        if generation.ttfb_ms is not None:
            known["gen_ai.response.time_to_first_chunk"] = generation.ttfb_ms / 1000
    return known
