"""Models of Amazon Bedrock, through the backends for OpenAI-compatible servers and for LiteLLM."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from typing import Any

from mellea._lazy import names_of_old
from mellea.backends._forward import forward
from mellea.core.errors import AuthenticationError, ModelNotFoundError, ProviderConnectionError, UsageError
from mellea.core.model_identifier import ModelIdentifier

__all__ = [
    "create_bedrock_litellm_backend",
    "create_bedrock_openai_backend",
    "list_mantle_models",
    "stringify_mantle_model_ids",
]

__getattr__ = names_of_old(__name__)

_KEY = "AWS_BEARER_TOKEN_BEDROCK"
_SECONDS = 10.0


class _NoKeyError(AuthenticationError, RuntimeError):
    pass


def create_bedrock_openai_backend(model_id: str | ModelIdentifier, region: str | None = None) -> Any:
    """Return an ``OpenAIBackend`` for a model of Bedrock's OpenAI-compatible servers.

    Args:
        model_id: The model; a ``ModelIdentifier`` with its Bedrock name, or that name.
        region: The region; by default that of the environment, else ``us-east-1``.

    Raises:
        UsageError: The model has no name on Bedrock.
        AuthenticationError: (also a RuntimeError) There is no key.
        ModelNotFoundError: The region does not have the model.
        ProviderConnectionError: The list of models could not be read.
    """
    name = _name(model_id, "bedrock_name")
    key, where = _key(), _region(region)
    if name not in (known := list_mantle_models(where)):
        raise ModelNotFoundError(
            f"Bedrock has no model {name!r} in {where}.",
            hint=f"It has {', '.join(known) or 'none'}. Choose one of these, or another region.",
            backend="openai",
            model_id=name,
        )
    made = forward("openai", "mellea_openai", "OpenAIBackend")
    return made(model_id=name, base_url=_address(where), api_key=key)


def create_bedrock_litellm_backend(
    model_id: str | ModelIdentifier, region: str | None = None, num_retries: int = 3
) -> Any:
    """Return a ``LiteLLMBackend`` for a model of Bedrock.

    Args:
        model_id: The model; a ``ModelIdentifier`` with its Bedrock name, or LiteLLM's name for it.
        region: The region; by default that of the environment, else ``us-east-1``.
        num_retries: How often LiteLLM tries again.

    Raises:
        UsageError: The model has no name on Bedrock.
        AuthenticationError: (also a RuntimeError) There is no key.
    """
    name = _name(model_id, "bedrock_litellm_name")
    _key()
    made = forward("litellm", "mellea_litellm", "LiteLLMBackend")
    options = {"aws_region_name": _region(region), "num_retries": num_retries}
    return made(model_id=name if name.startswith("bedrock/") else f"bedrock/{name}", model_options=options)


def list_mantle_models(region: str | None = None) -> list[str]:
    """Return the names of the models that Bedrock's OpenAI-compatible servers have in a region.

    Raises:
        AuthenticationError: (also a RuntimeError) There is no key, or it is refused.
        ProviderConnectionError: The list could not be read.
    """
    address = f"{_address(_region(region))}/models"
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {_key()}"})  # noqa: S310  https
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as response:  # noqa: S310
            return sorted(str(model["id"]) for model in json.load(response)["data"])
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            raise _NoKeyError("Bedrock refuses the key.", hint=_STEPS, status=error.code) from error
        raise ProviderConnectionError(
            f"Bedrock's list of models answers {error.code}.", hint="Look at the region.", status=error.code
        ) from error
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ProviderConnectionError(
            f"Bedrock's list of models could not be read: {error}.",
            hint="Look at the region and the network.",
        ) from error


def stringify_mantle_model_ids(region: str | None = None) -> str:
    """Return the names of ``list_mantle_models``, each on a line of its own."""
    return "\n".join(f" * {name}" for name in list_mantle_models(region))


_STEPS = f"Make a Bedrock API key in the AWS console, and set {_KEY} to it: export {_KEY}=..."


def _key() -> str:
    key = os.environ.get(_KEY)
    if not key:
        raise _NoKeyError(f"There is no key for Bedrock: {_KEY} is not set.", hint=_STEPS)
    return key


def _region(region: str | None) -> str:
    asked = region or next(
        filter(None, map(os.environ.get, ("AWS_REGION_NAME", "AWS_DEFAULT_REGION", "AWS_REGION"))),
        "us-east-1",
    )
    if not asked.replace("-", "").isalnum():
        raise UsageError(f"{asked!r} is no region.", hint="Pass one like us-east-1.")
    return asked


def _address(region: str) -> str:
    return f"https://bedrock-mantle.{region}.api.aws/v1"


def _name(model_id: str | ModelIdentifier, kind: str) -> str:
    name = model_id if isinstance(model_id, str) else getattr(model_id, kind, None)
    if not name:
        raise UsageError(
            f"{model_id} has no name on Bedrock ({kind}).",
            hint="Pass a ModelIdentifier that has one, or Bedrock's own name of the model.",
        )
    return str(name)
