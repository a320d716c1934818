"""LiteLLM itself, imported quietly, and what it says of a model.

Which provider has it, and what can be asked of it.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen

from mellea.core import Capabilities, Capability, ModelIdentifier, SchemaDialect
from mellea.core.addresses import is_this_machine
from mellea.core.errors import UsageError
from mellea.core.model_identifier import NameKind
from mellea.core.model_names import model_name
from mellea.core.redaction import redacted
from mellea.core.response import Usage
from mellea_litellm.providers import HANDED_THE_SDK

__all__ = ["Route", "hidden", "load_litellm", "model_string"]

_PREFIXES: tuple[tuple[NameKind, str], ...] = (
    ("ollama_name", "ollama_chat/"),
    ("openai_name", "openai/"),
    ("watsonx_name", "watsonx/"),
    ("bedrock_litellm_name", ""),
    ("hf_model_name", "huggingface/"),
)
"""Names of a model in the order in which they are tried, and the provider that LiteLLM calls by that name."""

_LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")


class _Hidden(logging.Filter):
    """Blanks secrets in what LiteLLM logs, which is whole requests when it is asked for details."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Blank the secrets in a record, and let it pass."""
        record.msg, record.args = redacted(record.getMessage(), self.secrets), ()
        return True


hidden = _Hidden()
"""The filter of LiteLLM's loggers; it knows the keys of all backends."""

_SDK_PROVIDERS = ("openai", "custom_openai", "text-completion-openai")
"""Providers that LiteLLM calls through the ``openai`` SDK, with any client it is handed."""


def model_string(model_id: str | ModelIdentifier, *, backend: str) -> str:
    """Return LiteLLM's ``provider/model`` for a model.

    Raises:
        UsageError: The id is empty or no text, or the identifier has no name that LiteLLM could use.
    """
    if isinstance(model_id, ModelIdentifier):
        for kind, prefix in _PREFIXES:
            if getattr(model_id, kind):
                return prefix + model_name(model_id, kind, backend=backend)
    return model_name(model_id, "bedrock_litellm_name", backend=backend)


def load_litellm() -> Any:
    """Import LiteLLM so that it fetches nothing and says nothing, and return it.

    A user's own settings win.
    """
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS", "True")
    is_first_import = "litellm" not in sys.modules
    with warnings.catch_warnings():
        if is_first_import:
            warnings.simplefilter("ignore")  # those of its import are nothing that a user could do about
        import litellm  # noqa: PLC0415  takes seconds

    for name in _LOGGERS:
        logging.getLogger(name).addFilter(hidden)  # adding it again does nothing
    litellm.suppress_debug_info = True  # else every error prints an advertisement to stdout
    if is_first_import and not (os.environ.get("LITELLM_LOG") or os.environ.get("JSON_LOGS")):
        for name in _LOGGERS:
            # Its own stderr handlers would say twice what the program's logging says anyway.
            logging.getLogger(name).handlers.clear()
    return litellm


