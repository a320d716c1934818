"""``start_backend`` under the path that programs of the 0.8 line import it from."""

from __future__ import annotations

import importlib
from typing import Any

from mellea.core.errors import UnknownPluginError
from mellea.stdlib.session import start_backend

__all__ = ["backend_name_to_class", "start_backend"]

_CLASSES = {
    "ollama": ("mellea.backends.ollama", "OllamaModelBackend"),
    "hf": ("mellea.backends.huggingface", "LocalHFBackend"),
    "huggingface": ("mellea.backends.huggingface", "LocalHFBackend"),
    "openai": ("mellea.backends.openai", "OpenAIBackend"),
    "litellm": ("mellea.backends.litellm", "LiteLLMBackend"),
}


def backend_name_to_class(name: str) -> Any:
    """Return the class of a well-known backend.

    Raises:
        UnknownPluginError: There is none of that name.
        BackendNotInstalledError: (also an ImportError) Its distribution is not installed.
    """
    if name not in _CLASSES:
        raise UnknownPluginError(
            f"There is no well-known backend {name!r}.", hint=f"Use {', '.join(_CLASSES)}."
        )
    module, attribute = _CLASSES[name]
    return getattr(importlib.import_module(module), attribute)