@frozen
class Route:
    """Where LiteLLM sends the requests for a model.

    Args:
        provider: LiteLLM's name of the provider.
        api_key: The key, given or found in the environment.
        base_url: The address, given or the provider's own; None leaves it to LiteLLM.
        supported: The chat-completions parameters that the model takes; None if LiteLLM does not know.
        takes_client: Whether LiteLLM calls the provider's chat through an ``openai`` client that it is
            handed.
        batches: Whether the provider completes several prompts in one request.
        lacks: Capabilities that LiteLLM says the model does not have.
    """

    provider: str
    api_key: str | None
    base_url: str | None
    supported: frozenset[str] | None
    takes_client: bool
    batches: bool
    lacks: Capabilities

    @property
    def schema_dialect(self) -> SchemaDialect:
        """Which words of JSON schemas the provider keeps."""
        if self.provider in ("openai", "azure") and self.base_url is None:
            return SchemaDialect.OPENAI_STRICT
        return SchemaDialect.LLAMA_CPP if self.provider in ("ollama", "ollama_chat") else SchemaDialect.PLAIN

    @property
    def is_behind_the_sdk(self) -> bool:
        """Whether LiteLLM calls the provider through an ``openai`` client, and where it is is known."""
        return self.base_url is not None and self.provider in HANDED_THE_SDK

    @property
    def address(self) -> str | None:
        """Where the server is, as far as that is known."""
        if self.base_url is None and self.provider in ("ollama", "ollama_chat"):
            return os.environ.get("OLLAMA_API_BASE") or "http://localhost:11434"
        return self.base_url

    @property
    def calls_tools(self) -> bool:
        """Whether the provider's own protocol carries tools.

        Ollama's cannot force a call, and drops tools that a model's template does not know.
        """
        known = self.supported is None or "tools" in self.supported
        return known and self.provider not in ("ollama", "ollama_chat")

    @property
    def may_render_prompts(self) -> bool:
        """Whether the server may be one that renders prompts itself, and can be asked: no provider's own."""
        has_client = self.takes_client or (self.is_behind_the_sdk and self.is_local)
        host = urlsplit(self.base_url).hostname if self.base_url else None
        return bool(self.api_key) and has_client and host not in (None, "api.openai.com")

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        return self.address is not None and is_this_machine(urlsplit(self.address).hostname)

    def told_length(self, reason: str | None, usage: Usage | None, options: Mapping[str, Any]) -> str | None:
        """Return why an answer ended; of Ollama's plain completion LiteLLM says ``stop`` whatever it was."""
        limit = options.get("max_tokens", options.get("num_predict"))
        if self.provider != "ollama" or usage is None or not isinstance(limit, int) or limit < 1:
            return reason
        return "length" if usage.completion_tokens >= limit else reason

    @classmethod
    def of(cls, model: str, *, api_key: str | None, base_url: str | None, provider: str | None) -> Route:
        """Return the route of a model. Imports LiteLLM.

        Args:
            model: ``provider/model``, or a name that LiteLLM knows without.
            api_key: The user's key.
            base_url: The user's address.
            provider: The provider, if the model's name does not say it.

        Raises:
            UsageError: LiteLLM does not know the provider.
        """
        litellm = load_litellm()
        try:
            name, provider, key, base = litellm.get_llm_provider(model, provider, base_url, api_key)
        except litellm.BadRequestError as error:
            raise UsageError(
                f"LiteLLM knows no provider of model {model!r}.",
                hint="Write the model id as provider/model, such as 'anthropic/claude-3-opus-20240229', "
                "'ollama_chat/granite4.1:3b', or 'openai/NAME' with base_url=... for a compatible server.",
                backend="litellm",
                model_id=model,
            ) from error
        supported = litellm.get_supported_openai_params(name, provider)
        is_sdk = provider in _SDK_PROVIDERS
        if is_sdk:
            key = key or api_key or litellm.api_key or litellm.openai_key or os.environ.get("OPENAI_API_KEY")
            base = (
                base
                or litellm.api_base
                or os.environ.get("OPENAI_BASE_URL")
                or os.environ.get("OPENAI_API_BASE")
            )
        has_completions = provider in (
            "text-completion-openai",
            *litellm.openai_text_completion_compatible_providers,
        )
        return cls(
            provider=provider,
            api_key=key,
            base_url=base,
            supported=frozenset(supported) if supported is not None else None,
            takes_client=is_sdk,
            batches=has_completions
            or (provider == "openai" and name not in litellm.open_ai_chat_completion_models),
            lacks=_missing_capabilities(litellm, name, provider, supported),
        )


def _missing_capabilities(
    litellm: Any, name: str, provider: str, supported: list[str] | None
) -> Capabilities:
    lacks = set()
    if supported is not None:
        lacks |= {Capability.JSON_SCHEMA} if "response_format" not in supported else set()
        lacks |= {Capability.LOGPROBS} if "logprobs" not in supported else set()
        lacks |= {Capability.SEED} if "seed" not in supported else set()
        lacks |= {Capability.THINKING} if not {"reasoning_effort", "thinking"} & {*supported} else set()
    if (
        name in litellm.model_cost or f"{provider}/{name}" in litellm.model_cost
    ):  # of other models it knows nothing
        lacks |= {Capability.IMAGES} if not litellm.supports_vision(name, provider) else set()
        lacks |= {Capability.AUDIO} if not litellm.supports_audio_input(name, provider) else set()
    return frozenset(lacks)
